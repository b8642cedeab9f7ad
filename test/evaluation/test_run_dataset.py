"""Running over images, and finding them."""

import json
import random

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.data.datasets.layout import find_images
from pose_estimation_ros.evaluation.run import evaluate_images
from pose_estimation_ros.evaluation.scored_images import Dataset
from pose_estimation_ros.inference.pipeline import Result, Timings


class Seer:
    """Finds one person in every image, whose nose is at the image's first pixel."""

    def __init__(self):
        self.batches = []

    def __call__(self, images):
        self.batches.append(len(images))
        return [Result([self.pose(image)], Timings(1.0, float(image[0, 0, 0]), 2.0)) for image in images]

    @staticmethod
    def pose(image):
        keypoints = np.full((17, 3), np.nan)
        keypoints[0] = (*image[0, 0, :2], 1)
        return Pose(keypoints, 1.0, COCO_17)


@pytest.fixture
def folder(tmp_path, truth):
    """A dataset of three images."""
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations' / 'people.json').write_text(json.dumps(truth))
    (tmp_path / 'images').mkdir()
    for image in truth['images']:
        pixels = np.full((48, 64, 3), image['id'], np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / image['file_name']), pixels)
    return tmp_path


def plain(value):
    return np.full((8, 8, 3), value, np.uint8)


def test_batches_are_bounded_and_images_read_as_they_are_needed():
    alive = []

    def entries():
        for number in range(7):
            alive.append(number)
            yield number, plain(number)

    class Watching(Seer):
        def __call__(self, images):
            assert len(alive) <= sum(self.batches) + 3
            return super().__call__(images)

    seer = Watching()
    run = evaluate_images(seer, entries(), batch=3)
    assert seer.batches == [3, 3, 1]
    assert run.image_ids == list(range(7))
    assert [each['image_id'] for each in run.detections] == list(range(7))
    assert [each['keypoints'][0] for each in run.detections] == [number + 0.5 for number in range(7)]


def test_timings():
    run = evaluate_images(Seer(), [(number, plain(number)) for number in range(101)])
    summary = run.timing_summary()
    assert summary == {
        'preprocess': (1, 1), 'forward': (50, pytest.approx(95)), 'decode': (2, 2), 'total': (53, pytest.approx(98))
    }  # fmt: skip
    assert run.ms_per_image == 53
    assert run.timing_table().splitlines()[2].split() == ['forward', '50.00', '95.00']


def test_no_images():
    run = evaluate_images(Seer(), [])
    assert run.detections == run.timings == []
    assert np.isnan(run.ms_per_image)
    assert run.timing_summary() == {}


@pytest.mark.parametrize('damage', ['cut', 'html', 'empty'])
def test_unreadable_images(folder, damage, caplog):
    dataset = Dataset.open(folder, 'people.json')
    files = dataset.image_files(folder / 'images', dataset.image_ids())
    bad = files[1][1]
    bad.write_bytes({'cut': bad.read_bytes()[:40], 'html': b'<html></html>', 'empty': b''}[damage])
    with pytest.raises(DatasetError, match=r'image 2 of the dataset: .*2\.png'):
        evaluate_images(Seer(), files)
    run = evaluate_images(Seer(), files, batch=2, skip_unreadable=True)
    assert run.image_ids == [1, 5]
    assert len(run.unreadable) == 1
    assert '2.png' in run.unreadable[0]
    assert 'skipped' in caplog.text


def test_interrupt_goes_through():
    def infer(images):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_images(infer, [(1, plain(1))])


class TestDataset:
    @pytest.mark.parametrize('place', ['annotations', '.'])
    def test_annotations_in_either_place(self, folder, place):
        (folder / 'annotations' / 'people.json').rename(folder / place / 'other.json')
        dataset = Dataset.open(folder, 'other.json')
        assert dataset.path == folder / place / 'other.json'
        assert dataset.image_ids() == [1, 2, 5]

    def test_no_annotations(self, folder):
        with pytest.raises(DatasetError, match=r'no person.json in .*; --annotations must name .*: people.json'):
            Dataset.open(folder, 'person.json')

    def test_no_images_folder(self, folder):
        with pytest.raises(DatasetError, match=r'no folder val2017 in .* one of those there: annotations, images'):
            find_images(folder, 'val2017')

    def test_no_dataset(self, folder):
        with pytest.raises(DatasetError, match=r'no folder .*/coco; beside it there are: annotations, images'):
            Dataset.open(folder / 'coco', 'people.json')
        with pytest.raises(DatasetError, match='beside it there are: none'):
            Dataset.open(folder / 'a' / 'b', 'people.json')

    def test_missing_images(self, folder):
        dataset = Dataset.open(folder, 'people.json')
        for number in (1, 5):
            (folder / 'images' / f'{number}.png').unlink()
        with pytest.raises(DatasetError, match=r'2 of 3 images of people.json are not in .*: 1.png, 5.png'):
            dataset.image_files(folder / 'images', dataset.image_ids())
        assert [key for key, _ in dataset.image_files(folder / 'images', [2])] == [2]

    def test_nameless_images(self, folder, truth):
        del truth['images'][1]['file_name']
        (folder / 'annotations' / 'people.json').write_text(json.dumps(truth))
        dataset = Dataset.open(folder, 'people.json')
        with pytest.raises(DatasetError, match=r'image 2 of .* has no file_name'):
            dataset.image_files(folder / 'images', dataset.image_ids())

    def test_limit_and_subset(self, make):
        dataset = Dataset(None, make.truth({}, images=list(range(100, 200))))
        assert dataset.image_ids(limit=4) == [100, 101, 102, 103]
        random.seed(0)
        order = list(range(100, 200))
        random.shuffle(order)
        assert dataset.image_ids(subset=10) == sorted(order[:10])
        assert dataset.image_ids(limit=3, subset=10) == sorted(order[:10])[:3]
        assert len(dataset.image_ids(subset=1000)) == 100
