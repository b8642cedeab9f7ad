"""Datasets: what they hand out, and what they say about files and loaders that are not what they should be."""

import json
import logging
import multiprocessing
import pickle
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matlab_files import mat_file, matrix

from pose_estimation_ros.core.errors import DatasetError, ImageError, SettingsError
from pose_estimation_ros.core.image import Image
from pose_estimation_ros.core.skeleton import COCO_17, LEEDS_14, MPII_16, OPENPOSE_18
from pose_estimation_ros.data.datasets.coco import CocoKeypoints, CocoMainPersons
from pose_estimation_ros.data.datasets.external import (
    DatasetIterator,
    ExternalDataset,
    FromIterator,
    find_external,
)
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.leeds import LeedsSportsExtended
from pose_estimation_ros.data.datasets.mixture import Mixture
from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople
from pose_estimation_ros.data.datasets.wrappers import CachedDataset, InSkeleton, convert_keypoints
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.methods.lightweight_openpose.augmentation import published_augmentation
from pose_estimation_ros.synthetic import SceneSettings
from pose_estimation_ros.synthetic.appearance import Wardrobe
from pose_estimation_ros.synthetic.mesh import TILES
from pose_estimation_ros.training.pose.datasets import open_dataset
from pose_estimation_ros.training.pose.recipe import DatasetSettings

SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def person(image_id=1, identity=1, labelled=17, box=(10, 10, 20, 40), **others) -> dict[str, Any]:
    keypoints = [[box[0] + n, box[1] + 2 * n, 1 + n % 2] if n < labelled else [0, 0, 0] for n in range(17)]
    return {
        'id': identity,
        'image_id': image_id,
        'category_id': 1,
        'iscrowd': 0,
        'bbox': list(box),
        'area': box[2] * box[3] / 2,
        'num_keypoints': labelled,
        'keypoints': np.ravel(keypoints).tolist(),
        'segmentation': [[box[0], box[1], box[0] + box[2], box[1], box[0], box[1] + box[3]]],
        **others,
    }


class Folder:
    """A small COCO dataset on disk."""

    def __init__(self, path: Path) -> None:
        self.images, self.annotations = path / 'images', path / 'keypoints.json'
        self.images.mkdir()
        self.listed: list[dict[str, Any]] = []

    def add(self, identity: int, hw: tuple[int, int] = (60, 80)) -> Path:
        path = self.images / f'{identity:03}.png'
        cv2.imwrite(str(path), np.full((*hw, 3), identity, np.uint8))
        self.listed.append({'id': identity, 'file_name': path.name, 'height': hw[0], 'width': hw[1]})
        return path

    def write(self, *annotations: dict[str, Any], **others: Any) -> tuple[Path, Path]:
        content = {'images': self.listed, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'person'}]}
        self.annotations.write_text(json.dumps({**content, **others}))
        return self.images, self.annotations


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class Numbered(KeypointDataset):
    """Images that hold their own index; what else is returned can be replaced."""

    def __init__(self, count=3, skeleton=COCO_17, **replaced: Any) -> None:
        self.count, self.skeleton, self.replaced = count, skeleton, replaced

    def __len__(self):
        return self.count

    def load_sample(self, index):
        keypoints = np.ones((1, len(self.skeleton), 3)) * [[[5], [9]][index % 2] * 2 + [2]]
        loaded = {'image': np.full((6, 8, 3), index, np.uint8), 'mask': None, 'keypoints': keypoints, 'extras': {}}
        return tuple({**loaded, **self.replaced}.values())


def same(first: Sample, second: Sample) -> bool:
    names = ('image', 'mask', 'keypoints', 'boxes', 'areas', 'annotated')
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


class OnlyTwoMethods(KeypointDataset):
    """What a user has to write."""

    def __len__(self):
        return 2

    def load_sample(self, index):
        image = np.zeros((40, 50, 3), np.uint8)
        keypoints = np.zeros((1, 17, 3))
        keypoints[0, :2] = (10, 20, 2), (30, 25, 1)
        keypoints[0, 2] = np.nan, np.nan, 0
        return image, np.ones((40, 50)), keypoints, {'name': f'image {index}'}


def test_two_methods_make_a_dataset():
    sample = OnlyTwoMethods().sample(1)
    assert sample.boxes.tolist() == [[10, 20, 20, 5]]
    assert sample.areas.tolist() == [100]
    assert sample.annotated.tolist() == [True] * 17
    assert sample.mask.dtype == np.uint8
    assert sample.mask.all()
    assert sample.keypoints[0, 2].tolist() == [0, 0, 0]
    assert sample.extras == {'name': 'image 1'}


