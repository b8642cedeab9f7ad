"""Parts of an image, and the scale at which a network sees each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pose_estimation_ros.core.arrays import ByteArray, FloatArray

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in image pixels; as everywhere, 0 is the centre of the first pixel."""

CALL_COST = 4096.0
"""Cost of a region besides its pixels, in network pixels: its borders, and decoding."""


@dataclass(frozen=True)
class Region:
    """Whole pixels of an image, the right and bottom ones excluded, and network pixels per image pixel."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float

    @classmethod
    def around(cls, box: Box, scale: float, image_hw: tuple[int, int]) -> 'Region | None':
        """Return the image's pixels that a box touches; None if there are none."""
        height, width = image_hw
        left, top = max(0, math.floor(box[0] + 0.5)), max(0, math.floor(box[1] + 0.5))
        right, bottom = min(width, math.floor(box[2] + 0.5) + 1), min(height, math.floor(box[3] + 0.5) + 1)
        return cls(left, top, right, bottom, scale) if left < right and top < bottom else None

    @property
    def hw(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    @property
    def cost(self) -> float:
        """Cost of running the network here, in network pixels."""
        height, width = self.hw
        return height * width * self.scale**2 + CALL_COST

    def of(self, image: ByteArray) -> ByteArray:
        """Return these pixels of an image, not copied."""
        return image[self.top : self.bottom, self.left : self.right]

    def overlaps(self, other: 'Region') -> bool:
        return max(self.left, other.left) < min(self.right, other.right) and max(self.top, other.top) < min(
            self.bottom, other.bottom
        )

    def united(self, other: 'Region') -> 'Region':
        """Return the smallest region that has both in it, at the larger scale."""
        return Region(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
            max(self.scale, other.scale),
        )


def merged(regions: Sequence[Region], tolerance: float = 1.0) -> list[Region]:
    """Unite overlapping regions for as long as one region costs no more than two.

    Args:
        regions: In any order.
        tolerance: How many times as much one region may cost.

    """
    left = list(regions)
    while True:
        savings = [
            (tolerance * (a.cost + b.cost) - a.united(b).cost, i, j)
            for i, a in enumerate(left)
            for j, b in enumerate(left[:i])
            if a.overlaps(b)
        ]
        saving, i, j = max(savings, default=(-1.0, 0, 0))
        if saving < 0:
            return left
        both = left[i].united(left[j])
        left = [each for index, each in enumerate(left) if index not in (i, j)] + [both]


def box_of(xy: FloatArray) -> Box:
    """Return the smallest box around points (N, 2)."""
    (left, top), (right, bottom) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    return left, top, right, bottom


def grown(box: Box, x: float, y: float) -> Box:
    """Return a box grown by x and y pixels on every side."""
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y
