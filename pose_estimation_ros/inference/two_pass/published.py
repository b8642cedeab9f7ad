"""What is published of two passes: one region around everybody, enlarged maps of a crop, images of one height."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine, Letterbox
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.pipeline import (
    PeoplePipeline,
    Pipeline,
    Result,
    Timings,
    check_size,
    milliseconds_since,
)
from pose_estimation_ros.inference.preprocess import prepare
from pose_estimation_ros.inference.two_pass.first_pass import FirstPassResult
from pose_estimation_ros.inference.two_pass.region import Region
from pose_estimation_ros.methods.merging import enlarge


class RegionRule(Protocol):
    """How the first pass sees an image, and which region its maps lead to."""

    def inputs(self, image: ByteArray) -> tuple[FloatArray, int]:
        """Return the first pass's input (1, 3, h, w), and by how much it is smaller than the image."""

    def box_and_scale(
        self, fields: FloatArray, kernel: int, image_hw: tuple[int, int]
    ) -> tuple[tuple[int, int, int, int], float] | None:
        """Return left, top, right, bottom of the region and its scale; None if there is nobody."""


@dataclass(frozen=True, eq=False)
class EnclosingRegionFinder:
    """Runs the first pass image by image, and cuts at most one region from each."""

    backend: Backend
    rule: RegionRule

    def __call__(self, images: Sequence[ByteArray]) -> list[FirstPassResult]:
        return [self._one(image) for image in images]

    def fields(self, image: ByteArray) -> tuple[FloatArray, int, Timings]:
        """Return the network's last maps (C, h, w), by how much the image was made smaller, and the time it took."""
        start = time.perf_counter()
        inputs, kernel = self.rule.inputs(image)
        prepare_ms = milliseconds_since(start)
        start = time.perf_counter()
        fields = self.backend(inputs)[-1][0]
        return fields, kernel, Timings(prepare_ms, milliseconds_since(start))

    def _one(self, image: ByteArray) -> FirstPassResult:
        fields, kernel, timings = self.fields(image)
        start = time.perf_counter()
        found = self.rule.box_and_scale(fields, kernel, (image.shape[0], image.shape[1]))
        regions = [] if found is None else [Region(*found[0], found[1])]
        return FirstPassResult([], regions, timings + Timings(decode_ms=milliseconds_since(start)))


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
    heatmaps, pafs = (enlarge(each[0], upsample_ratio) for each in pipeline.backend(inputs[None]))
    return Enlarged(heatmaps, pafs, letterbox.scale, letterbox.pad)


@dataclass(frozen=True, eq=False)
class ResizedInput:
    """Scales images to a height before a pipeline, and its poses back."""

    pipeline: PeoplePipeline
    rows: int

    def __call__(self, image: ByteArray) -> Result:
        return self.batch([image])[0]

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several images; scaling them is not counted as time."""
        moved = []
        for image, result in zip(images, self.pipeline.batch([self._scaled(each) for each in images]), strict=True):
            to_image = Affine.scaling(image.shape[0] / self.rows)
            poses = [pose.moved(to_image(pose.keypoints[:, :2])) for pose in result.poses]
            moved.append(Result(poses, result.timings))
        return moved

    def _scaled(self, image: ByteArray) -> ByteArray:
        if image.shape[0] == self.rows:
            return image
        scale = self.rows / image.shape[0]
        scaled = cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(scaled, np.uint8)