def test_nobody_and_no_mask_are_fine():
    sample = Numbered(keypoints=[]).sample(0)
    assert sample.keypoints.shape == (0, 17, 3)
    assert sample.boxes.shape == (0, 4)
    assert sample.areas.shape == (0,)
    assert sample.mask.shape == (6, 8)


@pytest.mark.parametrize('index', [-1, 3, 10**9])
def test_index_out_of_range(index):
    with pytest.raises(IndexError, match=f'Numbered has no sample {index}; its 3 samples'):
        Numbered(3).sample(index)
    with pytest.raises(IndexError, match='Mixture has no sample'):
        Mixture([Numbered(3)]).sample(index)


@pytest.mark.parametrize(
    ('replaced', 'sentence'),
    [
        ({'image': None}, r'image must be HxWx3 uint8 .*got NoneType; is its path right'),
        ({'image': np.zeros((6, 8, 3))}, r'image must be HxWx3 uint8 .*got \(6, 8, 3\) float64'),
        ({'image': np.zeros((6, 8), np.uint8)}, r'image must be .*got \(6, 8\) uint8'),
        ({'mask': np.ones((8, 6))}, r'mask must be 6x8 like the image.*got \(8, 6\) float64; return None'),
        ({'keypoints': np.zeros((1, 18, 3))}, r'keypoints must be \(people, 17, 3\).*coco_17, got \(1, 18, 3\)'),
        ({'keypoints': np.zeros((17, 3))}, r'keypoints must be \(people, 17, 3\).*got \(17, 3\)'),
        ({'keypoints': 'left wrist'}, 'keypoints must be numbers .*got str'),
        ({'keypoints': np.full((1, 17, 3), 0.7)}, r"COCO's flag \(0 not labelled, 1 hidden, 2 visible\), got 0.7"),
        ({'keypoints': np.full((1, 17, 3), 1) * [np.nan, 1, 1]}, r'nose of person 0 is labelled, but lies at \[nan, 1'),
        ({'extras': None}, 'extras must be a dict, got NoneType'),
        (
            {'extras': {'boxes': np.zeros((2, 4))}},
            r"extras\['boxes'\] must be \(1, 4\), one row a person, got \(2, 4\)",
        ),
        ({'extras': {'boxes': [[0, 0, -1, 2]]}}, r"extras\['boxes'\] must be finite, and sizes not negative"),
        ({'extras': {'areas': [np.nan]}}, r"extras\['areas'\] must be finite"),
        ({'more': 1}, r'must return the tuple \(image, mask, keypoints, extras\), got tuple of 5'),
    ],
)
def test_wrong_loaders_are_told(replaced, sentence):
    with pytest.raises(DatasetError, match=rf'Numbered\.load_sample\(1\).*{sentence}'):
        Numbered(**replaced).sample(1)


def test_coco_gives_people_with_their_truth(folder):
    folder.add(1)
    folder.add(2)
    sample = CocoKeypoints(*folder.write(person(1), person(1, 2, labelled=3), person(2, 3))).sample(0)
    assert sample.image[0, 0].tolist() == [1, 1, 1]
    assert sample.keypoints.shape == (2, 17, 3)
    assert sample.keypoints[0, 4].tolist() == [13.5, 17.5, 1]  # COCO counts from the corner of the first pixel
    assert sample.keypoints[1, 4].tolist() == [0, 0, 0]
    assert sample.boxes.tolist() == [[9.5, 9.5, 20, 40]] * 2
    assert sample.areas.tolist() == [400, 400]
    assert sample.extras == {'image_id': 1, 'path': str(folder.images / '001.png')}


def test_coco_leaves_out_people_without_keypoints_and_flat_boxes(folder):
    folder.add(1)
    folder.add(2)
    people = [person(1), person(1, 2, labelled=0), person(1, 3, box=(5, 5, 0, 10)), person(2, 4, labelled=0)]
    paths = folder.write(*people)
    assert len(CocoKeypoints(*paths)) == 1
    assert len(CocoKeypoints(*paths).sample(0).keypoints) == 1
    everything = CocoKeypoints(*paths, keep_empty=True)
    assert len(everything) == 2
    assert everything.sample(1).keypoints.shape == (0, 17, 3)


