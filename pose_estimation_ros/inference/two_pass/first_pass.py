"""The first pass: finds regions for the second one, around detected or tracked people."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.geometry import Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.inference.pipeline import NetworkOutput, Pipeline, Timings, milliseconds_since
from pose_estimation_ros.inference.two_pass.duplicates import body_height
from pose_estimation_ros.inference.two_pass.region import Box, Region, box_of, grown, merged

EXPLAINED = 0.15
"""Margin around a person's keypoints, as a fraction of their height; heat inside it belongs to them."""


@dataclass(frozen=True)
class RegionSettings:
    """How regions are cut around people; lengths are in network pixels or fractions."""

    person_height: float = setting(
        200.0, 'Height of people in the second pass, in network pixels; close to the people it was trained on.', above=0
    )
    margin: float = setting(
        0.3, "Margin around a person's keypoints, as a fraction of their height.", range=(0, math.inf)
    )
    largest_scale: float = setting(2.0, 'Maximum network pixels per image pixel; more adds no detail.', above=0)
    sharp_enough: float = setting(
        0.7, 'Keep the first-pass pose of a person whose height there is at least this fraction of `person_height`.',
        above=0,
    )  # fmt: skip
    heat_threshold: float = setting(
        0.15,
        'Minimum heatmap value outside detected people that creates a region; above 1 disables this.',
        range=(0, math.inf),
    )
    heat_cells: float = setting(2.5, 'Margin around such a heatmap peak, in output cells.', range=(0, math.inf))
    heat_height: float = setting(
        40.0, 'Assumed height of people in such regions, in first-pass network pixels.', above=0
    )
    tolerance: float = setting(
        1.1,
        'Merge two overlapping regions if the merged area is at most this many times their total area (each plus a'
        ' fixed cost per region).',
        above=0,
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, eq=False)
class FirstPassResult:
    """Result of the first pass on one image, with timings."""

    poses: list[Pose]
    """People large enough to keep their first-pass pose."""
    regions: list[Region]
    timings: Timings


class RegionFinder(Protocol):
    """Chooses the regions of the second pass."""

    def __call__(self, images: Sequence[ByteArray]) -> list[FirstPassResult]:
        """Return the regions and kept people of each image."""


@dataclass(frozen=True, eq=False)
class PeopleFinder:
    """Runs a network on the whole image, and cuts a region around everybody too small in it."""

    pipeline: Pipeline
    """The first pass."""
    settings: RegionSettings

    def __call__(self, images: Sequence[ByteArray]) -> list[FirstPassResult]:
        return [self.find_regions(output) for output in self.pipeline.forward(images)]

    def find_regions(self, output: NetworkOutput) -> FirstPassResult:
        """Return the regions of one image and the people who keep their first-pass pose."""
        start = time.perf_counter()
        people = SizedPose.all(self.pipeline.decoder.candidates()(output.maps, output.placement))
        sharp = self.settings.sharp_enough * self.settings.person_height / output.placement.scale
        kept = []
        if any(person.height >= sharp for person in people):
            decoded = SizedPose.all(self.pipeline.decoder(output.maps, output.placement))
            kept = [person.pose for person in decoded if person.height >= sharp]
        regions = around_people(
            [person for person in people if person.height < sharp], output.placement.image_hw, self.settings
        )
        # The first maps begin with the keypoints' heatmaps; one of the background or of centres may follow.
        heat = output.maps[0][: len(self.pipeline.method.skeleton)].max(axis=0)
        regions += around_heat(heat, output.placement, people, self.settings)
        merged_regions = merged(regions, self.settings.tolerance)
        return FirstPassResult(kept, merged_regions, output.timings + Timings(decode_ms=milliseconds_since(start)))


@dataclass(frozen=True, eq=False)
class SizedPose:
    """A person and their approximate standing height in image pixels, 0 if unknown."""

    pose: Pose
    height: float

    @classmethod
    def all(cls, poses: Sequence[Pose]) -> 'list[SizedPose]':
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
    """Return regions, not merged, around heat (h, w), the maximum over keypoints, outside the known people."""
    hot = (heat > settings.heat_threshold).astype(np.uint8)
    if not hot.any():
        return []
    to_image = placement.map_to_image(placement.network_hw[0] / heat.shape[0])
    for person in people:
        box = np.array(person.box(EXPLAINED * person.height)).reshape(2, 2)
        (left, top), (right, bottom) = to_image.inverse()(box).tolist()
        rows = slice(max(0, math.floor(top)), max(0, math.ceil(bottom) + 1))
        hot[rows, max(0, math.floor(left)) : max(0, math.ceil(right) + 1)] = 0
    scale = min(settings.largest_scale, settings.person_height / settings.heat_height * placement.scale)
    regions = []
    for cells in _clusters(hot):
        reach = settings.heat_cells + 0.5
        corners = to_image(np.array(grown(cells, reach, reach)).reshape(2, 2))
        regions.append(Region.around(box_of(corners), scale, placement.image_hw))
    return [region for region in regions if region is not None]


def _clusters(hot: ByteArray) -> list[Box]:
    """Return the bounding boxes, in cells, of connected components; diagonals and one-cell gaps also connect."""
    closed = cv2.dilate(hot, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(closed, connectivity=8)
    rows, columns = np.nonzero(hot)
    labelled = labels[rows, columns]
    return [
        box_of(np.column_stack([columns[labelled == label], rows[labelled == label]])) for label in np.unique(labelled)
    ]
