"""From an image to a network's input."""

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.core.geometry import Interpolation, Placement
from pose_estimation_ros.methods.method import Preprocessing


def prepare(
    image: ByteArray, placement: Placement, preprocessing: Preprocessing, interpolation: Interpolation = 'linear'
) -> FloatArray:
    """Return the network's input (3, H, W) float32 for a BGR image."""
    prepared = np.empty((3, *placement.network_hw), dtype=np.float32)
    inner = prepared[(slice(None), *placement.inner)]
    if inner.shape != prepared.shape:
        prepared[:] = np.reshape(preprocessing.pad_value, (3, 1, 1))
    _normalise(placement.resample(image, interpolation), preprocessing, inner)
    return prepared


def _normalise(pixels: AnyArray, preprocessing: Preprocessing, target: FloatArray) -> None:
    """Write (pixel - mean) * scale of an (H, W, 3) BGR image into planes (3, H, W)."""
    order = (0, 1, 2) if preprocessing.channel_order == 'bgr' else (2, 1, 0)
    for plane, channel in enumerate(order):
        scale, mean = preprocessing.scale[plane], preprocessing.mean[plane]
        np.multiply(pixels[..., channel], np.float32(scale), out=target[plane], dtype=np.float32)
        target[plane] -= np.float32(mean * scale)