def test_coco_masks_crowds_and_if_asked_who_is_not_annotated(folder):
    from pycocotools import mask as coder

    folder.add(1)
    crowd = np.zeros((60, 80), np.uint8, order='F')
    crowd[40:50, 60:70] = 1
    packed = coder.encode(crowd)
    crowds = [
        person(1, 2, labelled=0, iscrowd=1, segmentation={'size': [60, 80], 'counts': packed['counts'].decode()}),
        person(1, 3, labelled=0, iscrowd=1, segmentation={'size': [60, 80], 'counts': [0, 5, 60 * 80 - 5]}),
    ]
    paths = folder.write(person(1), *crowds, person(1, 4, labelled=0, segmentation=SQUARE), person(1, 5, labelled=2))
    mask = CocoKeypoints(*paths).sample(0).mask
    expected = 1 - crowd
    expected[:5, 0] = 0
    assert np.array_equal(mask, expected)
    expected[10:30, 10:30] = 0
    assert np.array_equal(CocoKeypoints(*paths, mask_people=True).sample(0).mask, expected)
    stricter = CocoKeypoints(*paths, mask_people=True, min_keypoints=3).sample(0)
    assert len(stricter.keypoints) == 1
    assert stricter.mask[31:38, 11].tolist() == [0] * 7


def test_coco_subset_keeps_the_order_asked_for(folder):
    for identity in (1, 2, 3):
        folder.add(identity)
    paths = folder.write(*(person(n, n) for n in (1, 2, 3)))
    dataset = CocoKeypoints(*paths, image_ids=[3, 1])
    assert [dataset.sample(n).extras['image_id'] for n in range(2)] == [3, 1]
    with pytest.raises(DatasetError, match=r'no image with id 9 \(1 of the 2 image_ids'):
        CocoKeypoints(*paths, image_ids=[9, 1])


def test_coco_images_missing_or_broken(folder):
    paths = folder.write(*(person(n, n) for n in (1, 2, 3)), images=[])
    gone, cut = folder.add(1), folder.images / '2.jpg'
    cv2.imwrite(str(cut), np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    cut.write_bytes(cut.read_bytes()[:800])
    folder.listed += [{'id': 2, 'file_name': '2.jpg'}, {'id': 3, 'file_name': 'none.jpg'}]
    paths = folder.write(*(person(n, n) for n in (1, 2, 3)))
    gone.unlink()
    dataset = CocoKeypoints(*paths)
    with pytest.raises(DatasetError, match=r'2 of 3 images are missing, first .*001\.png'):
        dataset.check_files()
    with pytest.raises(ImageError, match=r'cannot read .*001\.png: No such file'):
        dataset.sample(0)
    with pytest.raises(ImageError, match=r'2\.jpg is cut off'):
        dataset.sample(1)


def test_coco_image_of_another_size(folder):
    path = folder.add(1)
    dataset = CocoKeypoints(*folder.write(person(1)))
    cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(DatasetError, match=r'001\.png is 40x30, its annotations are for 80x60'):
        dataset.sample(0)


def test_coco_annotations_of_unknown_images(folder, caplog):
    folder.add(1)
    with caplog.at_level(logging.WARNING):
        dataset = CocoKeypoints(*folder.write(person(1), person(7, 2), person(8, 3)))
    assert len(dataset) == 1
    assert 'ignoring 2 of 3 annotations' in caplog.text
    assert len(caplog.records) == 1
    with pytest.raises(DatasetError, match=r'none of the 2 annotations refers to an image .*first image_id 7'):
        CocoKeypoints(*folder.write(person(7, 2), person(8, 3)))


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('{"images": [', r'keypoints\.json is not JSON'),
        ('', r'is not JSON'),
        ('[1, 2]', "expected an object with the lists 'images' and 'annotations'"),
        ('{"images": {}, "annotations": []}', "expected an object with the lists 'images' and 'annotations'"),
        ('{"images": [{"id": 1}], "annotations": []}', "one of 'images' has no 'file_name'"),
        ('{"images": [], "annotations": [{"bbox": [1, 2, 3, 4]}]}', "one of 'annotations' has no 'image_id'"),
        (
            '{"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}',
            "without 'keypoints'.*person_keypoi",
        ),
        ('{"images": [], "annotations": []}', 'has no people with 1 or more keypoints'),
    ],
)
def test_coco_files_that_are_none(folder, text, sentence):
    folder.annotations.write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        CocoKeypoints(folder.images, folder.annotations)


@pytest.mark.parametrize(
    ('changed', 'sentence'),
    [
        ({'keypoints': [1, 2, 2] * 18}, 'annotation 1: keypoints must be 51 numbers .*coco_17.*got 54'),
        ({'keypoints': ['a'] * 51}, 'annotation 1: keypoints must be numbers'),
        ({'keypoints': [1, 2, 3] * 17}, "COCO's flags 0, 1 and 2"),
        ({'bbox': [1, 2, 3]}, 'bbox must be x, y, width, height'),
        ({'bbox': None}, 'bbox must be x, y, width, height'),
    ],
)
def test_coco_people_that_are_none(folder, changed, sentence):
    folder.add(1)
    with pytest.raises(DatasetError, match=sentence):
        CocoKeypoints(*folder.write(person(1, **changed)))


