"""From a recipe to the task of training a classifier, and from the trained network to a saved model."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from pose_estimation_ros.backbones.hrnet_classifier import HRNetClassifier, build_classifier
from pose_estimation_ros.backbones.hrnet_weights import fit_classifier, load_trunk, read_classifier
from pose_estimation_ros.backbones.weights_file import read_state_dict
from pose_estimation_ros.classification.labels import Label, read_labels
from pose_estimation_ros.data.datasets.class_folders import class_folders
from pose_estimation_ros.models.classifier import save_classifier, trained_classifier
from pose_estimation_ros.models.folder import checkpoint_in
from pose_estimation_ros.training.classification.images import CroppedImages
from pose_estimation_ros.training.classification.recipe import ClassificationRecipe
from pose_estimation_ros.training.classification.task import ClassificationTask
from pose_estimation_ros.training.classification.validation import ErrorValidation
from pose_estimation_ros.training.settings import StartSettings
from pose_estimation_ros.training.task import Task


def make_task(recipe: ClassificationRecipe, resumed: bool = False, alone: bool = True) -> tuple[Task, str]:
    """Return a recipe's task and a description of its initial weights; see tasks.Builder."""
    labels = _labels(recipe)
    data = CroppedImages(_images(recipe, recipe.data.train, labels), recipe.transform)
    validation = None
    if recipe.data.validation:
        images = _images(recipe, recipe.data.validation, labels)
        validation = ErrorValidation(_spaced(images, recipe.data.validation_limit), recipe.validation)
    options = recipe.network.options(len(labels))
    torch.manual_seed(recipe.seed)
    network = build_classifier(options.width, options.classes, options.stem_width)
    weights = 'from the checkpoint' if resumed else load_start(network, recipe.start)
    parameters = {**asdict(recipe), 'network': options.to_dict()}
    return ClassificationTask(network, data, [each.name for each in labels], validation, parameters), weights


def load_start(network: HRNetClassifier, start: StartSettings) -> str:
    """Load the initial weights, a backbone's trunk or all of a classifier, and return a description of them."""
    if not (start.backbone or start.checkpoint):
        return 'random weights'
    path = checkpoint_in(Path(start.backbone or start.checkpoint))
    state_dict = read_state_dict(path)
    if start.backbone:
        return load_trunk(network, state_dict, str(path))
    return fit_classifier(network, read_classifier(state_dict, str(path))[0], str(path))


def summary(recipe: ClassificationRecipe) -> dict[str, str]:
    """Return the summary of a recipe to print before training."""
    side, tested = recipe.transform.size, recipe.validation
    options = recipe.network.options()
    return {
        'classifier': options.backbone,
        'inputs': f'{side} pixels, {tested.side} of {tested.input_size} in validation',
    }


def save_model(recipe: ClassificationRecipe, network: HRNetClassifier, folder: Path) -> None:
    """Save a trained network, with the names of its classes, as a folder that `classify` and the learner load."""
    labels = tuple(each.name for each in _labels(recipe))
    options = recipe.network.options(network.classifier.out_features)
    save_classifier(
        replace(trained_classifier(network, options), labels=labels, named=True, input=recipe.validation), folder
    )


def _labels(recipe: ClassificationRecipe) -> tuple[Label, ...]:
    return read_labels(Path(recipe.data.root, recipe.data.labels))


def _images(recipe: ClassificationRecipe, folder: str, labels: tuple[Label, ...]) -> list[tuple[Path, int]]:
    return class_folders(Path(recipe.data.root, folder), [label.wnid for label in labels])


def _spaced(images: list[tuple[Path, int]], limit: int) -> list[tuple[Path, int]]:
    if not limit or limit >= len(images):
        return images
    return [images[index] for index in np.linspace(0, len(images) - 1, limit).round().astype(int)]
