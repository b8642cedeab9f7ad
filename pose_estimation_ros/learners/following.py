"""People of a video whom a detector misses: optical flow says where they are now, and that is looked at too."""

from collections.abc import Callable
from dataclasses import dataclass

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.detectors.person_detector import WholeImage
from pose_estimation_ros.inference.pipeline import Result
from pose_estimation_ros.inference.top_down import TopDown
from pose_estimation_ros.tracking.flow import Propagation, joined_boxes
from pose_estimation_ros.tracking.tracker import Tracker

CARRIED = Propagation(min_detection_score=0.0, inside=0.9)
"""The published rules but for two: which detections count is the detector's own threshold's to say, and boxes of some
of a person's joints count for that person. On two parts of a street video, with a quarter of YOLOX nano's boxes struck
out, 78 % of the people were found without carried boxes, 92 % with published and with these rules, but 14 and 43 poses
too many instead of 54 and 97 (scripts/missed_boxes.py)."""

LONGEST_GAP_S = 1.0
"""Nobody is carried over more: what came between says nothing of where people are, and the flow even less."""


class Following:
    """Joins boxes of people carried from the last picture of a video to those of a detector (Xiao et al. 2018).

    It knows when a picture does not follow the last one: after a jump in time, and when pictures change their size.
    """

    def __init__(self, propagation: Propagation | None = None) -> None:
        self._propagation = propagation or CARRIED
        self.reset()

    def reset(self) -> None:
        """Forget the last picture."""
        self._image_hw = (0, 0)
        self._stamp: float | None = None

    def __call__(
        self, pipeline: TopDown, image: ByteArray, tracker: Tracker, boxes: Boxes | None, stamp: float | None
    ) -> Result:
        """Find the people in the next picture of a video.

        Args:
            pipeline: What looks.
            image: (H, W, 3) BGR.
            tracker: Who knows the people of the last picture. One that does not look at pictures carries nobody.
            boxes: Where people are as others see it, None lets the pipeline's detector look.
            stamp: When the picture was taken, in seconds; None where that is not known.

        """
        if not tracker.needs_image or (boxes is None and isinstance(pipeline.detector, WholeImage)):
            return pipeline(image, boxes)
        follows = self._follows(image, stamp)

        def expected() -> list[Pose]:
            people = tracker.expect(image, stamp)  # in any case, since the tracker wants to see every picture
            return people if follows else []

        detect = pipeline.detector if boxes is None else lambda _: boxes
        return pipeline.with_detector(_Joined(detect, expected, self._propagation))(image)

    def _follows(self, image: ByteArray, stamp: float | None) -> bool:
        """Return whether people of the last picture can be in this one, and remember it."""
        image_hw, before = (image.shape[0], image.shape[1]), self._stamp
        same_size = image_hw == self._image_hw
        self._image_hw, self._stamp = image_hw, stamp
        return same_size and (before is None or stamp is None or stamp - before <= LONGEST_GAP_S)


@dataclass(frozen=True)
class _Joined:
    """A detector's people and those expected, each once."""

    detect: Callable[[ByteArray], Boxes]
    expected: Callable[[], list[Pose]]
    propagation: Propagation

    def __call__(self, image: ByteArray) -> Boxes:
        detected = self.detect(image).usable()
        return Boxes(*joined_boxes(detected.xywh, detected.scores, self.expected(), self.propagation))
