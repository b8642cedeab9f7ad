"""MPII's persons: pixels counted from 0, the published crop, and the truth that PCKh compares with."""

import json

import cv2
import numpy as np
import pytest
import torch
from matlab_files import mat_file, matrix

from pose_estimation_ros import SimpleBaselineLearner
from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.data.datasets.matlab import read_arrays
from pose_estimation_ros.data.datasets.mpii import MpiiPersons, read_truth
from pose_estimation_ros.evaluation.pckh import MpiiPeople, evaluate_mpii
from pose_estimation_ros.inference.top_down import TopDown
from pose_estimation_ros.training.pose.validation import MpiiValidation


def person(name, x, y, scale=1.0):
    keypoints = np.column_stack([np.full(16, x), np.full(16, y)]) + np.arange(16)[:, None]
    seen = [1] * 15 + [0]
    return {'image': name, 'center': [x, y], 'scale': scale, 'joints': keypoints.tolist(), 'joints_vis': seen}


@pytest.fixture
def mpii(tmp_path):
    """Two persons in one image, and the published truth of them."""
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.full((300, 400, 3), 50, np.uint8))
    people = [person('a.jpg', 101, 121), person('a.jpg', 251, 141, 0.5)]
    (tmp_path / 'valid.json').write_text(json.dumps(people))
    keypoints = np.array([each['joints'] for each in people])
    absent = 1.0 - np.array([each['joints_vis'] for each in people]).T
    heads = np.array([[[91, 81], [111, 111]], [[241, 121], [251, 131]]], float)
    mat_file(
        tmp_path / 'gt_valid.mat',
        matrix('headboxes_src', heads.transpose(1, 2, 0)),
        matrix('jnt_missing', absent, class_number=9, kind=2, dtype='u1'),
        matrix('pos_gt_src', keypoints.transpose(1, 2, 0)),
    )
    return tmp_path


def test_persons_come_one_by_one_in_pixels_from_0_with_the_published_square(mpii):
    people = MpiiPersons(mpii, mpii / 'valid.json')
    people.check_files()
    assert (len(people), people.skeleton) == (2, MPII_16)
    sample = people.sample(1)
    assert sample.keypoints.shape == (1, 16, 3)
    np.testing.assert_allclose(sample.keypoints[0, 3], [253, 143, 2])
    np.testing.assert_allclose(sample.keypoints[0, 15], [0, 0, 0])
    np.testing.assert_allclose(sample.boxes, [[250 - 50, 140 + 7.5 - 50, 100, 100]])
    assert sample.image.shape == (300, 400, 3)


def test_the_truth_is_read_out_of_the_published_file(mpii):
    truth = read_truth(mpii / 'gt_valid.mat')
    np.testing.assert_allclose(truth.keypoints[1, 3], [253, 143])
    assert truth.visible.sum(axis=1).tolist() == [15, 15]
    np.testing.assert_allclose(truth.head_boxes[0], [90, 80, 110, 110])


@pytest.mark.parametrize('compressed', [True, False])
def test_arrays_of_numbers_are_read_and_others_left_out(tmp_path, compressed):
    values = np.arange(24, dtype=float).reshape(2, 3, 4)
    text = matrix('word', np.array([[65, 66]]), class_number=4, kind=4, dtype='<u2')
    path = mat_file(tmp_path / 'x.mat', matrix('abc', values), text, matrix('longer', values[0]), compressed=compressed)
    arrays = read_arrays(path)
    assert list(arrays) == ['abc', 'longer']
    np.testing.assert_array_equal(arrays['abc'], values)


class Oracle(TopDown):
    """A pipeline that finds keypoints where they are, but for given errors."""

    def __init__(self, mpii, by):
        self.keypoints, self.by, self.calls = mpii.truth.keypoints, by, 0

    def __call__(self, image, boxes):
        from types import SimpleNamespace

        from pose_estimation_ros.core.pose import Pose

        xy = self.keypoints[self.calls] + [self.by[self.calls], 0]
        self.calls += 1
        return SimpleNamespace(poses=[Pose(np.column_stack([xy, np.ones(16)]), 1.0, MPII_16)])


def test_pckh_of_a_pipeline(mpii):
    people = MpiiPeople.open(mpii, mpii / 'valid.json', mpii / 'gt_valid.mat')
    first = 0.6 * np.hypot(20, 30)  # the first person's head size
    score = evaluate_mpii(Oracle(people, (0.0, 0.0)), people, progress=False)
    assert score['PCKh@0.5'] == score['PCKh@0.1'] == 100
    score = evaluate_mpii(Oracle(people, (0.45 * first, 100.0)), people, progress=False)
    assert (score['PCKh@0.5'], score['PCKh@0.1']) == (50, 0)
    only_first = MpiiPeople(people.people, people.truth, limit=1)
    assert evaluate_mpii(Oracle(people, (0.45 * first, 0)), only_first, progress=False)['PCKh@0.5'] == 100


