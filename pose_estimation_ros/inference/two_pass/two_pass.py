"""A pipeline of two passes: the first finds where people are, the second estimates their poses there."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.pipeline import Pipeline, Result, Timings, milliseconds_since
from pose_estimation_ros.inference.two_pass.duplicates import without_duplicates
from pose_estimation_ros.inference.two_pass.first_pass import (
    FirstPassResult,
    RegionFinder,
    RegionSettings,
    SizedPose,
    around_people,
)
from pose_estimation_ros.inference.two_pass.region import merged
from pose_estimation_ros.inference.two_pass.second_pass import PackedRegions, SingleRegions


@dataclass(frozen=True, eq=False)
class TwoPass:
    """Runs whole images, then regions around the people found. With nobody in view only the first pass runs."""

    model: Pipeline
    """The second pass's pipeline, without flips and scales."""
    finder: RegionFinder
    second_pass: PackedRegions | SingleRegions
    settings: RegionSettings
    """Regions around people known from the last frame."""
    max_persons: int = 0
    """Maximum number of people, best first; 0 for no limit."""

    @property
    def backend(self) -> Backend:
        return self.model.backend

    @property
    def stride(self) -> int:
        return self.model.stride

    @property
    def base_size(self) -> int:
        return self.model.base_size

    def prepare(self, image: ByteArray) -> FloatArray:
        return self.model.prepare(image)

    def with_looks(self, scales: Sequence[float] = (1.0,), flip: bool = False) -> 'TwoPass':
        """Return a copy whose second pass runs every region at other scales, and mirrored as well."""
        return replace(
            self, second_pass=replace(self.second_pass, pipeline=self.second_pass.pipeline.with_looks(scales, flip))
        )

    def __call__(self, image: ByteArray) -> Result:
        return self.batch([image])[0]

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        return self._run_second_pass(images, self.finder(images))

    def with_known(self, image: ByteArray, people: Sequence[Pose]) -> Result:
        """Find the people in the next frame of a video, searching their last positions as well."""
        (found,), around = self.finder([image]), self._around(image, people)
        regions = merged([*found.regions, *around.regions], self.settings.tolerance)
        found = FirstPassResult(found.poses, regions, found.timings + around.timings)
        return self._run_second_pass([image], [found])[0]

    def follow(self, image: ByteArray, people: Sequence[Pose]) -> Result:
        """Find the people of the last frame in the next one, searching only their last positions."""
        return self._run_second_pass([image], [self._around(image, people)])[0]

    def _around(self, image: ByteArray, people: Sequence[Pose]) -> FirstPassResult:
        start = time.perf_counter()
        height, width = image.shape[:2]
        regions = merged(around_people(SizedPose.all(people), (height, width), self.settings), self.settings.tolerance)
        return FirstPassResult([], regions, Timings(decode_ms=milliseconds_since(start)))

    def _run_second_pass(self, images: Sequence[ByteArray], found: Sequence[FirstPassResult]) -> list[Result]:
        detected = self.second_pass(images, [each.regions for each in found])
        results = []
        for first, second in zip(found, detected, strict=True):
            start = time.perf_counter()
            poses = without_duplicates([*first.poses, *second.poses])
            if self.max_persons:
                best = sorted(range(len(poses)), key=lambda index: -poses[index].score)[: self.max_persons]
                poses = [poses[index] for index in sorted(best)]
            merging = Timings(decode_ms=milliseconds_since(start))
            results.append(Result(poses, first.timings + second.timings + merging))
        return results


class FirstPassSchedule:
    """Decides which frames of a video get a first pass.

    It runs in every `interval`-th frame, and at once when nobody is known, when a known person was lost, and when the
    size of frames changes.
    """

    def __init__(self, interval: int) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise SettingsError(
                f'newcomers_interval must be 1 (look for newcomers in every frame) or more, got {interval!r}'
            )
        self._interval = interval
        self.reset()

    def reset(self) -> None:
        """Forget the video: the next frame gets a first pass."""
        self._followed = 0
        self._is_due = True
        self._image_hw = (0, 0)

    def __call__(self, pipeline: TwoPass, image: ByteArray, people: Sequence[Pose]) -> Result:
        """Find the people in the next frame.

        Args:
            pipeline: Both passes.
            image: (H, W, 3) BGR.
            people: Those of the last frame, as a tracker knows them.

        """
        image_hw = (image.shape[0], image.shape[1])
        known = people if image_hw == self._image_hw else ()
        self._image_hw = image_hw
        if not known or self._is_due or self._followed >= self._interval - 1:
            self._followed, self._is_due = 0, False
            return pipeline.with_known(image, known)
        self._followed += 1
        result = pipeline.follow(image, known)
        self._is_due = len(result.poses) < len(known)
        return result
