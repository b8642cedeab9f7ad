"""COCO's score while pictures come in, by one process or several."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.evaluation.annotations import indexed
from pose_estimation_ros.evaluation.coco_score import MAX_DETECTIONS, CocoScore, coco_score
from pose_estimation_ros.evaluation.detections import coco_detection

if TYPE_CHECKING:
    from pycocotools.coco import COCO

Part = dict[int, list[dict[str, Any]]]
"""What one process has seen: detections by image id, to be pickled."""


class KeypointScore:
    """Collects poses picture by picture and scores them, with exactly the number that scoring a file gives.

    A picture counts once, however often it comes: distributed samplers repeat some to give all processes equally many.
    Only the pictures that came are scored. Poses are in pixels of the original picture.
    """

    def __init__(
        self,
        truth: 'dict[str, Any] | Path | COCO',
        skeleton: Skeleton = COCO_17,
        max_detections: int = MAX_DETECTIONS,
    ) -> None:
        self._truth = indexed(truth, skeleton)
        self._skeleton = skeleton
        self._max_detections = max_detections
        self._seen: Part = {}

    def update(self, image_id: int, poses: Iterable[Pose]) -> None:
        """Take what was found in a picture, [] where that is nobody; raises EvaluationError for unknown pictures."""
        if image_id not in self._truth.imgs:
            raise EvaluationError(f'image {image_id} is not among the {len(self._truth.imgs)} of the truth')
        if image_id not in self._seen:
            self._seen[int(image_id)] = [coco_detection(pose, image_id, self._skeleton) for pose in poses]

    @property
    def part(self) -> Part:
        """What this process has seen, for `merge` in another."""
        return self._seen

    def merge(self, parts: Iterable[Part]) -> None:
        """Take what other processes have seen; of a picture that several have, the first counts."""
        for part in parts:
            for image_id, detections in part.items():
                self._seen.setdefault(image_id, detections)

    def gather(self, all_gather_object: Callable[[list[Any], Any], Any], processes: int) -> None:
        """Take what all processes have seen; afterwards `compute` gives the same in each.

        Args:
            all_gather_object: torch.distributed's, or whatever fills a list with every process's object.
            processes: How many there are (the world size).

        """
        parts: list[Any] = [None] * processes
        all_gather_object(parts, self._seen)
        self._seen = {}
        self.merge(parts)

    def compute(self) -> CocoScore:
        """Return the score of the pictures that came; raises EvaluationError where none did."""
        image_ids: Sequence[int] = sorted(self._seen)
        if not image_ids:
            raise EvaluationError('no picture was scored: call update before compute')
        detections = [detection for image_id in image_ids for detection in self._seen[image_id]]
        return coco_score(self._truth, detections, image_ids, self._max_detections, self._skeleton)

    def reset(self) -> None:
        """Forget all pictures."""
        self._seen = {}
