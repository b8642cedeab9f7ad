"""Similarity of poses: stateless functions that a Tracker takes as an argument."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.oks import keypoint_similarity, mean_of_shared
from pose_estimation_ros.core.pose import Pose

SIMILAR = 0.5  # Minimum similarity of a keypoint that stayed in place (published)
REACH = 0.15  # Standard deviation of a keypoint's motion between frames, as a share of the person's height or width
SMALLEST_PERSON = 8.0  # Minimum size of a person in pixels


class Similarity(Protocol):
    """Compares every previous with every current pose; greater is more similar."""

    def __call__(self, previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
        """Return a (previous, current) matrix."""


def count_similar_keypoints(previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
    """Return the number of keypoints at the same position (previous, current), the measure of Osokin (2018)."""
    counts: FloatArray = (pose_keypoint_similarity(previous, current) > SIMILAR).sum(axis=-1).astype(np.float64)
    return counts


def closeness(previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
    """Return the sum over keypoints of a Gaussian of their motion, of every previous with every current pose.

    A keypoint that moved by REACH of the larger person's height or width counts 0.6. The published measure requires
    COCO's annotation precision relative to the visible part's area, which small, fast or mostly hidden people miss
    between any two frames: on a street video it gives twice as many ids. The sum makes a whole person match the whole
    person of the previous frame rather than a fragment with one matching keypoint.
    """
    if not previous or not current:
        return np.empty((len(previous), len(current)))
    xy_previous, xy_current = _coordinates(previous, current)
    squared_distance = np.square(xy_previous[:, None] - xy_current[None]).sum(axis=-1)  # (P, C, K)
    size = np.maximum(_box_sides(xy_previous).max(axis=1)[:, None], _box_sides(xy_current).max(axis=1)[None])  # (P, C)
    spread = REACH * np.maximum(size, SMALLEST_PERSON)
    near: FloatArray = np.nansum(np.exp(-squared_distance / (2 * spread[..., None] ** 2)), axis=-1)
    return near


def oks_similarity(previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
    """Return OKS from 0 to 1 over the keypoints found in both poses; 0 if they share none."""
    return mean_of_shared(pose_keypoint_similarity(previous, current))


def pose_keypoint_similarity(previous: Sequence[Pose], current: Sequence[Pose]) -> FloatArray:
    """Return keypoint similarities (previous, current, K), NaN if a keypoint is missing from either pose.

    The scale of a pair is the larger of the two boxes. Raises ValueError for poses of different skeletons.
    """
    if not previous or not current:
        return np.empty((len(previous), len(current), 0))
    xy_previous, xy_current = _coordinates(previous, current)  # (P, K, 2), (C, K, 2)
    areas = np.maximum(_box_areas(xy_previous)[:, None], _box_areas(xy_current)[None])  # (P, C)
    return keypoint_similarity(xy_previous, xy_current, areas, np.array(current[0].skeleton.sigmas))


def _coordinates(previous: Sequence[Pose], current: Sequence[Pose]) -> tuple[FloatArray, FloatArray]:
    """Stack keypoints to (P, K, 2) and (C, K, 2) float64; raises ValueError for poses of different skeletons."""
    skeleton = current[0].skeleton
    others = {pose.skeleton.name for pose in (*previous, *current) if pose.skeleton != skeleton}
    if others:
        raise ValueError(f'poses to compare must share a skeleton, got {skeleton.name} and {", ".join(others)}')
    xy_previous, xy_current = (
        np.stack([pose.keypoints[:, :2] for pose in poses]).astype(np.float64) for poses in (previous, current)
    )
    return xy_previous, xy_current


def _box_areas(xy: FloatArray) -> FloatArray:
    """Return the (N,) areas of the boxes that `get_bbox` gives: whole pixels, both borders counted, 0 if empty."""
    area: FloatArray = _box_sides(np.trunc(xy)).prod(axis=-1)
    return area


def _box_sides(xy: FloatArray) -> FloatArray:
    """Return widths and heights (N, 2) of boxes around points (N, K, 2), both borders counted, 0 if empty."""
    found = np.isfinite(xy)
    highest = np.where(found, xy, -np.inf).max(axis=1)  # (N, 2)
    lowest = np.where(found, xy, np.inf).min(axis=1)
    return np.where(np.isfinite(highest), highest - lowest + 1, 0)
