from dataclasses import replace

import numpy as np
import pytest

from pose_estimation_ros.core.pose import Pose, get_bbox
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.tracking.similarity import (
    _box_areas,
    count_similar_keypoints,
    oks_similarity,
    pose_keypoint_similarity,
)

NOBODY = Pose(np.full((18, 3), np.nan), 0)


@pytest.fixture
def poses():
    rng = np.random.default_rng(3)
    xy = rng.uniform(-20, 300, (6, 18, 2))
    xy[rng.random((6, 18)) < 0.3] = np.nan
    return [Pose(np.column_stack([points, np.ones(18)]), 1) for points in xy]


def formula(previous, current):
    """The published formula, keypoint by keypoint."""
    count = 0
    area = max(get_bbox(pose)[2] * get_bbox(pose)[3] for pose in (previous, current))
    for a, b, sigma in zip(previous.keypoints, current.keypoints, previous.skeleton.sigmas, strict=True):
        if np.isfinite(a[0]) and np.isfinite(b[0]):
            squared = float(np.square(a[:2].astype(float) - b[:2]).sum())
            count += np.exp(-squared / (2 * (area + np.spacing(1)) * (2 * sigma) ** 2)) > 0.5
    return count


def test_matrix_agrees_with_the_formula_pair_by_pair(poses):
    rng = np.random.default_rng(4)
    current = [pose.moved(pose.keypoints[:, :2] + rng.normal(0, 12, (18, 2))) for pose in poses[:4]]
    expected = [[formula(a, b) for b in current] for a in poses]
    assert np.ptp(expected) > 5
    np.testing.assert_array_equal(count_similar_keypoints(poses, current), expected)
    assert count_similar_keypoints([poses[1]], [current[1]])[0, 0] == expected[1][1]


def test_areas_are_those_of_the_published_box(poses):
    # OpenDR's integer form loses keypoints that lie one pixel outside (-1 means missing there), so keep inside.
    inside = [pose.moved(np.abs(pose.keypoints[:, :2])) for pose in [*poses, NOBODY]]
    xy = np.stack([pose.keypoints[:, :2] for pose in inside]).astype(float)
    np.testing.assert_array_equal(_box_areas(xy), [get_bbox(pose)[2] * get_bbox(pose)[3] for pose in inside])


def test_a_pose_is_like_itself(poses):
    for pose in poses:
        assert count_similar_keypoints([pose], [pose])[0, 0] == len(pose.found)
        assert oks_similarity([pose], [pose])[0, 0] == 1


def test_missing_keypoints_are_nan_and_do_not_count(poses):
    assert count_similar_keypoints([NOBODY], [poses[0]])[0, 0] == 0
    assert oks_similarity([NOBODY], poses).tolist() == [[0] * 6]
    similarity = pose_keypoint_similarity(poses[:1], poses[1:2])[0, 0]
    shared = np.isfinite(poses[0].keypoints[:, 0]) & np.isfinite(poses[1].keypoints[:, 0])
    np.testing.assert_array_equal(np.isfinite(similarity), shared)


def test_one_single_keypoint_gives_no_warning():
    keypoints = np.full((18, 3), np.nan)
    keypoints[4] = 10, 20, 1
    pose = Pose(keypoints, 1)
    assert count_similar_keypoints([pose], [pose])[0, 0] == 1


def test_empty_lists(poses):
    assert count_similar_keypoints([], poses).shape == (0, 6)
    assert count_similar_keypoints(poses, []).shape == (6, 0)


def test_works_for_other_skeletons_but_not_across():
    coco = Pose(np.random.default_rng(0).uniform(0, 99, (17, 3)), 1, COCO_17)
    assert count_similar_keypoints([coco], [coco])[0, 0] == 17
    with pytest.raises(ValueError, match='openpose_18 and coco_17'):
        count_similar_keypoints([coco], [NOBODY])
    twin = replace(NOBODY, skeleton=replace(OPENPOSE_18))
    assert count_similar_keypoints([twin], [NOBODY])[0, 0] == 0
