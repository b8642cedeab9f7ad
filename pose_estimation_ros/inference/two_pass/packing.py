"""Laying regions of images side by side on canvases, so that one forward pass sees them all."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.geometry import MAX_ASPECT, Letterbox, round_up
from pose_estimation_ros.inference.two_pass.region import Region

GAP = 16
"""Minimum gap between regions in network pixels, so that keypoints are not assigned across regions."""
LEAST_SIDE = 64
TALLEST = 2048
"""Maximum rows of a canvas; more regions go to another."""
WIDTHS = 24
"""Widths that are tried for a canvas."""
GREY = 128


@dataclass(frozen=True)
class Slot:
    """Position of a region: canvas, row, column, and the region's placement there."""

    canvas: int
    row: int
    column: int
    letterbox: Letterbox


@dataclass(frozen=True)
class Layout:
    """Where all regions lie, and how large the canvases are."""

    slots: tuple[Slot, ...]
    canvases_hw: tuple[tuple[int, int], ...]


def laid_out(regions: Sequence[Region], multiple: int) -> Layout:
    """Pack regions on little canvas; sides, rows and columns are multiples of `multiple`."""
    if not regions:
        return Layout((), ())
    letterboxes = [_letterbox(region, multiple) for region in regions]
    sizes = [letterbox.network_hw for letterbox in letterboxes]
    places, canvases = _packed(sizes, multiple)
    return Layout(
        tuple(Slot(*place, letterbox) for place, letterbox in zip(places, letterboxes, strict=True)), tuple(canvases)
    )


def painted(layout: Layout, images: Sequence[ByteArray]) -> list[ByteArray]:
    """Return the canvases with the regions' pixels (H, W, 3) on them, each scaled as its slot says."""
    canvases = [np.full((*hw, 3), GREY, np.uint8) for hw in layout.canvases_hw]
    for slot, image in zip(layout.slots, images, strict=True):
        height, width = slot.letterbox.resized_hw
        scaled = _scaled(image, slot.letterbox)
        canvases[slot.canvas][slot.row : slot.row + height, slot.column : slot.column + width] = scaled
    return canvases


def _scaled(image: ByteArray, letterbox: Letterbox) -> ByteArray:
    if letterbox.resized_hw == image.shape[:2]:
        return image
    scale = letterbox.scale
    interpolation = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=interpolation)
    if scaled.shape[:2] != letterbox.resized_hw:
        scaled = cv2.resize(image, letterbox.resized_hw[::-1], interpolation=interpolation)
    return scaled.astype(np.uint8, copy=False)


def _letterbox(region: Region, multiple: int) -> Letterbox:
    """Return how a region fills its slot: in the upper left corner, with the gap to the next one."""
    height, width = region.hw
    resized = (max(1, round(height * region.scale)), max(1, round(width * region.scale)))
    slot = [round_up(side + GAP, multiple) for side in resized]
    return Letterbox(region.hw, region.scale, resized, (0, 0, slot[0] - resized[0], slot[1] - resized[1]))


def _packed(
    sizes: Sequence[tuple[int, int]], multiple: int
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """Return (canvas, row, column) of every size (height, width), and the canvases' sizes, in rows of equal heights."""
    total = sum(width for _, width in sizes)
    widest = max([LEAST_SIDE, *(width for _, width in sizes)])
    candidates = {round_up(round(each), multiple) for each in np.linspace(widest, max(total, widest), WIDTHS)}
    packings = [_shelves(sizes, width, multiple) for width in sorted(candidates)]
    return min(packings, key=lambda packing: sum(height * width for height, width in packing[1]))


def _shelves(
    sizes: Sequence[tuple[int, int]], width: int, multiple: int
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    places: list[tuple[int, int, int]] = [(0, 0, 0)] * len(sizes)
    canvas = row = column = shelf = 0
    used: list[list[int]] = [[0, 0]]
    for index in sorted(range(len(sizes)), key=lambda each: (-sizes[each][0], -sizes[each][1])):
        height, breadth = sizes[index]
        if column + breadth > width and column:
            row, column, shelf = row + shelf, 0, 0
        if row + height > TALLEST and row:
            canvas, row, column, shelf = canvas + 1, 0, 0, 0
            used.append([0, 0])
        places[index] = (canvas, row, column)
        column, shelf = column + breadth, max(shelf, height)
        used[canvas] = [max(used[canvas][0], row + height), max(used[canvas][1], column)]
    canvases = []
    for height, breadth in used:  # pipelines take canvases as they are: no taller than wide, nor far wider than tall
        height = max(height, round_up(LEAST_SIDE, multiple), round_up(-(-breadth // MAX_ASPECT), multiple))
        canvases.append((height, max(breadth, height)))
    return places, canvases
