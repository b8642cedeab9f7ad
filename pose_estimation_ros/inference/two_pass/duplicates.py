"""Which poses are of one person, and how tall people are in an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.core.oks import keypoint_similarity, mean_of_shared
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton

PARTS: Mapping[tuple[str, str], float] = {
    ('shoulder', 'hip'): 0.29,
    ('hip', 'knee'): 0.24,
    ('knee', 'ankle'): 0.24,
    ('shoulder', 'elbow'): 0.17,
    ('elbow', 'wrist'): 0.15,
    ('nose', 'shoulder'): 0.20,
    ('eye', 'ear'): 0.06,
}
"""Lengths of parts of the body seen from the side on which they are longest, as shares of the height."""
BREADTHS: Mapping[str, float] = {'shoulder': 0.21, 'hip': 0.12, 'ear': 0.09}
"""Distances between left and right."""
ENOUGH = 3
"""Which of the longest estimates counts: perspective only shortens parts, but noise lengthens single ones."""


def body_height(pose: Pose) -> float:
    """Return about how many pixels tall the person would stand; 0 if it is unknown.

    It is the third largest of the parts' estimates, or the smallest of fewer, and at least the keypoints' extent.
    """
    first, second, share = _measures(pose.skeleton)
    xy = pose.keypoints[:, :2].astype(float)
    lengths = np.linalg.norm(xy[first] - xy[second], axis=1) / share
    estimates = np.sort(lengths[np.isfinite(lengths)])[::-1]
    _, _, width, height = pose.bbox
    estimate = float(estimates[:ENOUGH][-1]) if len(estimates) else 0.0
    return max(estimate, width, height)


@cache
def _measures(skeleton: Skeleton) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the end keypoints of the body parts, and their lengths as fractions of the height."""
    rows = []
    for (a, b), share in PARTS.items():
        for side in ('left_', 'right_'):
            rows.append((a if a == 'nose' else side + a, side + b, share))
    rows += [(f'left_{name}', f'right_{name}', share) for name, share in BREADTHS.items()]
    known = [row for row in rows if row[0] in skeleton.keypoints and row[1] in skeleton.keypoints]
    first, second = ([skeleton.keypoints.index(row[end]) for row in known] for end in (0, 1))
    return np.array(first, int), np.array(second, int), np.array([row[2] for row in known])


@dataclass(frozen=True)
class MergeSettings:
    """When two poses are one person's."""

    least_similarity: float = 0.4
    """Minimum mean similarity, 0 to 1, of the keypoints that both have."""
    least_shared: float = 0.5
    """Minimum number of shared keypoints, as a fraction of the pose with fewer keypoints."""


def without_duplicates(poses: Sequence[Pose], settings: MergeSettings | None = None) -> list[Pose]:
    """Return each person once, with the pose of the highest score; the order stays."""
    settings = settings or MergeSettings()
    if len(poses) < 2:
        return list(poses)
    again = _same_person(poses, settings)
    kept: list[int] = []
    for index in sorted(range(len(poses)), key=lambda each: -poses[each].score):
        if not again[index, kept].any():
            kept.append(index)
    return [poses[index] for index in sorted(kept)]


def _same_person(poses: Sequence[Pose], settings: MergeSettings) -> FloatArray:
    """Return a matrix (P, P): whether two poses are of the same person."""
    xy = np.stack([pose.keypoints[:, :2] for pose in poses]).astype(float)  # (P, K, 2)
    found = np.isfinite(xy[..., 0])  # (P, K)
    size = np.array([max(body_height(pose), 1.0) for pose in poses])
    # COCO's areas are about a quarter of a standing person's height squared.
    area = np.maximum(size[:, None], size[None]) ** 2 / 4
    similarity = keypoint_similarity(xy, xy, area, np.array(poses[0].skeleton.sigmas))
    both = (found[:, None] & found[None]).sum(axis=-1)
    fewer = np.minimum(found.sum(axis=1)[:, None], found.sum(axis=1)[None])
    same: FloatArray = (mean_of_shared(similarity) >= settings.least_similarity) & (
        both >= settings.least_shared * np.maximum(fewer, 1)
    )
    return same
