"""`eval` of the learners: COCO's numbers on a dataset, in the published form."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.evaluation.coco_score import CocoScore, coco_score
from pose_estimation_ros.evaluation.detections import write_detections
from pose_estimation_ros.evaluation.run import Entry, evaluate_images
from pose_estimation_ros.inference.pipeline import PeoplePipeline, Result
from pose_estimation_ros.learners.pictures import Names, ScoredPictures, scored_pictures
from pose_estimation_ros.learners.settings import TrainingSettings

ESCAPE = 27
WINDOW = 'evaluation'
SUBSET_FILE = 'val_subset.json'


@dataclass(frozen=True)
class EvaluationSettings:
    """What `eval` was asked for."""

    output: Path
    """File for the detections."""
    batch_size: int = 1
    visualize: bool = False
    progress: bool = True


def evaluate(
    pipeline: PeoplePipeline,
    pictures: ScoredPictures,
    settings: EvaluationSettings,
    boxes: Mapping[int, Boxes] | None = None,
) -> CocoScore:
    """Score a pipeline on pictures and write what it found; raises DatasetError and OutputError.

    `boxes`, by image id, are for a pipeline that takes them.
    """
    make_folder(settings.output.parent)
    viewer = Viewer() if settings.visualize else None
    infer = viewer.watching(pipeline.batch) if viewer else pipeline.batch
    entries = _until(lambda: bool(viewer and viewer.closed), pictures.entries())
    batch = 1 if viewer else settings.batch_size
    run = evaluate_images(infer, entries, batch, boxes=boxes, total=len(pictures), progress=settings.progress)
    write_detections(settings.output, run.detections)
    return coco_score(pictures.truth, run.detections, run.image_ids)


def published_numbers(score: CocoScore) -> dict[str, list[float]]:
    """Return the dictionary that OpenDR's `eval` returns: five numbers of precision and five of recall."""
    numbers = list(score.as_dict().values())
    return {'average_precision': numbers[:5], 'average_recall': numbers[5:]}


@dataclass(frozen=True)
class Evaluation:
    """One `eval` of a learner."""

    training: TrainingSettings
    temp_path: Path
    silent: bool
    """Print nothing, show no bar."""
    verbose: bool
    """Print COCO's table."""

    def numbers(
        self, pipeline: PeoplePipeline, pictures: ScoredPictures, boxes: Mapping[int, Boxes] | None = None
    ) -> dict[str, list[float]]:
        """Score a pipeline on pictures and return what OpenDR's `eval` returns; raises as `evaluate` does."""
        output = self.temp_path / self.training.output_name
        settings = EvaluationSettings(output, visualize=self.training.visualize, progress=not self.silent)
        score = evaluate(pipeline, pictures, settings, boxes)
        if self.verbose and not self.silent:
            print(score.table())
        return published_numbers(score)


def chosen_pictures(dataset: Any, names: Names, subset: int | None, folder: Path) -> ScoredPictures:
    """Return the published choice of `subset` pictures, whose annotations go to `folder` as in the published code.

    None takes all, and writes nothing.
    """
    pictures = scored_pictures(dataset, names, subset)
    if subset is not None:
        write_json(make_folder(folder) / SUBSET_FILE, pictures.truth)
    return pictures


def _until(ended: Callable[[], bool], entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if ended():
            return
        yield entry


class Viewer:
    """Shows one picture after another with the people found, until Esc."""

    def __init__(self) -> None:
        self.closed = False

    def watching(self, infer: Callable[..., list[Result]]) -> Callable[..., list[Result]]:
        """Return the same function, which also shows what it finds."""

        def watched(images: list[ByteArray], *boxes: Sequence[Boxes]) -> list[Result]:
            results = infer(images, *boxes)
            for image, result in zip(images, results, strict=True):
                self._show(image, result.poses)
            return results

        return watched

    def _show(self, image: ByteArray, poses: list[Pose]) -> None:
        cv2.imshow(WINDOW, draw_poses(image.copy(), poses))
        if cv2.waitKey(0) & 0xFF == ESCAPE:
            self.closed = True
            cv2.destroyWindow(WINDOW)
