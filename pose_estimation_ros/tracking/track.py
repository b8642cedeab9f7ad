"""Tracks, and how the poses of a frame are assigned to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.tracking.motion import Motion
from pose_estimation_ros.tracking.similarity import Similarity


@dataclass(frozen=True, eq=False)
class PropagatedPose:
    """A pose of an earlier frame (its number), moved to the current frame."""

    pose: Pose
    frame: int


@dataclass(frozen=True, eq=False)
class Track:
    """A tracked person: the last pose as returned, and the state of the smoother."""

    pose: Pose
    stamp: float
    smoother_state: Any
    history: tuple[PropagatedPose, ...]  # Poses that new ones are compared with, the latest first; never empty


def propagated(tracks: Sequence[Track], motion: Motion, before: Any, now: Any) -> list[Track]:
    """Return the tracks with their histories moved by the motion between two images."""
    poses = [each.pose for track in tracks for each in track.history]
    if not poses:
        return []
    xy = np.stack([pose.keypoints[:, :2] for pose in poses])  # (N, K, 2)
    moved = iter(motion.carry(xy, before, now))
    return [
        replace(track, history=tuple(replace(each, pose=each.pose.moved(next(moved))) for each in track.history))
        for track in tracks
    ]


def most_similar(similarity: Similarity, tracks: Sequence[Track], poses: Sequence[Pose]) -> FloatArray:
    """Return the similarity (tracks, poses) of the best pose of each track's history."""
    each = similarity([earlier.pose for track in tracks for earlier in track.history], poses)  # (H, poses)
    starts = np.cumsum([0, *(len(track.history) for track in tracks[:-1])])
    return np.maximum.reduceat(np.asarray(each, dtype=np.float64), starts, axis=0)


Matching = Callable[[FloatArray, FloatArray, float], list[int | None]]
"""Takes similarities (tracks, poses), the poses' scores and the minimum similarity; returns the track of each pose."""


def confident_first(similarity: FloatArray, scores: FloatArray, threshold: float) -> list[int | None]:
    """Assign the most confident pose to the most similar track, then the next one (as in Osokin 2018)."""
    left = np.array(similarity, dtype=np.float64)
    matches: list[int | None] = [None] * len(scores)
    for pose in np.argsort(-scores, kind='stable').tolist():
        track = int(left[:, pose].argmax())
        if left[track, pose] >= threshold:
            matches[pose] = track
            left[track] = -np.inf
    return matches


def most_similar_first(similarity: FloatArray, scores: FloatArray, threshold: float) -> list[int | None]:
    """Assign the most similar pair of pose and track, then the next one (greedy matching, Xiao et al. 2018)."""
    left = np.array(similarity, dtype=np.float64)
    matches: list[int | None] = [None] * len(scores)
    while True:
        track, pose = divmod(int(left.argmax()), len(scores))
        if left[track, pose] < threshold:
            return matches
        matches[pose] = track
        left[track], left[:, pose] = -np.inf, -np.inf
