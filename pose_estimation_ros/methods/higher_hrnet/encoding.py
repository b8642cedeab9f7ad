"""Training targets of HigherHRNet: heatmaps and masks at two sizes, and the cell of each keypoint of each person.

x and y are in network-input pixels from the *corner* of the first one, as COCO's labels count and published networks
learn them; the cell of a keypoint is that which it lies in.
"""

import math
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray, IntArray
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.data.sample import NOT_LABELLED

FINE = 2
"""Cells of the fine heatmaps per cell of the coarse ones, in each direction."""
REACH = 3
"""In sigmas: the Gaussian is cut off at a square of so much, and a cell, on either side."""


@dataclass(frozen=True)
class TargetSettings:
    """Shape of the targets; the defaults are the published values."""

    stride: int = setting(4, 'Input pixels per cell of the coarse heatmaps and tags.', range=(2, math.inf), step=2)
    sigma: float = setting(2.0, "Standard deviation of a keypoint's Gaussian, in cells of either size.", above=0)
    max_persons: int = setting(30, 'Maximum number of people whose tags are learnt.', range=(1, math.inf))
    published_mirroring: bool = setting(
        True,
        'Mirror labels as the published code does, which places those of mirrored images one cell too far left, and'
        ' masks by the right pixels of cells; false places them exactly.',
    )

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def strides(self) -> tuple[int, int]:
        """Input pixels per cell of the coarse and of the fine heatmaps."""
        return self.stride, self.stride // FINE


def on_grid(keypoints: FloatArray, stride: int, shifted: bool) -> FloatArray:
    """Return keypoints (P, K, 3) in cells of a stride; `shifted`: one cell to the left, as published mirroring does."""
    cells = keypoints.astype(float)
    cells[..., :2] /= stride
    cells[..., 0] -= shifted
    return cells


def encode_heatmaps(keypoints: FloatArray, map_hw: tuple[int, int], sigma: float) -> FloatArray:
    """Return heatmaps (K, h, w) of keypoints (P, K, 3) in cells: Gaussians of height 1, their maximum on overlap."""
    heatmaps = np.zeros((keypoints.shape[1], *map_hw), np.float32)
    reach = int(REACH * sigma + 1)
    gaussian = _gaussian(reach, sigma)
    for person, keypoint in np.argwhere(_inside(keypoints, map_hw)):
        x, y = keypoints[person, keypoint, :2].astype(int).tolist()
        top, left = max(0, y - reach), max(0, x - reach)
        window = heatmaps[keypoint, top : y + reach + 1, left : x + reach + 1]
        part = gaussian[top - y + reach :, left - x + reach :][: window.shape[0], : window.shape[1]]
        np.maximum(window, part, out=window)
    return heatmaps


def encode_cells(keypoints: FloatArray, map_hw: tuple[int, int], max_persons: int) -> IntArray:
    """Return (max_persons, K, 2): index of a tag in flattened maps (K, h, w), and 1; zeros where there is no keypoint.

    As published, the keypoints of a person are moved together at the beginning of the row.
    """
    height, width = map_hw
    cells = np.zeros((max_persons, keypoints.shape[1], 2), np.int64)
    inside = _inside(keypoints, map_hw)
    for row, person, found in zip(cells, keypoints, inside, strict=False):
        labelled = np.flatnonzero(found)
        x, y = person[labelled, :2].astype(int).T
        row[: len(labelled), 0] = (labelled * height + y) * width + x
        row[: len(labelled), 1] = 1
    return cells


def shrink_mask(mask: AnyArray, stride: int, shifted: bool) -> FloatArray:
    """Return a loss mask (H, W) at one pixel of each cell (H/s, W/s), as float32.

    As published this is the top-left pixel; after published mirroring it is the top-right one.
    """
    return mask[::stride, stride - 1 if shifted else 0 :: stride].astype(np.float32)


def _inside(keypoints: FloatArray, map_hw: tuple[int, int]) -> AnyArray:
    """Return which keypoints (P, K) are labelled and in a cell, as published also up to one cell before the first."""
    x, y = keypoints[..., 0].astype(int), keypoints[..., 1].astype(int)  # truncated
    inside: AnyArray = (keypoints[..., 2] > NOT_LABELLED) & (x >= 0) & (y >= 0) & (x < map_hw[1]) & (y < map_hw[0])
    return inside


def _gaussian(reach: int, sigma: float) -> FloatArray:
    """Return a square of a Gaussian with `reach` cells on either side of its middle."""
    squared = np.square(np.arange(-reach, reach + 1, dtype=float))
    square: FloatArray = np.exp(-(squared + squared[:, None]) / (2 * sigma**2)).astype(np.float32)
    return square
