"""What a recipe's training starts from: network, weights, objective and pictures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.methods.systems import METHODS
from pose_estimation_ros.training.parts import Subject
from pose_estimation_ros.training.recipe import Recipe, StartSettings
from pose_estimation_ros.training.sources import make_transform, training_pictures


def method_of(recipe: Recipe) -> Method:
    """Return the recipe's method; raises SettingsError naming those there are."""
    if recipe.method not in METHODS:
        raise SettingsError(f'method must be one of {", ".join(METHODS)}, got {recipe.method!r}')
    return METHODS[recipe.method]


def make_subject(recipe: Recipe) -> tuple[Subject, str]:
    """Return what the recipe trains and a sentence on the weights that it starts from.

    Raises:
        SettingsError: Something of the recipe does not exist.
        WeightsError: The start's file cannot be read or is of another network.

    """
    method = method_of(recipe)
    options = method.options(recipe.network)
    transform = make_transform(recipe.transform, method, options)
    objective = method.objective(options, **recipe.objective)
    pictures = training_pictures(recipe.data, method)
    torch.manual_seed(recipe.seed)
    network = method.network(options)
    told = load_start(method, network, recipe.start)
    return Subject(method, network, objective, pictures, transform), told


def load_start(method: Method, network: Any, start: StartSettings) -> str:
    """Load the weights that a training starts from and return a sentence on them."""
    if start.backbone:
        return method.load_backbone(network, Path(start.backbone))
    if start.checkpoint:
        path = Path(start.checkpoint)
        state_dict, _ = method.read_checkpoint(path)
        return method.fit_weights(network, state_dict, str(path), new_parts=start.new_parts)
    return 'random weights'


def without_start(recipe: Recipe) -> Recipe:
    """Return the recipe without its start's files, for going on from a checkpoint of its own."""
    return replace(recipe, start=replace(recipe.start, backbone='', checkpoint=''))
