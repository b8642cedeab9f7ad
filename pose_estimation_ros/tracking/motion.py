"""Motion between images, by which a Tracker moves people before it compares them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine

FlowField = Callable[[ByteArray, ByteArray], FloatArray]
"""Takes two grey images (H, W) and returns the motion of each pixel of the first, (H, W, 2) x and y in pixels."""

SMALLEST_SIDE = 16  # Minimum side in pixels of images for the flow methods


class Motion(Protocol):
    """Moves points from image to image. It is stateless; the tracker keeps its prepared images."""

    def prepare(self, image: ByteArray) -> Any:
        """Return the data of an (H, W, 3) BGR image that `carry` needs."""

    def carry(self, xy: FloatArray, before: Any, now: Any) -> FloatArray:
        """Return the positions of points (N, K, 2) of the previous image in the current one; NaN if missing."""


def dis_flow(before: ByteArray, now: ByteArray) -> FloatArray:
    """Return the flow by dense inverse search (Kroeger et al. 2016), OpenCV's fast preset."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(search.calc(before, now, None))  # type: ignore[call-overload]


def farneback_flow(before: ByteArray, now: ByteArray) -> FloatArray:
    """Return the flow by polynomial expansion (Farneback 2003): smoother, about ten times slower."""
    flow = cv2.calcOpticalFlowFarneback(
        before, now, None, pyr_scale=0.5, levels=4, winsize=15, iterations=3, poly_n=5, poly_sigma=1.1, flags=0
    )  # type: ignore[call-overload]
    return np.asarray(flow)


@dataclass(frozen=True, eq=False)
class FlowImage:
    """An image for the flow: grey (h, w) uint8, and the map from image pixels to its pixels."""

    grey: ByteArray
    image_to_grey: Affine
    image_hw: tuple[int, int]


@dataclass(frozen=True)
class OpticalFlow:
    """Moves every point by the optical flow at its position, as Xiao et al. 2018 propagate keypoints.

    `field` calculates the flow on images scaled down to `rows`; 256 rows take a few milliseconds. Points outside the
    image move like its edge. Points do not move between images of different size.
    """

    field: FlowField = dis_flow
    rows: int = 256

    def __post_init__(self) -> None:
        if self.rows < SMALLEST_SIDE:
            raise SettingsError(f'optical flow needs {SMALLEST_SIDE} rows or more, got {self.rows}')

    def prepare(self, image: ByteArray) -> FlowImage:
        height, width = image.shape[:2]
        rows = min(self.rows, height)
        size = (max(SMALLEST_SIDE, round(width * rows / height)), max(SMALLEST_SIDE, rows))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grey: ByteArray = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        return FlowImage(grey, Affine.scaling(size[0] / width, size[1] / height), (height, width))

    def carry(self, xy: FloatArray, before: FlowImage, now: FlowImage) -> FloatArray:
        if before.image_hw != now.image_hw or not np.isfinite(xy).any():
            return xy
        field = self.field(before.grey, now.grey)  # (h, w, 2)
        xy_grey = before.image_to_grey(xy.astype(np.float64))  # (N, K, 2)
        height, width = before.grey.shape
        within = np.clip(np.nan_to_num(xy_grey), 0, (width - 1, height - 1)).astype(np.float32)
        flow = cv2.remap(field, within, None, cv2.INTER_LINEAR)  # type: ignore[call-overload]
        moved = xy_grey + np.nan_to_num(flow)  # DIS gives NaN in very small images
        return before.image_to_grey.inverse()(moved)
