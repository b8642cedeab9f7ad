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
class Trace:
    """A pose found in the frame of that number, moved to where it should be now."""

    pose: Pose
    frame: int


@dataclass(frozen=True, eq=False)
class Track:
    """A person as last seen: the pose as it was given out, and what the smoother remembers."""

    pose: Pose
    stamp: float
    memory: Any
    traces: tuple[Trace, ...]
    """What is compared with new poses, the latest first; never empty."""


def carried(tracks: Sequence[Track], motion: Motion, before: Any, now: Any) -> list[Track]:
    """Return the tracks with all their traces where the motion between two images takes them."""
    traces = [trace for track in tracks for trace in track.traces]
    if not traces:
        return []
    xy = np.stack([trace.pose.keypoints[:, :2] for trace in traces])  # (N, K, 2)
    moved = iter(motion.carry(xy, before, now))
    return [
        replace(track, traces=tuple(Trace(trace.pose.moved(next(moved)), trace.frame) for trace in track.traces))
        for track in tracks
    ]


def most_similar(similarity: Similarity, tracks: Sequence[Track], poses: Sequence[Pose]) -> FloatArray:
    """Return how alike each track's best trace and each pose are (tracks, poses)."""
    traces = similarity([trace.pose for track in tracks for trace in track.traces], poses)  # (traces, poses)
    starts = np.cumsum([0, *(len(track.traces) for track in tracks[:-1])])
    best: FloatArray = np.maximum.reduceat(np.asarray(traces, dtype=np.float64), starts, axis=0)
    return best


Matching = Callable[[FloatArray, FloatArray, float], list[int | None]]
"""Takes similarities (tracks, poses), the poses' scores and the least similarity; returns each pose's track or None."""


def confident_first(similarity: FloatArray, scores: FloatArray, threshold: float) -> list[int | None]:
    """Let the most confident pose take the track most like it, then the next one (Lightweight OpenPose's way)."""
    left = np.array(similarity, dtype=np.float64)
    matches: list[int | None] = [None] * len(scores)
    for pose in np.argsort(-scores, kind='stable').tolist():
        track = int(left[:, pose].argmax())
        if left[track, pose] >= threshold:
            matches[pose] = track
            left[track] = -np.inf
    return matches


def most_alike_first(similarity: FloatArray, scores: FloatArray, threshold: float) -> list[int | None]:
    """Join the pose and track that are most alike, then the next pair (greedy matching, Xiao et al. 2018)."""
    left = np.array(similarity, dtype=np.float64)
    matches: list[int | None] = [None] * len(scores)
    while True:
        track, pose = divmod(int(left.argmax()), len(scores))
        if left[track, pose] < threshold:
            return matches
        matches[pose] = track
        left[track], left[:, pose] = -np.inf, -np.inf
