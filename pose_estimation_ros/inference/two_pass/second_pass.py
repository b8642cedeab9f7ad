"""The second pass as the published code has it: enlarged maps of one crop."""

from typing import NamedTuple

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.two_pass.looking import SMALLEST_HEIGHT
from pose_estimation_ros.inference.two_pass.published import WIDEST


class Enlarged(NamedTuple):
    """What decoding starts from."""

    heatmaps: FloatArray
    """(H, W, 19), enlarged."""
    pafs: FloatArray
    """(H, W, 38)."""
    scale: float
    """Network-input pixels a pixel of the crop."""
    pad: tuple[int, int, int, int]
    """Top, left, bottom, right; network-input pixels."""


def enlarged_maps(pipeline: Pipeline, crop: ByteArray, rows: int, max_width: int, upsample_ratio: int) -> Enlarged:
    """Return the maps of a crop scaled to so many rows, or to `max_width` where it is very wide, and enlarged."""
    if upsample_ratio < 1:
        raise SettingsError(f'upsample_ratio must be 1 or more, got {upsample_ratio}')
    height, width = crop.shape[:2]
    if width / height > WIDEST:
        rows = max(SMALLEST_HEIGHT, round(height * max_width / width))
    seen = pipeline.with_height(rows).maps([crop])[0]
    heatmaps, pafs = (_enlarged(each, upsample_ratio) for each in seen.maps)
    return Enlarged(heatmaps, pafs, seen.letterbox.scale, seen.letterbox.pad)


def _enlarged(maps: FloatArray, ratio: int) -> FloatArray:
    channels_last = np.ascontiguousarray(maps.transpose(1, 2, 0))
    enlarged = cv2.resize(channels_last, (0, 0), fx=ratio, fy=ratio, interpolation=cv2.INTER_CUBIC)
    return enlarged.astype(np.float32, copy=False)
