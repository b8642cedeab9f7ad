"""Who takes which track: strategies that a Tracker takes as an argument."""

from collections.abc import Callable

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray

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
