"""From the heatmaps of a person's crop to a pose: the highest cell of each map, moved by a quarter of a cell."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.geometry import Interpolation, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.methods.merging import mean_on_largest
from pose_estimation_ros.methods.method import Look
from pose_estimation_ros.methods.simple_baseline.options import DecodingSettings

VISIBLE_SCORE = 0.2
"""Keypoints above this make up a pose's score, as published (in_vis_thre)."""


@dataclass(frozen=True)
class PublishedDecoder:
    """One pose per crop; a cell lies at its index times the stride, without regard to pixel centres, as published."""

    skeleton: Skeleton = COCO_17
    settings: DecodingSettings = field(default_factory=DecodingSettings)
    name: ClassVar[str] = 'published'
    interpolation: ClassVar[Interpolation] = 'linear'

    def merge(self, looks: Sequence[Look]) -> Look:
        return mean_on_largest(looks, lambda maps: mirror_maps(maps, self.skeleton))

    def candidates(self) -> 'PublishedDecoder':
        """Return the same decoder: the person of a crop is known."""
        return self

    def __call__(self, maps: Sequence[FloatArray], placement: Placement) -> list[Pose]:
        """Decode the heatmaps (K, h, w) of one person to a pose, or to none if no keypoint is found."""
        heatmaps = np.nan_to_num(np.asarray(maps[0], dtype=np.float32), posinf=0, neginf=0)
        cells, scores = highest_cells(heatmaps)
        if self.settings.upsample_ratio > 1:
            cells = moved_by_quarter(cells, heatmaps)
        to_image = placement.map_to_image(placement.network_hw[0] / heatmaps.shape[-2], pixel_centres=False)
        found = scores > self.settings.keypoint_threshold
        if not found.any():
            return []
        xy = np.where(found[:, None], to_image(cells), np.nan)
        visible = scores[found & (scores > VISIBLE_SCORE)]
        score = float(visible.mean()) if len(visible) else 0.0
        return [Pose(np.column_stack([xy, np.where(found, scores, 0)]), score, self.skeleton)]


DECODERS = {PublishedDecoder.name: PublishedDecoder}


def highest_cells(heatmaps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return x and y (..., K, 2) of the highest cell of maps (..., K, h, w), and its value (..., K).

    As published, a map without a value above 0 has its cell at 0, 0.
    """
    *leading, height, width = heatmaps.shape
    flat = heatmaps.reshape(*leading, height * width)
    best = flat.argmax(axis=-1)
    values: FloatArray = np.take_along_axis(flat, best[..., None], axis=-1)[..., 0]
    cells = np.stack([best % width, best // width], axis=-1).astype(float)
    return cells * (values > 0)[..., None], values


def moved_by_quarter(cells: FloatArray, heatmaps: FloatArray) -> FloatArray:
    """Return whole cells (K, 2) of maps (K, h, w), each moved by a quarter towards the higher of its neighbours.

    As published, peaks in the first two and the last columns and rows are not refined.
    """
    height, width = heatmaps.shape[-2:]
    x, y = cells.astype(int).T
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    kinds, x, y = np.flatnonzero(inside), x[inside], y[inside]
    right, left = heatmaps[kinds, y, x + 1], heatmaps[kinds, y, x - 1]
    below, above = heatmaps[kinds, y + 1, x], heatmaps[kinds, y - 1, x]
    moved = cells.copy()
    moved[kinds] += 0.25 * np.sign(np.stack([right - left, below - above], axis=-1))
    return moved


def mirror_maps(maps: Sequence[FloatArray], skeleton: Skeleton) -> list[FloatArray]:
    """Return the heatmaps (..., K, h, w) of a mirrored crop as those of the crop, left and right swapped.

    They are moved by a cell to the right, as published (SHIFT_HEATMAP): cell u stands for the crop's column 4u, so
    that the mirrored map lies three quarters of a cell too far left.
    """
    heatmaps = np.asarray(maps[0])[..., list(skeleton.flip), :, ::-1]
    shifted = heatmaps.copy()
    shifted[..., 1:] = heatmaps[..., :-1]
    return [shifted]
