"""PCKh as MPII's published script calculates it."""

import math

import numpy as np
import pytest

from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.evaluation.pckh import head_sizes, pckh


def by_the_script(predicted, truth, visible, heads, threshold):
    """Keypoint by keypoint and person by person, as one would explain it."""
    shares, hits, seen = [], 0, 0
    for keypoint in range(16):
        rows = [row for row in range(len(truth)) if visible[row, keypoint]]
        good = sum(math.dist(predicted[row, keypoint], truth[row, keypoint]) / heads[row] <= threshold for row in rows)
        shares.append(100 * good / len(rows))
        if keypoint not in (6, 7):
            hits, seen = hits + good, seen + len(rows)
    return shares, 100 * hits / seen


@pytest.fixture
def labelled_people():
    random = np.random.default_rng(3)
    truth = random.uniform(0, 300, (40, 16, 2))
    predicted = truth + random.normal(0, 9, truth.shape)
    visible = random.random((40, 16)) < 0.7
    return predicted, truth, visible, random.uniform(15, 40, 40)


@pytest.mark.parametrize('threshold', [0.5, 0.2])
def test_pckh(labelled_people, threshold):
    score = pckh(*labelled_people, threshold=threshold)
    shares, mean = by_the_script(*labelled_people, threshold)
    assert score.keypoints == pytest.approx(shares)
    assert score.mean == pytest.approx(mean)
    assert 5 < score.mean < 95
    strict, mean_strict = by_the_script(*labelled_people, 0.1)
    assert score.keypoints_strict == pytest.approx(strict)
    assert score.mean_strict == pytest.approx(mean_strict)
    assert score.as_dict()['left_wrist'] == pytest.approx(shares[15])
    assert len(score.as_dict()) == 18


def test_pckh_mean_leaves_out_pelvis_and_thorax(labelled_people):
    _, truth, visible, heads = labelled_people
    wrong = truth.copy()
    wrong[:, [MPII_16.index('pelvis'), MPII_16.index('thorax')]] += 1000
    assert pckh(wrong, truth, visible, heads).mean == 100
    assert pckh(wrong, truth, visible, heads).as_dict()['pelvis'] == 0


def test_pckh_missing_keypoints_are_wrong_and_unseen_ones_nan(labelled_people):
    _, truth, visible, heads = labelled_people
    missing = truth.copy()
    missing[:, 0] = np.nan
    visible[:, 1] = False
    score = pckh(missing, truth, visible, heads)
    assert score.keypoints[0] == 0
    assert math.isnan(score.keypoints[1])
    assert not math.isnan(score.mean)


def test_head_size_is_six_tenths_of_the_diagonal():
    assert head_sizes(np.array([[10, 20, 40, 60]])) == pytest.approx([30])


def test_pckh_refuses_what_does_not_fit(labelled_people):
    predicted, truth, visible, heads = labelled_people
    with pytest.raises(EvaluationError, match=r'\(N, 16, 2\).*got \(40, 15, 2\)'):
        pckh(predicted[:, :15], truth, visible, heads)
    with pytest.raises(EvaluationError, match='lengths above 0'):
        pckh(predicted, truth, visible, heads * 0)
