"""The second pass: looking at regions of pictures closely."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import PosePipeline, Seen, Timings
from pose_estimation_ros.inference.two_pass.packing import Slot, laid_out, painted
from pose_estimation_ros.inference.two_pass.region import Region

SMALLEST_HEIGHT = 32
"""Rows that a pipeline scales pictures to at least."""


@dataclass(frozen=True, eq=False)
class Looked:
    """Who was seen in one picture's regions, in image pixels, and how long that took."""

    poses: list[Pose]
    timings: Timings


class Look(Protocol):
    """What looks at regions."""

    @property
    def pipeline(self) -> PosePipeline:
        """What runs and decodes the network; its height does not matter."""

    def __call__(self, images: Sequence[ByteArray], regions: Sequence[Sequence[Region]]) -> list[Looked]:
        """Return who is in each picture's regions; people whom several regions show come several times."""


@dataclass(frozen=True, eq=False)
class PackedLook:
    """Lays all regions on one canvas, or a few, and looks at that."""

    pipeline: PosePipeline
    """Takes inputs of any size."""
    multiple: int
    """Of what the sides of its inputs are multiples."""

    def __call__(self, images: Sequence[ByteArray], regions: Sequence[Sequence[Region]]) -> list[Looked]:
        """Return who is in each picture's regions."""
        flat = [(number, region) for number, several in enumerate(regions) for region in several]
        if not flat:
            return [Looked([], NO_TIME) for _ in images]
        start = time.perf_counter()
        layout = laid_out([region for _, region in flat], self.multiple)
        canvases = painted(layout, [region.of(images[number]) for number, region in flat])
        preprocess_ms = (time.perf_counter() - start) * 1e3
        seen = [self.pipeline.with_height(canvas.shape[0]).maps([canvas])[0] for canvas in canvases]
        start = time.perf_counter()
        poses: list[list[Pose]] = [[] for _ in images]
        for (number, region), slot in zip(flat, layout.slots, strict=True):
            part = part_of(seen[slot.canvas], slot)
            poses[number] += moved(self.pipeline.decoder(part.maps, part.letterbox), region)
        spent = sum((each.timings for each in seen), NO_TIME)
        spent += Timings(preprocess_ms, 0.0, (time.perf_counter() - start) * 1e3)
        return [Looked(own, spent.share(len(several) / len(flat))) for own, several in zip(poses, regions, strict=True)]


@dataclass(frozen=True, eq=False)
class SingleLook:
    """Looks at one region after the other, scaled and padded by the pipeline's own rule."""

    pipeline: PosePipeline

    def __call__(self, images: Sequence[ByteArray], regions: Sequence[Sequence[Region]]) -> list[Looked]:
        """Return who is in each picture's regions."""
        return [self._one(image, several) for image, several in zip(images, regions, strict=True)]

    def _one(self, image: ByteArray, regions: Sequence[Region]) -> Looked:
        poses: list[Pose] = []
        spent = NO_TIME
        for region in regions:
            rows = max(SMALLEST_HEIGHT, round(region.hw[0] * region.scale))
            result = self.pipeline.with_height(rows)(region.of(image))
            poses += moved(result.poses, region)
            spent += result.timings
        return Looked(poses, spent)


NO_TIME = Timings(0.0, 0.0, 0.0)


def part_of(seen: Seen, slot: Slot) -> Seen:
    """Return what a pipeline saw of one slot of a canvas.

    Where it looked at the canvas at another size (several scales), a slot may begin within a cell; the letterbox then
    says where, to a whole pixel.
    """
    whole = seen.letterbox
    factor = whole.scale
    starts = (slot.row * factor + whole.pad[0], slot.column * factor + whole.pad[1])
    coarsest = max(round(whole.network_hw[0] / each.shape[-2]) for each in seen.maps)
    first = [int(start // coarsest) for start in starts]
    room = (side - cell * coarsest for side, cell in zip(whole.network_hw, first, strict=True))
    wanted = (int(-(-side * factor // coarsest)) * coarsest for side in slot.letterbox.network_hw)
    height, width = (min(side, space) for side, space in zip(wanted, room, strict=True))
    rows, columns = (round(side * factor) for side in slot.letterbox.resized_hw)
    top, left = (round(start - cell * coarsest) for start, cell in zip(starts, first, strict=True))
    pad = (top, left, height - rows - top, width - columns - left)
    letterbox = replace(slot.letterbox, scale=slot.letterbox.scale * factor, resized_hw=(rows, columns), pad=pad)
    count = (height // coarsest, width // coarsest)
    return Seen([_cut(each, first, count, whole.network_hw, coarsest) for each in seen.maps], letterbox, NO_TIME)


def _cut(
    maps: FloatArray, first: Sequence[int], count: tuple[int, int], network_hw: tuple[int, int], coarsest: int
) -> FloatArray:
    """Return a part (C, h, w) of maps, given in the cells of the coarsest of them."""
    finer = coarsest * maps.shape[-2] // network_hw[0]
    (top, left), (height, width) = (each * finer for each in first), (each * finer for each in count)
    return maps[..., top : top + height, left : left + width].copy()


def moved(poses: Sequence[Pose], region: Region) -> list[Pose]:
    """Return poses of a region as those of the picture."""
    return [pose.moved(pose.keypoints[:, :2] + (region.left, region.top)) for pose in poses]