@pytest.mark.parametrize(
    'segmentation', [[[1, 2]], {'counts': 'x'}, {'size': [5, 5], 'counts': [25]}, [['a', 'b'] * 3]]
)
def test_coco_crowds_that_are_none(folder, segmentation):
    folder.add(1)
    dataset = CocoKeypoints(*folder.write(person(1), person(1, 2, iscrowd=1, segmentation=segmentation)))
    with pytest.raises(DatasetError, match=r'001\.png: a segmentation is'):
        dataset.sample(0)


def test_coco_folders_that_are_missing(folder, tmp_path):
    images, annotations = folder.write(person())
    with pytest.raises(DatasetError, match='nowhere is not a folder; give the folder of the images'):
        CocoKeypoints(tmp_path / 'nowhere', annotations)
    with pytest.raises(DatasetError, match=r'cannot read .*nothing\.json: No such file'):
        CocoKeypoints(images, tmp_path / 'nothing.json')


def test_main_persons_follow_the_published_rule(folder):
    folder.add(1, (400, 500))
    folder.add(2, (400, 500))
    people = [
        person(1, 1, labelled=2, box=(300, 10, 80, 90)),  # too few keypoints
        person(1, 2, box=(10, 10, 50, 100)),
        person(1, 3, box=(39, 10, 50, 100)),  # 29 pixels from the one before: less than 0.3 times 100
        person(1, 4, box=(41, 10, 50, 100)),  # 31 pixels
        person(1, 5, box=(200, 200, 40, 50), area=1023),  # too small
        person(2, 6, labelled=4, box=(10, 10, 50, 100)),
    ]
    dataset = CocoMainPersons(*folder.write(*people))
    assert [dataset.sample(n).boxes[0, 0] for n in range(len(dataset))] == [9.5, 40.5]
    assert dataset.sample(1).boxes[:, 0].tolist() == [40.5, 299.5, 9.5, 38.5, 199.5]
    assert dataset.sample(1).extras['image_id'] == 1
    with pytest.raises(DatasetError, match='no people with 5 or more keypoints'):
        CocoMainPersons(*folder.write(people[-1]))


def test_real_coco_agrees_with_pycocotools(assets):
    from pycocotools.coco import COCO

    paths = assets / 'coco/train2017', assets / 'coco/annotations/person_keypoints_train2017.json'
    dataset, truth = CocoKeypoints(*paths), COCO(paths[1])
    dataset.check_files()
    CocoMainPersons(*paths).check_files()
    assert sum(len(image.people) for image, _, _ in dataset.entries) == 196
    crowded = [number for number, (image, _, _) in enumerate(dataset.entries) if image.crowds]
    assert crowded
    for number in [*crowded, 0, 1]:
        sample = dataset.sample(number)
        rows = truth.loadAnns(truth.getAnnIds(imgIds=sample.extras['image_id']))
        people = [row for row in rows if row['num_keypoints'] and not row['iscrowd']]
        keypoints = sample.keypoints + np.where(sample.keypoints[..., 2:] > 0, [0.5, 0.5, 0], 0)
        assert np.array_equal(keypoints, np.reshape([row['keypoints'] for row in people], (-1, 17, 3)))
        assert sample.areas.tolist() == [row['area'] for row in people]
        crowd = np.any([truth.annToMask(row) for row in rows if row['iscrowd']] or [sample.mask * 0], axis=0)
        assert np.array_equal(sample.mask == 0, crowd)


def test_leeds_reads_its_archive(assets):
    dataset = LeedsSportsExtended(assets / 'lspet')
    assert len(dataset) == 10000
    sample = dataset.sample(0)
    assert sample.image.shape[2] == 3
    assert sample.keypoints.shape == (1, 14, 3)
    assert sample.keypoints[0, 0].tolist() == [0, 0, 0]
    assert sample.keypoints[0, LEEDS_14.index('right_knee'), :2] == pytest.approx([26.03, 86.41], abs=0.01)
    rows, columns = np.nonzero(sample.mask)
    x, y, width, height = sample.boxes[0]
    assert columns.min() <= x
    assert rows.min() <= y
    assert columns.max() >= x + width
    assert rows.max() >= y + height
    assert 0 < dataset.sample(5).mask.mean() < 1
    assert LeedsSportsExtended(assets / 'lspet', others='keep').sample(5).mask.all()


