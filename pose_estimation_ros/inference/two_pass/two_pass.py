"""A pipeline of two: the first pass finds where people are, the second looks there closely."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.pipeline import Pipeline, Result, Timings, milliseconds_since
from pose_estimation_ros.inference.two_pass.finding import Finder, Findings, RegionSettings, Sized, around_people
from pose_estimation_ros.inference.two_pass.looking import PackedLook, SingleLook
from pose_estimation_ros.inference.two_pass.merging import deduplicated
from pose_estimation_ros.inference.two_pass.region import merged


@dataclass(frozen=True, eq=False)
class TwoPass:
    """Looks at whole pictures, then at their people. Where nobody is found, the first pass is all that is paid."""

    model: Pipeline
    """The second pass's, bare of flips and scales."""
    finder: Finder
    look: PackedLook | SingleLook
    settings: RegionSettings
    """How regions are cut around people who are known already."""
    max_persons: int = 0
    """The best so many of a picture, 0 for all."""

    @property
    def backend(self) -> Backend:
        """What runs the second pass."""
        return self.model.backend

    @property
    def stride(self) -> int:
        """Input pixels a cell of the second pass's maps."""
        return self.model.stride

    @property
    def base_size(self) -> int:
        """The second pass's input height."""
        return self.model.base_size

    def prepare(self, image: ByteArray) -> FloatArray:
        """Return the second pass's input (1, 3, H, W) for a picture as a whole."""
        return self.model.prepare(image)

    def with_looks(self, scales: Sequence[float] = (1.0,), flip: bool = False) -> 'TwoPass':
        """Return the same whose second pass sees every region at other scales, and mirrored too."""
        return replace(self, look=replace(self.look, pipeline=self.look.pipeline.with_looks(scales, flip)))

    def __call__(self, image: ByteArray) -> Result:
        """Find the people in an (H, W, 3) BGR picture."""
        return self.batch([image])[0]

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several pictures; they share forward passes."""
        return self._closely(images, self.finder(images))

    def with_known(self, image: ByteArray, people: Sequence[Pose]) -> Result:
        """Find the people in the next picture of a video, looking also where they were in the last one."""
        found = self.finder([image])[0]
        around = self._around(image, people)
        regions = merged([*found.regions, *around.regions], self.settings.tolerance)
        return self._closely([image], [Findings(found.settled, regions, found.timings + around.timings)])[0]

    def follow(self, image: ByteArray, people: Sequence[Pose]) -> Result:
        """Find people again who were in the last picture of a video; nobody else is looked for."""
        return self._closely([image], [self._around(image, people)])[0]

    def _around(self, image: ByteArray, people: Sequence[Pose]) -> Findings:
        start = time.perf_counter()
        height, width = image.shape[:2]
        regions = merged(around_people(Sized.all(people), (height, width), self.settings), self.settings.tolerance)
        return Findings([], regions, Timings(decode_ms=milliseconds_since(start)))

    def _closely(self, images: Sequence[ByteArray], found: Sequence[Findings]) -> list[Result]:
        looked = self.look(images, [each.regions for each in found])
        results = []
        for first, second in zip(found, looked, strict=True):
            start = time.perf_counter()
            poses = self._best(deduplicated([*first.settled, *second.poses]))
            merging = Timings(decode_ms=milliseconds_since(start))
            results.append(Result(poses, first.timings + second.timings + merging))
        return results

    def _best(self, poses: list[Pose]) -> list[Pose]:
        if not self.max_persons or len(poses) <= self.max_persons:
            return poses
        best = sorted(range(len(poses)), key=lambda index: -poses[index].score)[: self.max_persons]
        return [poses[index] for index in sorted(best)]
