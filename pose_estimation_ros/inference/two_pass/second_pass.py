"""The second pass: runs image regions at the scale their people need."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.geometry import PIXEL_CORNER, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import NetworkOutput, Pipeline, Result, Timings, milliseconds_since
from pose_estimation_ros.inference.two_pass.packing import Slot, laid_out, painted
from pose_estimation_ros.inference.two_pass.region import Region

SMALLEST_SIDE = 32
"""Minimum size that a pipeline takes, in pixels."""


@dataclass(frozen=True, eq=False)
class PackedRegions:
    """Packs all regions onto one or a few canvases, so that they share forward passes."""

    pipeline: Pipeline
    """A pipeline whose network accepts inputs of any size."""

    def __call__(self, images: Sequence[ByteArray], regions: Sequence[Sequence[Region]]) -> list[Result]:
        """Return the people in each image's regions; a person seen in several regions is returned several times."""
        flat = [(number, region) for number, several in enumerate(regions) for region in several]
        if not flat:
            return [Result([], Timings()) for _ in images]
        start = time.perf_counter()
        layout = laid_out([region for _, region in flat], self.pipeline.multiple)
        canvases = painted(layout, [region.of(images[number]) for number, region in flat])
        spent = Timings(milliseconds_since(start))
        outputs = [self.pipeline.with_input_of(canvas.shape).forward([canvas])[0] for canvas in canvases]
        start = time.perf_counter()
        poses: list[list[Pose]] = [[] for _ in images]
        for (number, region), slot in zip(flat, layout.slots, strict=True):
            maps, placement = slot_output(outputs[slot.canvas], slot)
            poses[number] += in_image(self.pipeline.decoder(maps, placement), region)
        spent = sum((each.timings for each in outputs), spent) + Timings(decode_ms=milliseconds_since(start))
        return [Result(own, spent.share(len(several) / len(flat))) for own, several in zip(poses, regions, strict=True)]


@dataclass(frozen=True, eq=False)
class SingleRegions:
    """Runs regions one by one, scaled and padded as the pipeline does with whole images."""

    pipeline: Pipeline

    def __call__(self, images: Sequence[ByteArray], regions: Sequence[Sequence[Region]]) -> list[Result]:
        return [self._one(image, several) for image, several in zip(images, regions, strict=True)]

    def _one(self, image: ByteArray, regions: Sequence[Region]) -> Result:
        poses: list[Pose] = []
        spent = Timings()
        for region in regions:
            rows, columns = (max(SMALLEST_SIDE, round(side * region.scale)) for side in region.hw)
            result = self.pipeline.with_input_of((rows, columns))(region.of(image))
            poses += in_image(result.poses, region)
            spent += result.timings
        return Result(poses, spent)


def slot_output(output: NetworkOutput, slot: Slot) -> tuple[list[FloatArray], Placement]:
    """Return the maps of one slot of a canvas, and the slot's placement in their input.

    If the canvas was scaled or moved (several scales), a slot may start inside a cell; the placement then holds the
    offset in whole pixels.
    """
    whole = output.placement
    factor = whole.scale
    corner = whole.image_to_network()(np.array([slot.column, slot.row]) - PIXEL_CORNER) + PIXEL_CORNER
    starts = corner[::-1].clip(0).tolist()
    coarsest = max(round(whole.network_hw[0] / each.shape[-2]) for each in output.maps)
    first = [int(start // coarsest) for start in starts]
    room = (side - cell * coarsest for side, cell in zip(whole.network_hw, first, strict=True))
    wanted = (int(-(-side * factor // coarsest)) * coarsest for side in slot.letterbox.network_hw)
    height, width = (min(side, space) for side, space in zip(wanted, room, strict=True))
    resized = [round(side * factor) for side in slot.letterbox.resized_hw]
    top, left = (round(start - cell * coarsest) for start, cell in zip(starts, first, strict=True))
    pad = (top, left, height - resized[0] - top, width - resized[1] - left)
    placement = replace(
        slot.letterbox, scale=slot.letterbox.scale * factor, resized_hw=(resized[0], resized[1]), pad=pad
    )
    count = (height // coarsest, width // coarsest)
    cut = []
    for maps in output.maps:
        finer = coarsest * maps.shape[-2] // whole.network_hw[0]  # cells per cell of the coarsest maps
        rows, columns = (slice(start * finer, (start + size) * finer) for start, size in zip(first, count, strict=True))
        cut.append(maps[..., rows, columns].copy())
    return cut, placement


def in_image(poses: Sequence[Pose], region: Region) -> list[Pose]:
    """Convert poses from region pixels to image pixels."""
    return [pose.moved(pose.keypoints[:, :2] + (region.left, region.top)) for pose in poses]