def test_leeds_keypoints_lie_inside_their_images(assets):
    dataset = LeedsSportsExtended(assets / 'lspet')
    for index in range(0, 10000, 500):
        sample = dataset.sample(index)
        seen = sample.keypoints[sample.keypoints[..., 2] > 0][:, :2]
        assert (seen >= -0.5).all()
        assert (seen <= np.array(sample.image.shape[1::-1]) - 0.5).all()


def upright(left_x: float, right_x: float) -> np.ndarray:
    """A person of Leeds who stands upright, with shoulders and hips in these columns."""
    keypoints = np.concatenate([np.full((14, 2), 40.0), np.ones((14, 1))], axis=1)
    for part, y in (('shoulder', 20), ('hip', 60)):
        for side, x in (('left', left_x), ('right', right_x)):
            keypoints[LEEDS_14.index(f'{side}_{part}'), :2] = x, y
    return keypoints


def test_leeds_from_behind_are_those_whose_left_is_left(tmp_path):
    """Also where somebody lies or hangs; from the side, or with a keypoint unlabelled, nobody knows."""
    front, behind, side, unknown = upright(50, 30), upright(30, 50), upright(39, 41), upright(30, 50)
    unknown[LEEDS_14.index('left_hip'), 2] = 0
    turned = [np.column_stack([80 - each[:, 1], each[:, 0], each[:, 2]]) for each in (front, behind)]  # a quarter
    upside_down = [np.column_stack([80 - each[:, :2], each[:, 2]]) for each in (front, behind)]
    keypoints = np.stack([front, behind, side, unknown, *turned, *upside_down])
    np.savez(tmp_path / 'joints.npz', joints=keypoints)
    with zipfile.ZipFile(tmp_path / 'images.zip', 'w') as archive:
        for number in range(len(keypoints)):
            pixels = np.full((80, 80, 3), 10 * number, np.uint8)
            archive.writestr(f'im{number:05}.jpg', cv2.imencode('.jpg', pixels)[1].tobytes())
    assert len(LeedsSportsExtended(tmp_path)) == 8
    assert len(open_dataset(DatasetSettings('leeds', from_behind=True), tmp_path)) == 3
    chosen = LeedsSportsExtended(tmp_path, from_behind=True)
    assert [chosen.sample(index).extras['image_id'] for index in range(len(chosen))] == [1, 5, 7]
    assert [round(chosen.sample(index).image.mean()) for index in range(len(chosen))] == [10, 50, 70]
    assert chosen.sample(1).keypoints[0] == pytest.approx(np.column_stack([turned[1][:, :2], np.full(14, 2)]))


def test_leeds_as_published(tmp_path):
    """Images lie in a folder of lspet_dataset.zip, keypoints in joints.mat, people last."""
    keypoints = np.stack([upright(50, 30), upright(30, 50), upright(45, 35)])
    mat_file(tmp_path / 'joints.mat', matrix('joints', keypoints.transpose(1, 2, 0)))
    with zipfile.ZipFile(tmp_path / 'lspet_dataset.zip', 'w') as archive:
        archive.writestr('README.txt', 'LSPET')
        for number in range(3):
            pixels = np.full((80, 80, 3), 10 * number, np.uint8)
            archive.writestr(f'images/im{number + 1:05}.jpg', cv2.imencode('.jpg', pixels)[1].tobytes())
    dataset = LeedsSportsExtended(tmp_path)
    assert [round(dataset.sample(index).image.mean()) for index in range(3)] == [0, 10, 20]
    shoulder = LEEDS_14.index('left_shoulder')
    assert [dataset.sample(index).keypoints[0, shoulder, 0] for index in range(3)] == [50, 30, 45]
    mat_file(tmp_path / 'joints.mat', matrix('people', keypoints))
    with pytest.raises(DatasetError, match=r"joints\.mat has no 'joints' of keypoints"):
        LeedsSportsExtended(tmp_path)


def test_leeds_files_that_are_none(tmp_path, assets):
    with pytest.raises(DatasetError, match=r'joints\.npz'):
        LeedsSportsExtended(tmp_path)
    np.savez(tmp_path / 'joints.npz', joints=np.zeros((2, 14, 3)))
    with pytest.raises(DatasetError, match=r'has neither images\.zip nor lspet_dataset\.zip'):
        LeedsSportsExtended(tmp_path)
    (tmp_path / 'images.zip').write_bytes((assets / 'lspet' / 'images.zip').read_bytes()[:5000])
    with pytest.raises(DatasetError, match=r'cannot open .*images\.zip'):
        LeedsSportsExtended(tmp_path)
    np.savez(tmp_path / 'joints.npz', joints=np.zeros((2, 16, 3)))
    with pytest.raises(DatasetError, match=r'keypoints must be \(N, 14, 3\)'):
        LeedsSportsExtended(tmp_path)
    with pytest.raises(SettingsError, match="'mask' or 'keep'"):
        LeedsSportsExtended(tmp_path, others='both')  # type: ignore[arg-type]


