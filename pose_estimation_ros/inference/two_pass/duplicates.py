"""Removes duplicate poses of people seen in several regions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.oks import keypoint_similarity, mean_of_shared
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.two_pass.body_height import body_height


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
