"""How alike two poses are: stateless functions that a Tracker takes as an argument."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.pose import Pose

SIMILAR = 0.5
"""Keypoints count as the same when their similarity is above this (published)."""


class Similarity(Protocol):
    """Compares every previous with every current pose; more is more alike."""

    def __call__(self, previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
        """Return a (previous, current) matrix."""
        ...


def published_similarity(previous: Pose, current: Pose) -> int:
    """Return the number of keypoints that lie in the same place in both poses (Lightweight OpenPose's measure)."""
    return int(count_similar_keypoints([previous], [current])[0, 0])


def count_similar_keypoints(previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
    """Return `published_similarity` of every previous (rows) with every current pose (columns)."""
    counts: FloatArray = (keypoint_similarity(previous, current) > SIMILAR).sum(axis=-1).astype(np.float64)
    return counts


def oks_similarity(previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
    """Return the mean similarity, 0 to 1, of the keypoints found in both poses; 0 where they share none."""
    similarity = keypoint_similarity(previous, current)
    shared = np.isfinite(similarity).sum(axis=-1)
    mean: FloatArray = np.nansum(similarity, axis=-1) / np.maximum(shared, 1)
    return mean


def keypoint_similarity(previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
    """Return (previous, current, K) object keypoint similarities, NaN where a keypoint is missing from either pose.

    The scale of a pair is the larger of the two boxes. Raises ValueError for poses of different skeletons.
    """
    if not previous or not current:
        return np.empty((len(previous), len(current), 0))
    skeleton = current[0].skeleton
    strangers = {pose.skeleton.name for pose in (*previous, *current) if pose.skeleton != skeleton}
    if strangers:
        raise ValueError(f'poses to compare must share a skeleton, got {skeleton.name} and {", ".join(strangers)}')
    xy_previous, xy_current = _coordinates(previous), _coordinates(current)  # (P, K, 2), (C, K, 2)
    squared_distance = np.square(xy_previous[:, None] - xy_current[None]).sum(axis=-1)  # (P, C, K)
    area = np.maximum(_box_areas(xy_previous)[:, None], _box_areas(xy_current)[None])  # (P, C)
    variances = np.square(2 * np.array(skeleton.sigmas))
    similarity: FloatArray = np.exp(-squared_distance / (2 * (area[..., None] + np.spacing(1.0)) * variances))
    return similarity


def _coordinates(poses: Sequence[Pose]) -> FloatArray:
    """Stack keypoints to (N, K, 2) float64."""
    return np.stack([pose.keypoints[:, :2] for pose in poses]).astype(np.float64)


def _box_areas(xy: FloatArray) -> FloatArray:
    """Return the (N,) areas of the boxes that `get_bbox` gives: whole pixels, both borders counted, 0 if empty."""
    found = np.isfinite(xy)
    whole = np.trunc(xy)
    highest = np.where(found, whole, -np.inf).max(axis=1)  # (N, 2)
    lowest = np.where(found, whole, np.inf).min(axis=1)
    sides = np.where(np.isfinite(highest), highest - lowest + 1, 0)
    area: FloatArray = sides.prod(axis=-1)
    return area
