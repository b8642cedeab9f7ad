"""OKS as pycocotools calculates it."""

import math

import numpy as np
import pytest

from pose_estimation_ros.core.oks import keypoint_similarity, mean_of_shared, oks
from pose_estimation_ros.core.skeleton import COCO_17

SIGMAS = np.array(COCO_17.sigmas)


def person(x, y):
    """Return (17, 3) labelled keypoints within 100 pixels of a point."""
    xy = np.random.default_rng(0).uniform(-100, 100, (17, 2)) + [x, y]
    return np.column_stack([xy, np.full(17, 2.0)])


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


def test_oks_by_hand():
    truth = person(150, 150)
    found = truth[None, :, :2].copy()
    area = 5000.0
    assert oks(found, truth[None], np.array([area]), SIGMAS) == pytest.approx(np.ones((1, 1)))
    found[0, 0, 0] += 3
    expected = (16 + math.exp(-9 / (2 * area * (2 * 0.026) ** 2))) / 17
    assert oks(found, truth[None], np.array([area]), SIGMAS)[0, 0] == pytest.approx(expected)
    found[0, 1] = np.nan
    assert oks(found, truth[None], np.array([area]), SIGMAS)[0, 0] == pytest.approx(expected - 1 / 17)


def test_oks_counts_labelled_keypoints_only():
    truth, found = person(150, 150), person(150, 150)
    truth[5:, 2] = 0
    found[5:] += 500
    assert oks(found[None], truth[None], np.array([5000.0]), SIGMAS) == pytest.approx(np.ones((1, 1)))


def test_oks_of_nobody():
    some = person(1, 2)[None]
    none = np.empty((0, 17, 3))
    assert oks(none, some, np.ones(1), SIGMAS).shape == (0, 1)
    assert oks(some, none, np.ones(0), SIGMAS).shape == (1, 0)
    bare = np.zeros((1, 17, 3))
    assert oks(some, bare, np.ones(1), SIGMAS) == 0
    assert np.isfinite(oks(some, some + 1, np.zeros(1), SIGMAS)).all()


def test_a_pair_may_have_an_area_of_its_own():
    first, second = np.stack([person(0, 0), person(2, 0)]), person(1, 0)[None]
    areas = np.array([[100.0], [400.0]])
    similarity = keypoint_similarity(first, second, areas, SIGMAS)  # (2, 1, 17)
    expected = np.exp(-1 / (2 * areas[..., None] * (2 * SIGMAS) ** 2))
    np.testing.assert_allclose(similarity, expected)


def test_the_mean_goes_over_keypoints_of_both_poses():
    first, second = person(0, 0), person(0, 0)
    first[3:] = np.nan
    similarity = keypoint_similarity(first[None], second[None], np.array([100.0]), SIGMAS)
    assert mean_of_shared(similarity) == pytest.approx(np.ones((1, 1)))
    assert mean_of_shared(np.full((1, 1, 17), np.nan)) == 0
