"""The published rule of OpenDR's high-resolution learner: one box for everybody, from the fields of the first pass.

Kept as it was published so that its numbers compare, quirks included: the first pass sees pixels from 0 to 1 although
the network was trained on -0.5 to 0.5; the box is scaled back by whole numbers; a margin that would cross a border is
left out altogether. Two faults are not kept: values above 255 that wrap around or not depending on the machine (they
saturate), and offsets that are added although the whole image is taken. A crop more than ten times as wide as high is
scaled further down, as any image is.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.methods.high_resolution.options import TwoPassSettings

WIDEST = 6
"""Maximum ratio of width to height; wider crops are scaled by their width."""
SMALLEST_CROP = 40
BLUR = (5, 5)


@dataclass(frozen=True)
class PublishedRegion:
    """The published numbers, and the region of the second pass by them."""

    first_pass_height: int = TwoPassSettings.first_pass_height
    second_pass_height: int = TwoPassSettings.second_pass_height
    margin: float = setting(0.3, "Margin on each side, as a share of the box's width and height.", range=(0, math.inf))
    threshold: float = setting(
        0.1, 'Field values below it count as 0, and with them all negative ones.', range=(0, math.inf)
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def inputs(self, image: ByteArray) -> tuple[FloatArray, int]:
        """Return the first pass's input (1, 3, h, w), and by how much it is smaller than the image."""
        kernel = image.shape[0] // self.first_pass_height
        if kernel:
            return pooled(image, kernel), kernel
        # Images lower than the first pass were fed as they are, from 0 to 255.
        return np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)[None]), 1

    def box_and_scale(
        self, fields: FloatArray, kernel: int, image_hw: tuple[int, int]
    ) -> tuple[tuple[int, int, int, int], float] | None:
        """Return left, top, right, bottom of the region and its scale, None where fields (38, h, w) are empty."""
        box = active_box(fields, self.threshold)
        if box is None:
            return None
        height, width = image_hw
        ratios = [side // kernel // cells * kernel for side, cells in zip(image_hw, fields.shape[-2:], strict=True)]
        left, right = _widened(box[0] * ratios[1], box[2] * ratios[1], width, self.margin)
        top, bottom = _widened(box[1] * ratios[0], box[3] * ratios[0], height, self.margin)
        if right - left <= SMALLEST_CROP or bottom - top <= SMALLEST_CROP:
            left, top, right, bottom = 0, 0, width, height
        scale = self.second_pass_height / (bottom - top)
        if (right - left) / (bottom - top) > WIDEST:
            scale = width / (right - left)
        return (left, top, right, bottom), scale


def pooled(image: ByteArray, kernel: int) -> FloatArray:
    """Return the means of blocks of kernel x kernel pixels (1, 3, H // kernel, W // kernel), from 0 to 1.

    Raises SettingsError if a block does not fit into the image.
    """
    if not 1 <= kernel <= min(image.shape[:2]):
        raise SettingsError(f'kernel must be from 1 to {min(image.shape[:2])}, the shorter side, got {kernel}')
    height, width = (side // kernel for side in image.shape[:2])
    blocks = image[: height * kernel, : width * kernel].astype(np.float32)
    means = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
    return np.ascontiguousarray(means.transpose(2, 0, 1)[None], dtype=np.float32)


def active_box(fields: FloatArray, threshold: float) -> tuple[int, int, int, int] | None:
    """Return the first and last column and row (left, top, right, bottom) where fields (C, h, w) are active."""
    finite = np.nan_to_num(fields.transpose(1, 2, 0), posinf=0, neginf=0)  # a broken network finds nobody
    blurred = cv2.blur(np.ascontiguousarray(finite), BLUR)
    strength = np.where(blurred < threshold, 0, blurred).sum(axis=-1) * 100
    mask = cv2.blur(np.minimum(strength, 255).astype(np.uint8), BLUR)
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def _widened(low: int, high: int, size: int, margin: float) -> tuple[int, int]:
    """Return an interval with a margin at each end that would not reach the border."""
    pad = (high - low) * margin
    return (int(low - pad) if low - pad > 0 else low), (int(high + pad) if high + pad < size else high)
