"""What a recipe's training starts from: network, weights, objective and pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.methods.systems import find_method
from pose_estimation_ros.training.parts import Subject
from pose_estimation_ros.training.recipe import Recipe, StartSettings
from pose_estimation_ros.training.sources import make_transform, training_pictures


def method_of(recipe: Recipe) -> Method:
    """Return the recipe's method; raises SettingsError naming those there are."""
    return find_method(recipe.method)


def make_subject(recipe: Recipe, resumed: bool = False) -> tuple[Subject, str]:
    """Return what the recipe trains and a sentence on the weights that it starts from.

    Args:
        recipe: What is to be trained.
        resumed: Whether the weights will be those of a checkpoint of the training; the start's files are not read.

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
    told = 'those of a checkpoint' if resumed else load_start(method, network, recipe.start)
    parameters = {**asdict(recipe), 'network': options.to_dict()}
    return Subject(method, network, objective, pictures, transform, parameters=parameters), told


def load_start(method: Method, network: Any, start: StartSettings) -> str:
    """Load the weights that a training starts from and return a sentence on them."""
    if start.backbone:
        return method.load_backbone(network, Path(start.backbone))
    if start.checkpoint:
        path = Path(start.checkpoint)
        state_dict, _ = method.read_checkpoint(path)
        return method.fit_weights(network, state_dict, str(path), new_parts=start.new_parts)
    return 'random weights'
