"""OKS as pycocotools has it, PCKh as MPII's published script has it."""

import math

import numpy as np
import pytest

from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.skeleton import COCO_17, MPII_16
from pose_estimation_ros.evaluation.oks import oks
from pose_estimation_ros.evaluation.pckh import head_sizes, pckh

SIGMAS = np.array(COCO_17.sigmas)


def test_golden_oks(golden):
    expected = golden('coco_ap')
    truth = golden('coco_ap_gt.json')['annotations']
    detections = golden('coco_ap_detections.json')
    compared = 0
    for name in expected:
        if not name.startswith('oks_'):
            continue
        image_id = int(name.removeprefix('oks_'))
        people = [each for each in truth if each['image_id'] == image_id]
        found = sorted((each for each in detections if each['image_id'] == image_id), key=lambda each: -each['score'])
        similarity = oks(
            np.array([each['keypoints'] for each in found[:20]]).reshape(-1, 17, 3),
            np.array([each['keypoints'] for each in people]).reshape(-1, 17, 3),
            np.array([each['area'] for each in people]),
            expected['sigmas'],
            np.array([each['bbox'] for each in people]),
        )
        assert similarity == pytest.approx(expected[name], abs=1e-9), name
        compared += similarity.size
    assert compared > 100


def test_oks_by_hand(make):
    truth = make.person(150, 150)
    found = truth[None, :, :2].copy()
    area = 5000.0
    assert oks(found, truth[None], np.array([area]), SIGMAS) == pytest.approx(np.ones((1, 1)))
    found[0, 0, 0] += 3
    expected = (16 + math.exp(-9 / (2 * area * (2 * 0.026) ** 2))) / 17
    assert oks(found, truth[None], np.array([area]), SIGMAS)[0, 0] == pytest.approx(expected)
    found[0, 1] = np.nan
    assert oks(found, truth[None], np.array([area]), SIGMAS)[0, 0] == pytest.approx(expected - 1 / 17)


def test_oks_counts_labelled_keypoints_only(make):
    truth, found = make.person(150, 150), make.person(150, 150)
    truth[5:, 2] = 0
    found[5:] += 500
    assert oks(found[None], truth[None], np.array([5000.0]), SIGMAS) == pytest.approx(np.ones((1, 1)))


def test_oks_of_nobody(make):
    some = make.person(1, 2)[None]
    none = np.empty((0, 17, 3))
    assert oks(none, some, np.ones(1), SIGMAS).shape == (0, 1)
    assert oks(some, none, np.ones(0), SIGMAS).shape == (1, 0)
    bare = np.zeros((1, 17, 3))
    assert oks(some, bare, np.ones(1), SIGMAS) == 0
    assert np.isfinite(oks(some, some + 1, np.zeros(1), SIGMAS)).all()


def by_the_script(predicted, truth, visible, heads, threshold):
    """Joint by joint and person by person, as one would explain it."""
    shares, hits, seen = [], 0, 0
    for joint in range(16):
        rows = [row for row in range(len(truth)) if visible[row, joint]]
        good = sum(math.dist(predicted[row, joint], truth[row, joint]) / heads[row] <= threshold for row in rows)
        shares.append(100 * good / len(rows))
        if joint not in (6, 7):
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
    assert score.joints == pytest.approx(shares)
    assert score.mean == pytest.approx(mean)
    assert 5 < score.mean < 95
    strict, mean_strict = by_the_script(*labelled_people, 0.1)
    assert score.joints_strict == pytest.approx(strict)
    assert score.mean_strict == pytest.approx(mean_strict)
    assert score.as_dict()['left_wrist'] == pytest.approx(shares[15])
    assert len(score.as_dict()) == 18


def test_pckh_mean_leaves_out_pelvis_and_thorax(labelled_people):
    _, truth, visible, heads = labelled_people
    wrong = truth.copy()
    wrong[:, [MPII_16.index('pelvis'), MPII_16.index('thorax')]] += 1000
    assert pckh(wrong, truth, visible, heads).mean == 100
    assert pckh(wrong, truth, visible, heads).as_dict()['pelvis'] == 0


def test_pckh_missing_joints_are_wrong_and_unseen_ones_nan(labelled_people):
    _, truth, visible, heads = labelled_people
    missing = truth.copy()
    missing[:, 0] = np.nan
    visible[:, 1] = False
    score = pckh(missing, truth, visible, heads)
    assert score.joints[0] == 0
    assert math.isnan(score.joints[1])
    assert not math.isnan(score.mean)


def test_head_size_is_six_tenths_of_the_diagonal():
    assert head_sizes(np.array([[10, 20, 40, 60]])) == pytest.approx([30])


def test_pckh_refuses_what_does_not_fit(labelled_people):
    predicted, truth, visible, heads = labelled_people
    with pytest.raises(EvaluationError, match=r'\(N, 16, 2\).*got \(40, 15, 2\)'):
        pckh(predicted[:, :15], truth, visible, heads)
    with pytest.raises(EvaluationError, match='lengths above 0'):
        pckh(predicted, truth, visible, heads * 0)
