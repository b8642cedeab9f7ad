"""Non-maximum suppression of poses by OKS."""

from collections.abc import Sequence

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.core.boxes import nms_indices
from pose_estimation_ros.core.oks import keypoint_similarity, mean_of_shared
from pose_estimation_ros.core.pose import Pose


def pose_similarities(poses: Sequence[Pose], areas: FloatArray) -> FloatArray:
    """Return OKS (N, N) of poses by the mean of each pair's areas (N,), over the keypoints found in both."""
    xy = np.stack([pose.keypoints[:, :2] for pose in poses]).astype(float)
    area = (areas[:, None] + areas[None]) / 2
    return mean_of_shared(keypoint_similarity(xy, xy, area, np.array(poses[0].skeleton.sigmas)))


def pose_nms(poses: Sequence[Pose], areas: FloatArray, threshold: float) -> IntArray:
    """Return indices of the poses to keep, best first: of two with an OKS above `threshold` the better one."""
    if not poses:
        return np.zeros(0, int)
    order = np.argsort([-pose.score for pose in poses], kind='stable')
    similarities = pose_similarities([poses[index] for index in order], areas[order])
    kept: IntArray = order[nms_indices(similarities, threshold)]
    return kept
