"""From a picture to a network's input."""

from typing import Literal

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.methods.method import Preprocessing


def prepare(
    image: ByteArray, letterbox: Letterbox, preprocessing: Preprocessing, interpolation: Literal['linear', 'cubic']
) -> FloatArray:
    """Return the network's input (3, H, W) float32 for a BGR picture."""
    top, left, _, _ = letterbox.pad
    height, width = letterbox.resized_hw
    prepared = np.empty((3, *letterbox.network_hw), dtype=np.float32)
    if any(letterbox.pad):
        prepared[:] = np.reshape(preprocessing.pad_value, (3, 1, 1))
    inner = prepared[:, top : top + height, left : left + width]
    if interpolation == 'linear':
        resized = _resize(image, letterbox, cv2.INTER_LINEAR)
    else:  # Cubic overshoots, and must not be cut to 0..255: the published evaluation resizes floats.
        resized = _resize(image.astype(np.float32), letterbox, cv2.INTER_CUBIC)
    _normalise(resized, preprocessing, inner)
    return prepared


def _resize(image: AnyArray, letterbox: Letterbox, interpolation: int) -> AnyArray:
    if letterbox.resized_hw == image.shape[:2]:
        return image
    height, width = letterbox.image_hw
    scale = letterbox.scale
    if (round(height * scale), round(width * scale)) != letterbox.resized_hw:
        return cv2.resize(image, letterbox.resized_hw[::-1], interpolation=interpolation)
    # Given the scale, OpenCV samples by it exactly, not by the ratio of the rounded sizes.
    return cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=interpolation)


def normalised(image: ByteArray, preprocessing: Preprocessing) -> FloatArray:
    """Return a BGR picture (H, W, 3) of the network's size as its input (3, H, W) float32."""
    planes = np.empty((3, *image.shape[:2]), dtype=np.float32)
    _normalise(image, preprocessing, planes)
    return planes


def _normalise(resized: AnyArray, preprocessing: Preprocessing, target: FloatArray) -> None:
    """Write (pixel - mean) * scale of an (H, W, 3) BGR picture into planes (3, H, W)."""
    order = (0, 1, 2) if preprocessing.channel_order == 'bgr' else (2, 1, 0)
    for plane, channel in enumerate(order):
        scale, mean = preprocessing.scale[plane], preprocessing.mean[plane]
        np.multiply(resized[..., channel], np.float32(scale), out=target[plane], dtype=np.float32)
        target[plane] -= np.float32(mean * scale)
