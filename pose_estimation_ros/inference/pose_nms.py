"""Leaving out poses that show a person once more."""

from collections.abc import Sequence

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.core.boxes import keep_unlike
from pose_estimation_ros.core.oks import keypoint_similarity, mean_of_shared
from pose_estimation_ros.core.pose import Pose


def pose_likeness(poses: Sequence[Pose], areas: FloatArray) -> FloatArray:
    """Return OKS (N, N) of poses by the mean of each pair's areas (N,), over the keypoints found in both."""
    xy = np.stack([pose.keypoints[:, :2] for pose in poses]).astype(float)
    area = (areas[:, None] + areas[None]) / 2
    return mean_of_shared(keypoint_similarity(xy, xy, area, np.array(poses[0].skeleton.sigmas)))


def unlike_poses(poses: Sequence[Pose], areas: FloatArray, threshold: float) -> IntArray:
    """Return which poses to keep, the best first: none is more than `threshold` like a better one that is kept."""
    if not poses:
        return np.zeros(0, int)
    order = np.argsort([-pose.score for pose in poses], kind='stable')
    likeness = pose_likeness([poses[place] for place in order], areas[order])
    kept: IntArray = order[keep_unlike(likeness, threshold)]
    return kept