class EveryOtherKeypoint(torch.nn.Module):
    """A network that finds the first person's even keypoints within a cell, and odd ones in a corner of the crop."""

    def forward(self, crops):
        maps = torch.zeros(len(crops), 16, 64, 64)
        for keypoint in range(16):
            x, y = (
                (28, 28) if keypoint % 2 else (keypoint, keypoint - 15)
            )  # pixels from the centre of a crop of 250 pixels
            maps[:, keypoint, round(32 + y * 64 / 250), round(32 + x * 64 / 250)] = 1
        return (maps,)


def test_learners_are_scored_on_the_annotated_boxes(mpii):
    learner = SimpleBaselineLearner(
        device='cpu', backbone='resnet18', skeleton='mpii', input_size=(256, 256), backend='torch', threads=1
    )
    learner._model.adopt(EveryOtherKeypoint())
    files = mpii, mpii / 'valid.json', mpii / 'gt_valid.mat'
    first = learner.eval_mpii(*files, silent=True, limit=1)
    counted = [name for name in MPII_16.keypoints[:15] if name not in ('pelvis', 'thorax')]
    right = [name for name in counted if MPII_16.keypoints.index(name) % 2 == 0]
    assert {name: first[name] for name in counted} == {name: 100.0 * (name in right) for name in counted}
    assert first['PCKh@0.5'] == pytest.approx(100 * len(right) / len(counted))
    both = learner.eval_mpii(*files, silent=True)
    assert both == evaluate_mpii(learner.scoring_pipeline(), MpiiPeople.open(*files), progress=False)
    assert 0 < both['PCKh@0.5'] < first['PCKh@0.5']  # the second person's head is smaller


def test_learners_of_other_skeletons_are_not_scored(mpii):
    with pytest.raises(SettingsError, match=r"PCKh needs a top-down network of MPII's 16 keypoints, got one of simple"):
        SimpleBaselineLearner(device='cpu').eval_mpii(mpii, mpii / 'valid.json', mpii / 'gt_valid.mat')


def test_validation_shares_people_and_has_names_that_loggers_take(mpii):
    people = MpiiPeople.open(mpii, mpii / 'valid.json', mpii / 'gt_valid.mat')
    oracle = Oracle(people, (0.0, 100.0))
    validation = MpiiValidation(people, lambda network: oracle)
    totals = []

    def progress(persons):
        totals.append(len(persons))
        yield from persons

    parts = [validation.run(None, rank, 2, progress) for rank in range(2)]
    assert totals == [1, 1]
    scores = validation.score(parts)
    assert (scores['PCKh_0.5'], scores['PCKh_0.1']) == (50, 50)
    assert not any('@' in name for name in scores)
    assert [validation.tag(name) for name in ('PCKh_0.5', 'PCKh_0.1', 'r_ank')] == ['PCKh@0.5', 'PCKh@0.1', 'r_ank']


def test_what_is_not_mpii_is_told(mpii, tmp_path):
    def refusal(function, *arguments):
        with pytest.raises(DatasetError) as caught:
            function(*arguments)
        return str(caught.value)

    assert 'is not a folder' in refusal(MpiiPersons, tmp_path / 'none', mpii / 'valid.json')
    assert 'cannot read' in refusal(MpiiPersons, mpii, tmp_path / 'none.json')
    (tmp_path / 'dict.json').write_text('{}')
    assert 'must be a list of people, got dict' in refusal(MpiiPersons, mpii, tmp_path / 'dict.json')
    (tmp_path / 'short.json').write_text(json.dumps([{**person('a.jpg', 1, 1), 'joints': [[1, 2]]}]))
    assert 'person 0 of' in refusal(MpiiPersons, mpii, tmp_path / 'short.json')
    (tmp_path / 'lost.json').write_text(json.dumps([person('b.jpg', 1, 1)]))
    assert '1 of 1 images are missing, first ' in refusal(MpiiPersons(mpii, tmp_path / 'lost.json').check_files)
    assert 'is of 2 persons' in refusal(MpiiPeople.open, mpii, tmp_path / 'lost.json', mpii / 'gt_valid.mat')
    (tmp_path / 'not.mat').write_bytes(b'x' * 200)
    assert 'no MATLAB file of version 5' in refusal(read_truth, tmp_path / 'not.mat')
    content = (mpii / 'gt_valid.mat').read_bytes()
    (tmp_path / 'cut.mat').write_bytes(content[:-9])
    assert 'cut off or damaged' in refusal(read_truth, tmp_path / 'cut.mat')
    lacking = mat_file(tmp_path / 'lacking.mat', matrix('pos_gt_src', np.zeros((16, 2, 1))))
    assert 'lacks headboxes_src, jnt_missing' in refusal(read_truth, lacking)