def test_synthetic_people_are_the_same_again():
    dataset = SyntheticPeople(4, (96, 128), (1, 3), seed=5)
    sample = dataset.sample(2)
    assert sample.image.shape == (96, 128, 3)
    assert sample.keypoints.shape[1:] == (18, 3)
    assert 1 <= len(sample.keypoints) <= 3
    assert same(sample, dataset.sample(2))
    assert same(sample, SyntheticPeople(9, (96, 128), (1, 3), seed=5).sample(2))
    assert not same(sample, dataset.sample(3))
    assert not same(sample, SyntheticPeople(4, (96, 128), (1, 3), seed=6).sample(2))
    with pytest.raises(SettingsError, match='count must be 1 or more'):
        SyntheticPeople(0)
    with pytest.raises(SettingsError, match='people must be'):
        SyntheticPeople(1, persons=(3, 1))


def test_synthetic_flags_tell_hidden_from_visible_and_outside():
    settings = SceneSettings(person_height=(0.8, 1.4), looks=2)
    dataset = SyntheticPeople(12, (96, 96), (2, 3), settings=settings)
    samples = [dataset.sample(index) for index in range(12)]
    flags = np.concatenate([sample.keypoints[..., 2].ravel() for sample in samples])
    assert set(flags) == {0, 1, 2}
    for sample in samples:
        x, y, flag = sample.keypoints.reshape(-1, 3).T
        assert (x[flag > 0] >= -0.5).all()
        assert (y[flag > 0] <= 95.5).all()
        assert (sample.areas > 0).all()


def test_a_look_is_worn_in_many_colours():
    rng = np.random.default_rng(0)
    first, second = (Wardrobe(1).appearance(rng, feminine=True, child=False, sits=False) for _ in range(2))
    assert first.outfit == second.outfit
    left, top, right, bottom = (int(edge) for edge in TILES['top'])
    clothes = [each.atlas[top:bottom, left:right].astype(int) for each in (first, second)]
    assert np.abs(clothes[0] - clothes[1]).mean() > 5
    third = Wardrobe(0).appearance(rng, feminine=True, child=False, sits=False)
    assert third.outfit != first.outfit


