"""Where to look closely: regions from what the first pass, or a tracker, knows of people."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine, Letterbox
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import PosePipeline, Seen, Timings
from pose_estimation_ros.inference.two_pass.region import Box, Region, box_of, grown, merged
from pose_estimation_ros.inference.two_pass.stature import stature
from pose_estimation_ros.methods.method import Decoder

EXPLAINED = 0.15
"""Of a person's height: heat so near their keypoints is taken for theirs."""


@dataclass(frozen=True)
class RegionSettings:
    """How regions are cut around people; lengths are network pixels unless they are shares."""

    person_height: float = 200.0
    """How tall people are shown to the second pass: as tall as those that it was trained on."""
    margin: float = 0.3
    """Of a person's height, on every side of the keypoints found: room for those that were not."""
    largest_scale: float = 2.0
    """Network pixels an image pixel at most: enlarging further shows nothing new."""
    sharp_enough: float = 0.7
    """Who is shown to the first pass at least so many times as tall as the second would, is not looked at again."""
    heat_threshold: float = 0.15
    """Heat that no candidate explains counts from here; above 1 it never does."""
    heat_cells: float = 2.5
    """Cells around unexplained heat that are looked at as well."""
    heat_height: float = 40.0
    """How tall, in the first pass, people are taken to be of whom it shows no more than unexplained heat."""
    tolerance: float = 1.1
    """Overlapping regions become one where that costs no more than so many times what the two cost."""

    def __post_init__(self) -> None:
        for name in ('person_height', 'largest_scale', 'sharp_enough', 'heat_height', 'tolerance'):
            self._require(name, lambda value: value > 0, 'above 0')
        for name in ('margin', 'heat_threshold', 'heat_cells'):
            self._require(name, lambda value: value >= 0, '0 or more')

    def _require(self, name: str, is_right: Callable[[float], bool], expected: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | float) or not is_right(value):
            raise SettingsError(f'{name} must be a number {expected}, got {value!r}')


@dataclass(frozen=True, eq=False)
class Findings:
    """Who need not be looked at again, where to look for the others, and how long it took to know."""

    settled: list[Pose]
    regions: list[Region]
    timings: Timings


class Finder(Protocol):
    """What finds out where to look closely."""

    def __call__(self, images: Sequence[ByteArray]) -> list[Findings]:
        """Return what is to be looked at in each of several pictures."""


@dataclass(frozen=True, eq=False)
class PeopleFinder:
    """Looks at the whole picture, and cuts a region around everybody that it shows too small."""

    pipeline: PosePipeline
    """The first pass."""
    candidates: Decoder
    """Tells doubtful people from its maps too; what they are, the second pass decides."""
    settings: RegionSettings
    keypoints: int
    """How many of the first maps are heatmaps of keypoints; one of background or centre may follow."""

    def __call__(self, images: Sequence[ByteArray]) -> list[Findings]:
        """Return what is to be looked at in each of several pictures."""
        return [self.of(seen) for seen in self.pipeline.maps(images)]

    def of(self, seen: Seen) -> Findings:
        """Return what the first pass leaves to the second in one picture."""
        start = time.perf_counter()
        people = Sized.all(self.candidates(seen.maps, seen.letterbox))
        sharp = self.settings.sharp_enough * self.settings.person_height / seen.letterbox.scale
        settled = []
        if any(person.height >= sharp for person in people):
            decoded = Sized.all(self.pipeline.decoder(seen.maps, seen.letterbox))
            settled = [person.pose for person in decoded if person.height >= sharp]
        regions = around_people(
            [person for person in people if person.height < sharp], seen.letterbox.image_hw, self.settings
        )
        regions += around_heat(self._heat(seen), seen.letterbox, people, self.settings)
        merged_regions = merged(regions, self.settings.tolerance)
        return Findings(settled, merged_regions, seen.timings + Timings(0.0, 0.0, (time.perf_counter() - start) * 1e3))

    def _heat(self, seen: Seen) -> FloatArray:
        heat: FloatArray = seen.maps[0][: self.keypoints].max(axis=0)
        return heat


@dataclass(frozen=True, eq=False)
class Sized:
    """A person, and about how tall they would stand in image pixels; 0 where nothing tells."""

    pose: Pose
    height: float

    @classmethod
    def all(cls, poses: Sequence[Pose]) -> 'list[Sized]':
        """Measure everybody."""
        return [cls(pose, stature(pose)) for pose in poses]

    def box(self, margin: float) -> Box:
        """Return a box around the keypoints with so many pixels on every side."""
        return grown(box_of(self.pose.found[:, :2]), margin, margin)


def around_people(people: Sequence[Sized], image_hw: tuple[int, int], settings: RegionSettings) -> list[Region]:
    """Return a region for each person, not merged; those of whom nothing tells how tall they are have none."""
    regions = [
        Region.around(
            person.box(settings.margin * person.height),
            min(settings.largest_scale, settings.person_height / person.height),
            image_hw,
        )
        for person in people
        if person.height > 0
    ]
    return [region for region in regions if region is not None]


def around_heat(
    heat: FloatArray, letterbox: Letterbox, people: Sequence[Sized], settings: RegionSettings
) -> list[Region]:
    """Return regions, not merged, around heat that is no part of the people known.

    Args:
        heat: (h, w), the highest of the keypoints' heatmaps.
        letterbox: How the picture lies in the input that the heat is of.
        people: Whoever was told from it.
        settings: How to cut.

    """
    hot = (heat > settings.heat_threshold).astype(np.uint8)
    if not hot.any():
        return []
    to_image = letterbox.map_to_image(letterbox.network_hw[0] / heat.shape[0])
    for person in people:
        _put_out(hot, person.box(EXPLAINED * person.height), to_image.inverse())
    scale = min(settings.largest_scale, settings.person_height / settings.heat_height * letterbox.scale)
    regions = []
    for cells in _islands(hot):
        reach = settings.heat_cells + 0.5
        corners = to_image(np.array(grown(cells, reach, reach)).reshape(2, 2))
        regions.append(Region.around(box_of(corners), scale, letterbox.image_hw))
    return [region for region in regions if region is not None]


def _put_out(hot: ByteArray, box: Box, to_map: Affine) -> None:
    """Clear the cells within a box of the picture, those at its border included."""
    (left, top), (right, bottom) = to_map(np.array(box).reshape(2, 2)).tolist()
    rows = slice(max(0, math.floor(top)), max(0, math.ceil(bottom) + 1))
    hot[rows, max(0, math.floor(left)) : max(0, math.ceil(right) + 1)] = 0


def _islands(hot: ByteArray) -> list[Box]:
    """Return the boxes, in cells, of what hangs together, diagonals and gaps of one cell included."""
    closed = cv2.dilate(hot, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(closed, connectivity=8)
    rows, columns = np.nonzero(hot)
    islands = labels[rows, columns]
    return [
        box_of(np.column_stack([columns[islands == island], rows[islands == island]])) for island in np.unique(islands)
    ]
