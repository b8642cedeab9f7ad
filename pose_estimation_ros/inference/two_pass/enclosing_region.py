"""One region around everybody, by a rule that looks at a network's last maps."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.pipeline import Timings, milliseconds_since
from pose_estimation_ros.inference.two_pass.first_pass import FirstPassResult
from pose_estimation_ros.inference.two_pass.region import Region


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
        """Return the region of each image, if there is one."""
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
