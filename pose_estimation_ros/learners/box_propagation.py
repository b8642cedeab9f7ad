"""People of a video whom a detector misses: optical flow carries their boxes from the last image."""

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
"""The published rules but for two: the detector's own threshold decides which detections count, and a box around some
of a person's keypoints counts for that person. On two parts of a street video, with a quarter of YOLOX nano's boxes
removed, 78 % of the people were found without carried boxes and 92 % with published or with these rules, but with 14
and 43 false positives instead of 54 and 97 (scripts/missed_boxes.py)."""

LONGEST_GAP_S = 1.0
"""Longest time over which boxes are carried; over more, optical flow says nothing."""


class BoxPropagation:
    """Combines boxes propagated from the last image of a video with a detector's boxes (Xiao et al. 2018).

    After a jump in time, and when images change their size, no boxes are carried.
    """

    def __init__(self, propagation: Propagation | None = None) -> None:
        self._propagation = propagation or CARRIED
        self.reset()

    def reset(self) -> None:
        self._image_hw = (0, 0)
        self._stamp: float | None = None

    def __call__(
        self, pipeline: TopDown, image: ByteArray, tracker: Tracker, boxes: Boxes | None, stamp: float | None
    ) -> Result:
        """Find the people in the next image of a video.

        Args:
            pipeline: Runs the network.
            image: (H, W, 3) BGR.
            tracker: Holds the people of the last image. One without optical flow carries nobody.
            boxes: Where people are; None for those of the pipeline's detector.
            stamp: When the image was taken, in seconds; None if unknown.

        """
        if not tracker.needs_image or (boxes is None and isinstance(pipeline.detector, WholeImage)):
            return pipeline(image, boxes)
        follows = self._follows(image, stamp)

        def expected() -> list[Pose]:
            people = tracker.expect(image, stamp)  # always: the flow needs every image
            return people if follows else []

        detect = pipeline.detector if boxes is None else lambda _: boxes
        return pipeline.with_detector(_Joined(detect, expected, self._propagation))(image)

    def _follows(self, image: ByteArray, stamp: float | None) -> bool:
        """Return whether this image follows the last one, and remember it."""
        image_hw, before = (image.shape[0], image.shape[1]), self._stamp
        same_size = image_hw == self._image_hw
        self._image_hw, self._stamp = image_hw, stamp
        return same_size and (before is None or stamp is None or stamp - before <= LONGEST_GAP_S)


@dataclass(frozen=True)
class _Joined:
    """A detector's boxes and the carried ones, each person once."""

    detect: Callable[[ByteArray], Boxes]
    expected: Callable[[], list[Pose]]
    propagation: Propagation

    def __call__(self, image: ByteArray) -> Boxes:
        detected = self.detect(image).usable()
        return Boxes(*joined_boxes(detected.xywh, detected.scores, self.expected(), self.propagation))
