"""Mosaics and sparse frames: images and annotations go through the same moves, and datasets come out whole."""

import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import DatasetError

SCRIPT = Path(__file__).parents[1] / 'scripts' / 'make_large_frames.py'
SPEC = importlib.util.spec_from_file_location('make_large_frames', SCRIPT)
large_frames = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = large_frames  # dataclasses look their module up there
SPEC.loader.exec_module(large_frames)
Photographs, as_coco = large_frames.Photographs, large_frames.as_coco
enlarged, mosaics, sparse = large_frames.enlarged, large_frames.mosaics, large_frames.sparse
SIZES = [(480, 640), (427, 640), (640, 480), (640, 640), (333, 500), (540, 640), (200, 300)]
SPOT = (100, 60)
"""Column and row of the white spot that is everybody's nose."""


@pytest.fixture
def coco(tmp_path):
    """Seven images of which the last shows nobody, each with a white spot where its person's nose is."""
    folder = tmp_path / 'coco'
    (folder / 'val2017').mkdir(parents=True)
    images, annotations = [], []
    for number, (height, width) in enumerate(SIZES, start=1):
        picture = np.full((height, width, 3), 40, np.uint8)
        if number < len(SIZES):
            picture[SPOT[1] - 4 : SPOT[1] + 5, SPOT[0] - 4 : SPOT[0] + 5] = 255
            nose = [SPOT[0] + 0.5, SPOT[1] + 0.5, 2]
            annotations.append({
                'id': number, 'image_id': number, 'category_id': 1, 'iscrowd': 0, 'num_keypoints': 17,
                'keypoints': nose * 16 + [0, 0, 0], 'bbox': [90, 50, 20, 20], 'area': 400.0, 'segmentation': [[1, 2]],
            })  # fmt: skip
        cv2.imwrite(str(folder / 'val2017' / f'{number}.png'), picture)
        images.append({'id': number, 'file_name': f'{number}.png', 'width': width, 'height': height})
    truth = {'images': images, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'person'}]}
    (folder / 'person_keypoints_val2017.json').write_text(json.dumps(truth))
    return folder


@pytest.fixture
def photographs(coco):
    return Photographs(json.loads((coco / 'person_keypoints_val2017.json').read_text()), coco / 'val2017')


def assert_noses_on_spots(frame):
    for person in frame.people:
        x, y = (round(value - 0.5) for value in person['keypoints'][:2])
        assert frame.image[y, x].min() > 200, f'no spot at {x}, {y}'
        left, top, width, height = person['bbox']
        assert left < x < left + width
        assert top < y < top + height


def test_mosaics_have_six_pictures_and_noses_where_they_belong(photographs):
    (frame,) = mosaics(photographs)
    assert frame.image.shape == (1080, 1920, 3)
    assert len(frame.people) == 6
    assert_noses_on_spots(frame)


def test_areas_are_scaled_with_their_pictures(photographs):
    (frame,) = mosaics(photographs)
    assert frame.people[0]['area'] == 400
    assert frame.people[2]['area'] == pytest.approx(400 * (540 / 640) ** 2)


def test_missing_keypoints_stay_missing(photographs):
    (frame,) = mosaics(photographs)
    assert all(person['keypoints'][-3:] == [0, 0, 0] for person in frame.people)


def test_enlarged_pictures_have_the_rows_asked_for(photographs):
    frames = list(enlarged(photographs, 1080))
    assert len(frames) == 6
    for frame in frames:
        assert frame.image.shape[0] == 1080
        assert_noses_on_spots(frame)


@pytest.mark.parametrize('rows', [1080, 2160])
def test_sparse_frames_show_photographs_and_synthetic_people_in_turn(photographs, rows):
    photograph, synthetic = sparse(photographs, rows, 2)
    assert photograph.image.shape == synthetic.image.shape == (rows, rows * 16 // 9, 3)
    assert_noses_on_spots(photograph)
    assert len(photograph.people) == 1
    assert 1 <= len(synthetic.people) <= 3


def test_sparse_frames_are_the_same_every_time(photographs):
    one, other = (next(sparse(photographs, 1080, 1)) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert one.people == other.people


def test_sparse_frames_need_pictures_of_nobody(photographs):
    photographs.truth['images'].pop()
    with pytest.raises(DatasetError, match='got 6 and 0'):
        next(sparse(photographs, 1080, 1))


def test_a_missing_picture_is_told(photographs):
    (photographs.folder / '3.png').unlink()
    with pytest.raises(DatasetError, match=r'3\.png is missing'):
        list(mosaics(photographs))


def test_annotations_are_numbered_through(photographs):
    written = {}
    frames = itertools.islice(enlarged(photographs, 540), 3)
    truth = as_coco(((f'{number}.jpg', frame) for number, frame in enumerate(frames)), written.__setitem__)
    assert list(written) == [image['file_name'] for image in truth['images']] == ['0.jpg', '1.jpg', '2.jpg']
    assert [each['id'] for each in truth['annotations']] == [1, 2, 3]
    assert [each['image_id'] for each in truth['annotations']] == [1, 2, 3]
    assert all('segmentation' not in each for each in truth['annotations'])


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=SCRIPT.parents[1], env={'PYTHONPATH': str(SCRIPT.parents[1])},
    )  # fmt: skip


def test_the_script_makes_datasets_that_evaluation_reads(coco, tmp_path):
    from pose_estimation_ros.evaluation.scored_images import Dataset

    outcome = run_script('--coco', coco, '--output', tmp_path / 'out', 'mosaics_1080')
    assert outcome.returncode == 0, outcome
    assert '1 frame, 6 people' in outcome.stdout
    dataset = Dataset.open(tmp_path / 'out' / 'mosaics_1080', 'person_keypoints_val2017.json')
    pictures = dataset.image_files(tmp_path / 'out' / 'mosaics_1080' / 'val2017', dataset.image_ids())
    assert cv2.imread(str(pictures[0][1])).shape == (1080, 1920, 3)


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        (('squares',), "KIND must be one of mosaics_1080, .* got 'squares'"),
        (('--count', '0'), '--count must be 1 or more, got 0'),
        (('--annotations', 'none.json'), 'no none.json in'),
    ],
)
def test_the_script_refuses_what_it_cannot_use(coco, tmp_path, arguments, complaint):
    import re

    outcome = run_script('--coco', coco, '--output', tmp_path / 'out', *arguments)
    assert outcome.returncode == 2
    assert 'Traceback' not in outcome.stderr
    assert re.search(complaint, outcome.stderr), outcome.stderr
    assert not (tmp_path / 'out').exists()
