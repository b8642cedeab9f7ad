"""Scores of a pose network in training: COCO's numbers or PCKh, as `evaluate` computes them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.evaluation.coco_score import coco_label, coco_score
from pose_estimation_ros.evaluation.ground_truth import truth_boxes
from pose_estimation_ros.evaluation.mpii import MEAN, STRICT, MpiiPeople, require_mpii
from pose_estimation_ros.evaluation.run import evaluate_images
from pose_estimation_ros.evaluation.scored_images import ScoredImages, coco_images, combined, dataset_images, entry
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown
from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.training.pose.datasets import coco_paths, open_dataset
from pose_estimation_ros.training.pose.recipe import DatasetSettings, PoseRecipe
from pose_estimation_ros.training.task import Progress, Validation

MakePipeline = Callable[[nn.Module], Any]
"""From a network in training to the pipeline that runs it."""


@dataclass(frozen=True, eq=False)
class CocoValidation(Validation):
    """Finds the people in images as inference does, and scores them as `evaluate` does.

    Several processes share the images; the score is of all that they found, so it is the one that a single process
    computes.
    """

    images: ScoredImages
    pipeline: MakePipeline
    on_boxes: bool = False
    """Whether the pipeline takes the boxes of the ground truth."""
    verbose: bool = False
    """Whether to print scores."""

    def run(self, network: nn.Module, rank: int, world: int, progress: Progress) -> list[dict[str, Any]]:
        """Return the detections in this process's share."""
        entries = map(entry, progress(self.images.sources[rank::world]))
        boxes = truth_boxes(self.images.truth) if self.on_boxes else None
        return evaluate_images(self.pipeline(network).batch, entries, boxes=boxes, progress=False).detections

    def score(self, parts: Sequence[list[dict[str, Any]]]) -> dict[str, float]:
        """Return COCO's ten numbers, AP first; those without ground truth are left out, or 0 for AP."""
        detections = [each for part in parts for each in part]
        image_ids = [image_id for image_id, _ in self.images.sources]
        numbers = coco_score(self.images.truth, detections, image_ids).as_dict()
        scores = {'AP': 0.0, **{name: value for name, value in numbers.items() if not math.isnan(value)}}
        if self.verbose:  # beside the bars that are shown
            tqdm.write('validation: ' + ', '.join(f'{name} {value:.3f}' for name, value in scores.items()))
        return scores

    def tag(self, name: str) -> str:
        """Return what COCO prints before a number, as the published logs have it."""
        return coco_label(name)


@dataclass(frozen=True, eq=False)
class MpiiValidation(Validation):
    """Scores a top-down network by PCKh."""

    mpii: MpiiPeople
    pipeline: MakePipeline

    def run(self, network: nn.Module, rank: int, world: int, progress: Progress) -> list[tuple[int, FloatArray]]:
        """Return index and keypoints (16, 2) of the persons in this process's share."""
        pipeline = self.pipeline(network)
        share = range(rank, len(self.mpii), world)
        return [(index, self.mpii.find(pipeline, index)) for index in progress(share)]

    def score(self, parts: Sequence[list[tuple[int, FloatArray]]]) -> dict[str, float]:
        """Return the published mean first; names are without `@`, which MLflow does not take."""
        scores = self.mpii.score(dict(each for part in parts for each in part))
        return {name.replace('@', '_'): value for name, value in scores.items()}

    def tag(self, name: str) -> str:
        """Return the published name."""
        return next((published for published in (MEAN, STRICT) if published.replace('@', '_') == name), name)


def pipeline_of(
    method: Method, options: Any, height: int, flip: bool = False, preprocessing: Preprocessing | None = None
) -> MakePipeline:
    """Return what makes the pipeline of a network in training, with the method's first decoder.

    `height` is the input height of networks that see whole images; the options of others declare the size of crops, and
    `flip` averages each crop with its mirror image. A `preprocessing` of None is the method's.
    """
    decoder = method.decoder(method.decoder_names()[0], **method.scoring)
    pixels = preprocessing or method.preprocessing

    def pipeline(network: nn.Module) -> Any:
        model = Model(method.output_channels, network=network, label='the network in training')
        backend = open_backend(model, BackendSettings('torch', str(next(network.parameters()).device)))
        if method.sees == 'person':
            return TopDown(backend, method, decoder, PersonNetwork(pixels, options.input_hw)).with_settings(flip=flip)
        return Pipeline(backend, method, decoder, pixels, height)

    return pipeline


def recipe_validation(recipe: PoseRecipe, method: Method) -> Validation | None:
    """Return the validation of a recipe, None if it has no validation images; raises SettingsError."""
    datasets, root = recipe.data.validation, Path(recipe.data.root)
    settings = recipe.validation
    pipeline = pipeline_of(method, method.options(recipe.network), settings.height, settings.flip)
    if any(dataset.kind == 'mpii' for dataset in datasets):
        return MpiiValidation(_mpii(recipe, method), pipeline)
    if not datasets:
        return None
    images = combined([_scored(dataset, root, settings.limit) for dataset in datasets])
    return CocoValidation(images, pipeline, on_boxes=method.sees == 'person')


def _mpii(recipe: PoseRecipe, method: Method) -> MpiiPeople:
    require_mpii(method)
    dataset, *others = recipe.data.validation
    if others or not dataset.head_boxes:
        raise SettingsError(
            'data.validation: PCKh needs one dataset, of kind mpii, with head_boxes, the published gt_valid.mat of MPII'
        )
    root = Path(recipe.data.root)
    paths = (root / dataset.images, root / dataset.annotations, root / dataset.head_boxes)
    return MpiiPeople.open(*paths, _least(recipe.validation.limit, dataset.limit))


def _scored(dataset: DatasetSettings, root: Path, limit: int) -> ScoredImages:
    """Return a dataset's images; those of COCO with the annotations as they are, crowds and all."""
    paths = coco_paths(dataset, root)
    images = dataset_images(open_dataset(dataset, root), limit) if paths is None else coco_images(*paths)
    return images.subset(_least(limit, dataset.limit))


def _least(*limits: int) -> int:
    """Return the least limit, of which 0 is none."""
    return min(filter(None, limits), default=0)
