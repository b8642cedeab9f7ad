"""Where to look closely: regions from what the first pass, or a tracker, knows of people."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.geometry import Affine, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.inference.pipeline import NetworkOutput, Pipeline, Timings, milliseconds_since
from pose_estimation_ros.inference.two_pass.region import Box, Region, box_of, grown, merged
from pose_estimation_ros.inference.two_pass.stature import stature
from pose_estimation_ros.methods.method import Decoder

EXPLAINED = 0.15
"""Of a person's height: heat so near their keypoints is taken for theirs."""


@dataclass(frozen=True)
class RegionSettings:
    """How regions are cut around people; lengths are network pixels unless they are shares."""

    person_height: float = setting(
        200.0, 'Height of people in the second pass; about that of the people it was trained on.', above=0
    )
    margin: float = setting(
        0.3, "Room on every side of the keypoints found, as a share of a person's height.", range=(0, math.inf)
    )
    largest_scale: float = setting(2.0, 'Maximum enlargement; more shows nothing new.', above=0)
    sharp_enough: float = setting(
        0.7, 'People at least so many times as large in the first pass as in the second keep their first-pass pose.',
        above=0,
    )  # fmt: skip
    heat_threshold: float = setting(
        0.15, 'Minimum heat outside of candidates that gets a region; above 1 none does.', range=(0, math.inf)
    )
    heat_cells: float = setting(2.5, 'Cells around such heat that its region includes.', range=(0, math.inf))
    heat_height: float = setting(40.0, 'Height in the first pass assumed of people there.', above=0)
    tolerance: float = setting(
        1.1, 'Overlapping regions are merged if that costs no more than so many times the two.', above=0
    )

    def __post_init__(self) -> None:
        check_settings(self)


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

    pipeline: Pipeline
    """The first pass."""
    candidates: Decoder
    """Tells doubtful people from its maps too; what they are, the second pass decides."""
    settings: RegionSettings
    keypoints: int
    """How many of the first maps are heatmaps of keypoints; one of background or centre may follow."""

    def __call__(self, images: Sequence[ByteArray]) -> list[Findings]:
        """Return what is to be looked at in each of several pictures."""
        return [self.of(output) for output in self.pipeline.forward(images)]

    def of(self, output: NetworkOutput) -> Findings:
        """Return what the first pass leaves to the second in one picture."""
        start = time.perf_counter()
        people = Sized.all(self.candidates(output.maps, output.placement))
        sharp = self.settings.sharp_enough * self.settings.person_height / output.placement.scale
        settled = []
        if any(person.height >= sharp for person in people):
            decoded = Sized.all(self.pipeline.decoder(output.maps, output.placement))
            settled = [person.pose for person in decoded if person.height >= sharp]
        regions = around_people(
            [person for person in people if person.height < sharp], output.placement.image_hw, self.settings
        )
        regions += around_heat(self._heat(output), output.placement, people, self.settings)
        merged_regions = merged(regions, self.settings.tolerance)
        return Findings(settled, merged_regions, output.timings + Timings(decode_ms=milliseconds_since(start)))

    def _heat(self, output: NetworkOutput) -> FloatArray:
        heat: FloatArray = output.maps[0][: self.keypoints].max(axis=0)
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
    heat: FloatArray, placement: Placement, people: Sequence[Sized], settings: RegionSettings
) -> list[Region]:
    """Return regions, not merged, around heat that is no part of the people known.

    Args:
        heat: (h, w), the highest of the keypoints' heatmaps.
        placement: How the picture lies in the input that the heat is of.
        people: Whoever was told from it.
        settings: How to cut.

    """
    hot = (heat > settings.heat_threshold).astype(np.uint8)
    if not hot.any():
        return []
    to_image = placement.map_to_image(placement.network_hw[0] / heat.shape[0])
    for person in people:
        _put_out(hot, person.box(EXPLAINED * person.height), to_image.inverse())
    scale = min(settings.largest_scale, settings.person_height / settings.heat_height * placement.scale)
    regions = []
    for cells in _islands(hot):
        reach = settings.heat_cells + 0.5
        corners = to_image(np.array(grown(cells, reach, reach)).reshape(2, 2))
        regions.append(Region.around(box_of(corners), scale, placement.image_hw))
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