@pytest.mark.parametrize(('settings', 'sentence'), [({'looks': -1}, 'looks must be'), ({'detail': 0.0}, 'detail must')])
def test_impossible_looks_are_refused(settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        SceneSettings(**settings)


def test_detail_changes_outlines_alone():
    rough, fine = (
        SyntheticPeople(3, (128, 128), settings=SceneSettings(looks=2, detail=detail)).sample(1) for detail in (0.3, 1)
    )
    assert not np.array_equal(rough.image, fine.image)
    assert np.abs(rough.image.astype(int) - fine.image).mean() < 3
    assert np.array_equal(rough.keypoints[..., :2], fine.keypoints[..., :2])


def test_conversion_goes_by_name_and_makes_a_neck():
    keypoints = np.random.default_rng(0).uniform(1, 50, (3, 17, 3))
    keypoints[..., 2] = 2
    left, right = COCO_17.index('left_shoulder'), COCO_17.index('right_shoulder')
    keypoints[1, left, 2] = 1
    keypoints[2, left] = 0
    converted = convert_keypoints(keypoints, COCO_17, OPENPOSE_18)
    for name in COCO_17.keypoints:
        assert np.array_equal(converted[:, OPENPOSE_18.index(name)], keypoints[:, COCO_17.index(name)])
    neck = converted[:, OPENPOSE_18.index('neck')]
    assert neck[:2, :2] == pytest.approx((keypoints[:2, left, :2] + keypoints[:2, right, :2]) / 2)
    assert neck[:, 2].tolist() == [2, 1, 0]
    assert neck[2].tolist() == [0, 0, 0]


def test_conversion_agrees_with_the_reference(golden):
    vectors = golden('target_lwop')
    published = vectors['coco_keypoints_in'].astype(float)
    keypoints = np.concatenate(
        [published[..., :2], np.array([1, 2, 0])[published[..., 2].astype(int)][..., None]], axis=2
    )
    expected = vectors['keypoints18'].astype(float)
    converted = convert_keypoints(keypoints, COCO_17, OPENPOSE_18)
    inside = expected[..., 2] < 2  # the reference also drops what lies outside its crop
    assert inside.sum() > 20
    assert converted[inside][:, :2] == pytest.approx(expected[inside][:, :2])
    assert converted[inside][:, 2].tolist() == np.array([1, 2])[expected[inside][:, 2].astype(int)].tolist()


@pytest.mark.parametrize(
    ('source', 'target', 'missing'),
    [
        (COCO_17, OPENPOSE_18, set()),
        (LEEDS_14, OPENPOSE_18, {'nose', 'right_eye', 'left_eye', 'right_ear', 'left_ear'}),
        (OPENPOSE_18, COCO_17, set()),
        (LEEDS_14, MPII_16, {'pelvis', 'thorax'}),
    ],
)
def test_converted_datasets_say_what_they_do_not_label(source, target, missing):
    dataset = InSkeleton(Numbered(2, source), target)
    sample = dataset.sample(0)
    assert {name for name, there in zip(target.keypoints, sample.annotated, strict=True) if not there} == missing
    assert np.array_equal(sample.keypoints[0, :, 2] > 0, sample.annotated)


def test_conversion_keeps_boxes_areas_and_mask():
    mask = np.ones((6, 8))
    mask[0] = 0
    source = Numbered(2, mask=mask, extras={'boxes': [[1, 2, 3, 4]], 'areas': [7], 'path': 'a'})
    sample = InSkeleton(source, OPENPOSE_18).sample(1)
    assert sample.boxes.tolist() == [[1, 2, 3, 4]]
    assert sample.areas.tolist() == [7]
    assert np.array_equal(sample.mask, mask)
    assert sample.extras == {'path': 'a'}


def test_mixture_keeps_shares_and_shows_everything():
    mixture = Mixture([Numbered(10), Numbered(30), Numbered(5)], [1, 2, 1])
    places = list(map(tuple, mixture.order.tolist()))
    assert len(mixture) == 60
    assert [sum(part == number for part, _ in places) for number in range(3)] == [15, 30, 15]
    assert len(set(places)) == 45
    parts = [part for part, _ in places]
    assert parts != sorted(parts)
    sample = mixture.sample(7)
    assert (sample.extras['part'], sample.extras['part_index']) == places[7]
    assert sample.image[0, 0, 0] == places[7][1]


def test_mixture_is_the_same_again_and_in_one_skeleton():
    parts = [Numbered(10, COCO_17), Numbered(10, LEEDS_14)]
    first, second = (Mixture(parts, [0.9, 0.1], length=50, seed=3, skeleton=OPENPOSE_18) for _ in range(2))
    other = Mixture(parts, [0.9, 0.1], length=50, seed=4)
    assert first.order.tolist() == second.order.tolist()
    assert first.order.tolist() != other.order.tolist()
    assert {first.sample(n).keypoints.shape for n in range(50)} == {(1, 18, 3)}
    assert {bool(first.sample(n).annotated.all()) for n in range(50)} == {True, False}
    assert first.order[:, 0].sum() == 5


@pytest.mark.parametrize(
    ('parts', 'settings', 'sentence'),
    [
        ([], {}, 'one dataset or more'),
        ([Numbered()], {'weights': [1, 2]}, 'as many weights'),
        ([Numbered()], {'weights': [-1]}, '0 or more and not all 0'),
        ([Numbered()], {'weights': [0]}, '0 or more and not all 0'),
        ([Numbered(), Numbered(0)], {}, 'Numbered has no images to mix in'),
        ([Numbered()], {'length': 0}, 'length must be 1 or more'),
    ],
)
def test_mixtures_that_are_none(parts, settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        Mixture(parts, **settings)


def test_external_dataset_is_found_in_either_place(folder, tmp_path):
    folder.add(1)
    folder.write(person(1))
    found = CocoKeypoints(*find_external(ExternalDataset(str(tmp_path), 'Coco'), 'images', 'keypoints.json'))
    assert len(found) == 1
    (tmp_path / 'annotations').mkdir()
    folder.annotations.rename(tmp_path / 'annotations' / 'keypoints.json')
    assert len(CocoKeypoints(*find_external(ExternalDataset(tmp_path, 'COCO'), 'images', 'keypoints.json'))) == 1
    with pytest.raises(
        DatasetError,
        match=r'no val\.json in .*; annotations_filename must name one of .*: keypoints\.json',
    ):
        CocoKeypoints(*find_external(ExternalDataset(tmp_path, 'COCO'), 'images', 'val.json'))
    with pytest.raises(DatasetError, match='images_folder_name must name one of those there: annotations, images'):
        CocoKeypoints(*find_external(ExternalDataset(tmp_path, 'COCO'), 'val2017', 'keypoints.json'))


@pytest.mark.parametrize('kind', ['voc', '', None])
def test_external_dataset_of_another_type(kind):
    with pytest.raises(DatasetError, match="dataset_type must be 'COCO'"):
        ExternalDataset('data', kind)


class Listed(DatasetIterator):
    """A user's iterator over given annotations."""

    def __init__(self, *annotations: Any) -> None:
        self.annotations = annotations

    def __getitem__(self, index):
        return Image(np.full((60, 80, 3), 7, np.uint8)), self.annotations[index]

    def __len__(self):
        return len(self.annotations)


def test_iterators_of_dicts_and_arrays():
    crowd = person(1, 3, labelled=0, iscrowd=1, segmentation=SQUARE)
    dataset = FromIterator(Listed([person(), person(labelled=0), crowd], np.full((2, 17, 3), 2.0), []))
    assert len(dataset) == 3
    first = dataset.sample(0)
    assert first.image[0, 0].tolist() == [7, 7, 7]
    assert first.boxes.tolist() == [[9.5, 9.5, 20, 40]]
    assert (first.mask == 0).sum() == 400
    assert dataset.sample(1).keypoints.shape == (2, 17, 3)
    assert dataset.sample(2).keypoints.shape == (0, 17, 3)


@pytest.mark.parametrize(
    ('annotations', 'sentence'),
    [
        ('none', "must be a list of COCO's dicts or an array"),
        ([{'keypoints': [1, 2, 3]}], r'Listed\[0\]: annotation without id: keypoints must be 51 numbers'),
        (np.zeros((2, 16, 3)), r'keypoints must be \(people, 17, 3\)'),
    ],
)
def test_iterators_that_are_none(annotations, sentence):
    with pytest.raises(DatasetError, match=sentence):
        FromIterator(Listed(annotations)).sample(0)


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_datasets_work_in_other_processes(assets, method):
    leeds = LeedsSportsExtended(assets / 'lspet')
    leeds.sample(0)
    paths = assets / 'coco/train2017', assets / 'coco/annotations/person_keypoints_train2017.json'
    dataset = Mixture([leeds, CocoMainPersons(*paths), SyntheticPeople(5, (64, 64))], length=12, skeleton=OPENPOSE_18)
    chain = published_augmentation(64)
    here = [chain(dataset.sample(index), np.random.default_rng(index)) for index in range(12)]
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context, initializer=cv2.setNumThreads, initargs=(0,)) as pool:
        loaded = list(pool.map(dataset.sample, range(12)))
        there = list(pool.map(chain, loaded, map(np.random.default_rng, range(12))))
    assert all(map(same, here, there))


def test_datasets_can_be_pickled(assets, folder):
    folder.add(1)
    for dataset in (
        CocoKeypoints(*folder.write(person(1))),
        LeedsSportsExtended(assets / 'lspet'),
        SyntheticPeople(2, (64, 64)),
        FromIterator(Listed([])),
    ):
        dataset.sample(0)
        assert same(pickle.loads(pickle.dumps(dataset)).sample(0), dataset.sample(0))


class TestKept:
    def test_images_come_from_the_folder_the_second_time(self, tmp_path):
        people = SyntheticPeople(3, (64, 80), (1, 2), seed=1)
        kept = CachedDataset(people, tmp_path / 'kept', {'seed': 1})
        assert len(kept) == 3
        assert kept.skeleton is people.skeleton
        first = kept.sample(1)
        stamp = (tmp_path / 'kept' / '0000001.npz').stat().st_mtime_ns
        for sample in (first, CachedDataset(people, tmp_path / 'kept', {'seed': 1}).sample(1)):
            original = people.sample(1)
            assert np.array_equal(sample.image, original.image)
            for name in ('keypoints', 'boxes', 'areas'):
                assert np.array_equal(getattr(sample, name), getattr(original, name))
        assert (tmp_path / 'kept' / '0000001.npz').stat().st_mtime_ns == stamp
        assert sorted(path.name for path in (tmp_path / 'kept').iterdir()) == ['0000001.npz', 'pictures.json']

    @pytest.mark.parametrize('content', [b'', b'PK', b'no image at all'])
    def test_half_a_file_is_made_again(self, tmp_path, content):
        people = SyntheticPeople(2, (64, 64), (1, 1), seed=1)
        kept = CachedDataset(people, tmp_path, {})
        whole = kept.sample(0)
        (tmp_path / '0000000.npz').write_bytes(content or (tmp_path / '0000000.npz').read_bytes()[:200])
        assert np.array_equal(kept.sample(0).image, whole.image)

    def test_other_images_are_refused(self, tmp_path):
        CachedDataset(SyntheticPeople(2, seed=1), tmp_path, {'seed': 1})
        with pytest.raises(SettingsError, match='keeps other images'):
            CachedDataset(SyntheticPeople(2, seed=2), tmp_path, {'seed': 2})
