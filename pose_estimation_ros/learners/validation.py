"""Scoring a network in training by COCO's numbers: what the training engine asks for and evaluation provides."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from pose_estimation_ros.core.image import to_bgr
from pose_estimation_ros.evaluation.coco_score import coco_label, coco_score
from pose_estimation_ros.evaluation.detections import coco_detection
from pose_estimation_ros.evaluation.run import Entry
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.learners.pictures import ScoredPictures, coco_pictures, drawn_pictures, together
from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.training.recipe import Part, Recipe
from pose_estimation_ros.training.sources import coco_paths, open_part

if TYPE_CHECKING:
    from pose_estimation_ros.training.validation import Watch


@dataclass(frozen=True, eq=False)
class CocoValidation:
    """Finds the people in whole pictures as inference does, and scores them as `evaluate` does.

    Several processes share the pictures; the score is of all that they found, so it is the one that a single process
    gives.
    """

    method: Method
    pictures: ScoredPictures
    height: int
    """Rows that pictures are scaled to."""
    decoder: str | None = None
    """By name; None for the method's first."""
    preprocessing: Preprocessing | None = None
    """How pictures are normalised, where not as the method does."""
    verbose: bool = False
    """Whether to print scores."""

    def run(self, network: Any, rank: int, world: int, watch: 'Watch | None' = None) -> list[dict[str, Any]]:
        """Return the detections in this process's share."""
        pipeline = self._pipeline(network)
        entries: Iterator[Entry] = self.pictures.entries(rank, world)
        if watch:
            entries = watch.over(entries, len(self.pictures.sources[rank::world]))
        return [
            coco_detection(pose, image_id) for image_id, picture in entries for pose in pipeline(to_bgr(picture)).poses
        ]

    def score(self, parts: Sequence[list[dict[str, Any]]]) -> dict[str, float]:
        """Return COCO's ten numbers, AP first; those without anybody to measure are left out, or 0 for AP."""
        scores = coco_numbers(self.pictures, parts)
        if self.verbose:
            tell(scores)
        return scores

    def tag(self, name: str) -> str:
        """Return what COCO prints before a number, as the published logs have it."""
        return coco_label(name)

    def _pipeline(self, network: Any) -> Pipeline:
        device = next(network.parameters()).device
        model = Model(self.method.output_channels, network=network, label='the network in training')
        decoder = self.method.decoder(self.decoder) if self.decoder else None
        backend = open_backend(model, BackendSettings('torch', str(device)))
        return Pipeline(backend, self.method, decoder, self.preprocessing, self.height)


def coco_numbers(pictures: ScoredPictures, parts: Sequence[list[dict[str, Any]]]) -> dict[str, float]:
    """Return COCO's ten numbers of all that was found; those without anybody to measure are left out, or 0 for AP."""
    detections = [each for part in parts for each in part]
    image_ids = [image_id for image_id, _ in pictures.sources]
    numbers = coco_score(pictures.truth, detections, image_ids).as_dict()
    known = {name: value for name, value in numbers.items() if not math.isnan(value)}
    return {'AP': 0.0, **known}


def tell(scores: Mapping[str, float]) -> None:
    """Print what a validation found, beside the bars that are shown."""
    tqdm.write('validation: ' + ', '.join(f'{name} {value:.3f}' for name, value in scores.items()))


def recipe_pictures(recipe: Recipe) -> ScoredPictures | None:
    """Return the pictures that a recipe is validated on, None where it names none."""
    data, limit = recipe.data, recipe.validation.limit
    parts = [_scored(part, Path(data.root), limit) for part in data.validation]
    return together(parts) if parts else None


def _scored(part: Part, root: Path, limit: int) -> ScoredPictures:
    """Return a part's pictures; those of COCO with the annotations as they are, crowds and all."""
    paths = coco_paths(part, root)
    pictures = drawn_pictures(open_part(part, root), limit) if paths is None else coco_pictures(*paths)
    return pictures.subset(min(filter(None, (limit, part.limit)), default=0))
