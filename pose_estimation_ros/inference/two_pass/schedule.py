"""When the first pass runs in a video: known people are followed in every frame, newcomers found now and then."""

from collections.abc import Sequence

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import Result
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass


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
