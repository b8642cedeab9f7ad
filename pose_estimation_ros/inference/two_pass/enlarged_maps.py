"""The second pass as the published code has it: enlarged maps of one crop."""

from typing import NamedTuple

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.inference.pipeline import Pipeline, check_size
from pose_estimation_ros.inference.preprocess import prepare

WIDEST = 6
"""Maximum ratio of width to height; wider crops are scaled by their width."""


class Enlarged(NamedTuple):
    """Enlarged maps of a crop, and the placement of the crop in the network's input."""

    heatmaps: FloatArray
    """(H, W, 19), enlarged."""
    pafs: FloatArray
    """(H, W, 38)."""
    scale: float
    """Network pixels per pixel of the crop."""
    pad: tuple[int, int, int, int]
    """Top, left, bottom, right; network-input pixels."""


def enlarged_maps(pipeline: Pipeline, crop: ByteArray, rows: int, max_width: int, upsample_ratio: int) -> Enlarged:
    """Return the enlarged maps of a crop scaled to a height, or to `max_width` if it is very wide."""
    if upsample_ratio < 1:
        raise SettingsError(f'upsample_ratio must be 1 or more, got {upsample_ratio}')
    check_size(rows)
    height, width = crop.shape[:2]
    letterbox = Letterbox.fit((height, width), rows, pipeline.stride, max_width if width / height > WIDEST else None)
    inputs = prepare(crop, letterbox, pipeline.preprocessing, pipeline.decoder.interpolation)
    heatmaps, pafs = (_enlarged(each[0], upsample_ratio) for each in pipeline.backend(inputs[None]))
    return Enlarged(heatmaps, pafs, letterbox.scale, letterbox.pad)


def _enlarged(maps: FloatArray, ratio: int) -> FloatArray:
    channels_last = np.ascontiguousarray(maps.transpose(1, 2, 0))
    enlarged = cv2.resize(channels_last, (0, 0), fx=ratio, fy=ratio, interpolation=cv2.INTER_CUBIC)
    return enlarged.astype(np.float32, copy=False)
