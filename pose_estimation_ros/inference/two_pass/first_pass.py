"""The first pass: regions for the second one, from the people that it finds or that a tracker knows."""

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
from pose_estimation_ros.inference.two_pass.body_height import body_height
from pose_estimation_ros.inference.two_pass.region import Box, Region, box_of, grown, merged
from pose_estimation_ros.methods.method import Decoder

EXPLAINED = 0.15
"""Share of a person's height: heat so near their keypoints counts as theirs."""


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
class FirstPassResult:
    """What the first pass found in one image, and the time it took."""

    poses: list[Pose]
    """People large enough to keep their first-pass pose."""
    regions: list[Region]
    timings: Timings


class RegionFinder(Protocol):
    """Anything that chooses the regions of the second pass."""

    def __call__(self, images: Sequence[ByteArray]) -> list[FirstPassResult]:
        """Return the regions of each of several images."""


@dataclass(frozen=True, eq=False)
class PeopleFinder:
    """Runs a network on the whole image, and cuts a region around everybody who is too small in it."""

    pipeline: Pipeline
    """The first pass."""
    candidates: Decoder
    """Decoder with lower limits than the pipeline's: the second pass decides whether candidates are people."""
    settings: RegionSettings
    keypoints: int
    """Number of heatmaps of keypoints in the first maps; one of the background or centre may follow."""

    def __call__(self, images: Sequence[ByteArray]) -> list[FirstPassResult]:
        """Return the regions of each of several images."""
        return [self.of(output) for output in self.pipeline.forward(images)]

    def of(self, output: NetworkOutput) -> FirstPassResult:
        """Return one image's regions and the people who keep their pose."""
        start = time.perf_counter()
        people = SizedPose.all(self.candidates(output.maps, output.placement))
        sharp = self.settings.sharp_enough * self.settings.person_height / output.placement.scale
        kept = []
        if any(person.height >= sharp for person in people):
            decoded = SizedPose.all(self.pipeline.decoder(output.maps, output.placement))
            kept = [person.pose for person in decoded if person.height >= sharp]
        regions = around_people(
            [person for person in people if person.height < sharp], output.placement.image_hw, self.settings
        )
        regions += around_heat(self._heat(output), output.placement, people, self.settings)
        merged_regions = merged(regions, self.settings.tolerance)
        return FirstPassResult(kept, merged_regions, output.timings + Timings(decode_ms=milliseconds_since(start)))

    def _heat(self, output: NetworkOutput) -> FloatArray:
        heat: FloatArray = output.maps[0][: self.keypoints].max(axis=0)
        return heat


@dataclass(frozen=True, eq=False)
class SizedPose:
    """A person, and about how tall they would stand in image pixels; 0 where it is unknown."""

    pose: Pose
    height: float

    @classmethod
    def all(cls, poses: Sequence[Pose]) -> 'list[SizedPose]':
        """Return people with their heights."""
        return [cls(pose, body_height(pose)) for pose in poses]

    def box(self, margin: float) -> Box:
        """Return a box around the keypoints with a margin in pixels on every side."""
        return grown(box_of(self.pose.found[:, :2]), margin, margin)


def around_people(people: Sequence[SizedPose], image_hw: tuple[int, int], settings: RegionSettings) -> list[Region]:
    """Return a region for each person whose height is known, not merged."""
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
    heat: FloatArray, placement: Placement, people: Sequence[SizedPose], settings: RegionSettings
) -> list[Region]:
    """Return regions, not merged, around heat outside of known people.

    Args:
        heat: (h, w), the highest of the keypoints' heatmaps.
        placement: How the image lies in the input of the heat.
        people: Those decoded from it.
        settings: How to cut.

    """
    hot = (heat > settings.heat_threshold).astype(np.uint8)
    if not hot.any():
        return []
    to_image = placement.map_to_image(placement.network_hw[0] / heat.shape[0])
    for person in people:
        _clear(hot, person.box(EXPLAINED * person.height), to_image.inverse())
    scale = min(settings.largest_scale, settings.person_height / settings.heat_height * placement.scale)
    regions = []
    for cells in _clusters(hot):
        reach = settings.heat_cells + 0.5
        corners = to_image(np.array(grown(cells, reach, reach)).reshape(2, 2))
        regions.append(Region.around(box_of(corners), scale, placement.image_hw))
    return [region for region in regions if region is not None]


def _clear(hot: ByteArray, box: Box, to_map: Affine) -> None:
    """Clear the cells within a box of the image, those at its border included."""
    (left, top), (right, bottom) = to_map(np.array(box).reshape(2, 2)).tolist()
    rows = slice(max(0, math.floor(top)), max(0, math.ceil(bottom) + 1))
    hot[rows, max(0, math.floor(left)) : max(0, math.ceil(right) + 1)] = 0


def _clusters(hot: ByteArray) -> list[Box]:
    """Return the boxes, in cells, of connected cells; diagonals and gaps of one cell connect too."""
    closed = cv2.dilate(hot, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(closed, connectivity=8)
    rows, columns = np.nonzero(hot)
    labelled = labels[rows, columns]
    return [
        box_of(np.column_stack([columns[labelled == label], rows[labelled == label]])) for label in np.unique(labelled)
    ]
