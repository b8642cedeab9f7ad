"""`eval` of the learners: COCO's numbers on a dataset, in the published form."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import cv2

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.evaluation.coco_score import CocoScore, coco_score
from pose_estimation_ros.evaluation.detections import write_detections
from pose_estimation_ros.evaluation.run import Entry, Infer, evaluate_images
from pose_estimation_ros.evaluation.scored_images import ScoredImages, entry
from pose_estimation_ros.inference.pipeline import PeoplePipeline, Result
from pose_estimation_ros.learners.settings import TrainingSettings

ESCAPE = 27
WINDOW = 'evaluation'


@dataclass(frozen=True)
class Evaluation:
    """One `eval` of a learner."""

    training: TrainingSettings
    temp_path: Path
    silent: bool
    """No output and no progress bar."""
    verbose: bool
    """Print COCO's table."""

    def numbers(
        self, pipeline: PeoplePipeline, images: ScoredImages, boxes: Mapping[int, Boxes] | None = None
    ) -> dict[str, list[float]]:
        """Score a pipeline on images, write the detections and return the published numbers.

        `boxes`, by image id, are for a pipeline that takes them. Raises DatasetError and OutputError.
        """
        output = self.temp_path / self.training.output_name
        make_folder(output.parent)
        infer: Infer = pipeline.batch
        entries: Iterator[Entry] = map(entry, images.sources)
        if self.training.visualize:
            infer, entries = shown(infer, entries)
        run = evaluate_images(infer, entries, boxes=boxes, total=len(images), progress=not self.silent)
        write_detections(output, run.detections)
        score = coco_score(images.truth, run.detections, run.image_ids)
        if self.verbose and not self.silent:
            print(score.table())
        return published_numbers(score)


def published_numbers(score: CocoScore) -> dict[str, list[float]]:
    """Return the dictionary that OpenDR's `eval` returns: five numbers of precision and five of recall."""
    numbers = list(score.as_dict().values())
    return {'average_precision': numbers[:5], 'average_recall': numbers[5:]}


def shown(infer: Infer, entries: Iterable[Entry]) -> tuple[Infer, Iterator[Entry]]:
    """Return the same function, which also shows what it finds, and the entries until Esc is pressed."""
    closed = False

    def watched(images: Sequence[ByteArray], *boxes: Sequence[Boxes]) -> Sequence[Result]:
        nonlocal closed
        results = infer(images, *boxes)
        for image, result in zip(images, results, strict=True):
            cv2.imshow(WINDOW, draw_poses(image.copy(), result.poses))
            if cv2.waitKey(0) & 0xFF == ESCAPE:
                closed = True
                cv2.destroyWindow(WINDOW)
        return results

    return watched, takewhile(lambda _: not closed, entries)
