"""Scores of a pose network in training: COCO's numbers or PCKh, as `evaluate` computes them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.evaluation.coco_score import coco_label, coco_score
from pose_estimation_ros.evaluation.ground_truth import truth_boxes
from pose_estimation_ros.evaluation.pckh import MEAN_NAME, STRICT_NAME, MpiiPeople, require_mpii
from pose_estimation_ros.evaluation.run import evaluate_images
from pose_estimation_ros.evaluation.scored_images import ScoredImages, coco_images, combined, dataset_images, entry
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.training.pose.datasets import coco_paths, open_dataset, training_dataset
from pose_estimation_ros.training.pose.inputs import INPUTS
from pose_estimation_ros.training.pose.recipe import PoseRecipe
from pose_estimation_ros.training.pose.task import Normalise, PoseData
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
        return next((published for published in (MEAN_NAME, STRICT_NAME) if published.replace('@', '_') == name), name)


@dataclass(frozen=True, eq=False)
class LossValidation(Validation):
    """Computes the loss of training on images without random changes."""

    data: PoseData
    normalise: Normalise
    limit: int = 0
    """Maximum number of images; 0 for all."""
    lower_is_better: bool = True

    def run(self, network: nn.Module, rank: int, world: int, progress: Progress) -> list[dict[str, float]]:
        """Return the parts of the loss of each image in this process's share."""
        device = next(network.parameters()).device
        normalise, count = self.normalise.to(device), min(len(self.data), self.limit or len(self.data))
        losses = []
        with torch.no_grad():
            for index in progress(range(rank, count, world)):
                image, arrays = self.data.item(index, np.random.default_rng(index))
                inputs, *targets = (torch.as_tensor(each).to(device)[None] for each in (image, *arrays))
                parts = self.data.objective.loss(network(normalise(inputs)), targets)
                losses.append({name: float(part) for name, part in parts.items()})
        return losses

    def score(self, parts: Sequence[list[dict[str, float]]]) -> dict[str, float]:
        """Return the mean loss, and the means of its parts."""
        losses = [each for part in parts for each in part]
        means = {name: sum(each[name] for each in losses) / len(losses) for name in losses[0]}
        return {'validation_loss': sum(means.values()), **{f'validation_{name}': mean for name, mean in means.items()}}


def pipeline_of(
    method: Method, options: Any, size: int | None, flip: bool = False, preprocessing: Preprocessing | None = None
) -> MakePipeline:
    """Return what makes the pipeline of a network in training, with the method's first decoder.

    `size` is as in `Method.input_hw`; a `preprocessing` of None is the method's.
    """
    decoder = method.decoder(method.decoder_names()[0], **method.scoring)
    pixels, input_hw = preprocessing or method.preprocessing, method.input_hw(options, size)

    def pipeline(network: nn.Module) -> Any:
        model = Model(method.output_channels, network=network, label='the network in training')
        backend = open_backend(model, BackendSettings('torch', str(next(network.parameters()).device)))
        return INPUTS[method.sees].pipeline(backend, method, decoder, pixels, input_hw).with_looks(flip=flip)

    return pipeline


def recipe_validation(recipe: PoseRecipe, method: Method) -> Validation | None:
    """Return the validation of a recipe, None if it has no validation images; raises SettingsError."""
    datasets, settings = recipe.data.validation, recipe.validation
    if not datasets:
        return None
    if settings.metric == 'loss':
        return _loss(recipe, method)
    pipeline = pipeline_of(method, method.options(recipe.network), settings.height, settings.flip)
    validated = next((VALIDATIONS[each.kind] for each in datasets if each.kind in VALIDATIONS), _coco)
    return validated(recipe, method, pipeline)


def _loss(recipe: PoseRecipe, method: Method) -> LossValidation:
    options = method.options(recipe.network)
    size = recipe.validation.height or recipe.transform.size
    data = PoseData(
        training_dataset(recipe.data.validation, recipe.data.root, method),
        method.augmentation(options, size, method.training.still),
        method.objective(options, **recipe.objective),
    )
    return LossValidation(data, Normalise(method.preprocessing), recipe.validation.limit)


def _coco(recipe: PoseRecipe, method: Method, pipeline: MakePipeline) -> CocoValidation:
    root, limit, parts = Path(recipe.data.root), recipe.validation.limit, []
    for dataset in recipe.data.validation:
        paths = coco_paths(dataset, root)  # their annotations are scored as they are, crowds and all
        images = dataset_images(open_dataset(dataset, root), limit) if paths is None else coco_images(*paths)
        parts.append(images.subset(_least(limit, dataset.limit)))
    return CocoValidation(combined(parts), pipeline, INPUTS[method.sees].on_boxes)


def _mpii(recipe: PoseRecipe, method: Method, pipeline: MakePipeline) -> MpiiValidation:
    require_mpii(method)
    dataset, *others = recipe.data.validation
    if others or not dataset.head_boxes:
        raise SettingsError(
            'data.validation: PCKh needs one dataset, of kind mpii, with head_boxes, the published gt_valid.mat of MPII'
        )
    root, limit = Path(recipe.data.root), _least(recipe.validation.limit, dataset.limit)
    people = MpiiPeople.open(root / dataset.images, root / dataset.annotations, root / dataset.head_boxes, limit)
    return MpiiValidation(people, pipeline)


VALIDATIONS: dict[str, Callable[[PoseRecipe, Method, MakePipeline], Validation]] = {'mpii': _mpii}
"""By the kind of a dataset, where it is scored otherwise than COCO's."""


def _least(*limits: int) -> int:
    """Return the least limit, of which 0 is none."""
    return min(filter(None, limits), default=0)
