"""Training targets of SimpleBaselines: the inverse of decoding, from a person's keypoints to heatmaps."""

import math
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.settings import check_settings, setting

REACH = 3
"""In sigmas: the Gaussian is cut off at a square of so much on either side."""


@dataclass(frozen=True)
class TargetSettings:
    """Shape of the targets; the defaults are the published values for crops 256 pixels high."""

    stride: int = setting(4, 'Crop pixels per cell.', range=(1, math.inf))
    sigma: float = setting(
        2.0, "Standard deviation of a keypoint's Gaussian, in cells; published is 3 for crops of 384x288.", above=0
    )
    use_target_weight: bool = setting(True, 'Exclude unlabelled keypoints, and those far from the crop, from the loss.')

    def __post_init__(self) -> None:
        check_settings(self)


def encode(
    keypoints: FloatArray, visible: FloatArray, crop_hw: tuple[int, int], settings: TargetSettings
) -> tuple[FloatArray, FloatArray]:
    """Return heatmaps (K, h, w) and weights (K,) of one person.

    As published the Gaussian is centred on a whole cell, of height 1 there, and a keypoint whose Gaussian lies wholly
    outside has the weight 0.

    Args:
        keypoints: (K, 2) x and y in crop pixels.
        visible: (K,) 1 for keypoints that are labelled, 0 for others.
        crop_hw: Height and width of the crop.
        settings: Shape of the targets.

    """
    height, width = crop_hw[0] // settings.stride, crop_hw[1] // settings.stride
    heatmaps = np.zeros((len(keypoints), height, width), dtype=np.float32)
    weights = np.array(visible, dtype=np.float32)
    reach = int(REACH * settings.sigma)
    for kind, keypoint in enumerate(keypoints):
        x, y = (int(each / settings.stride + 0.5) for each in keypoint)  # truncated, as published
        outside = x - reach >= width or y - reach >= height or x + reach + 1 < 0 or y + reach + 1 < 0
        weights[kind] *= not outside
        if weights[kind] > 0.5:
            row, column = _bell(y, height, reach, settings.sigma), _bell(x, width, reach, settings.sigma)
            heatmaps[kind] = row[:, None] * column
    return heatmaps, weights


def _bell(centre: int, size: int, reach: int, sigma: float) -> FloatArray:
    offsets = np.arange(size) - float(centre)
    values: FloatArray = np.where(np.abs(offsets) <= reach, np.exp(-np.square(offsets) / (2 * sigma**2)), 0.0)
    return values
