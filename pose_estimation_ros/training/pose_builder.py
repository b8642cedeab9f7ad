"""From a recipe to the task of training a pose network, and from the trained network to a saved model.

Beside `pose/` because it also builds teachers, and `distillation/` imports `pose/`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.methods.systems import find_method
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.folder import checkpoint_in
from pose_estimation_ros.models.store import ModelStore
from pose_estimation_ros.training.distillation.features import FeatureDistillation
from pose_estimation_ros.training.distillation.teacher import open_feature_teacher, teacher_data
from pose_estimation_ros.training.pose.datasets import colour_changes, make_transform, training_dataset
from pose_estimation_ros.training.pose.recipe import PoseRecipe
from pose_estimation_ros.training.pose.task import PoseData, PoseTask
from pose_estimation_ros.training.pose.validation import recipe_validation
from pose_estimation_ros.training.settings import StartSettings
from pose_estimation_ros.training.task import Task


def make_task(recipe: PoseRecipe, resumed: bool = False, alone: bool = True) -> tuple[Task, str]:
    """Return a recipe's task and a description of its initial weights; see tasks.Builder."""
    method = find_method(recipe.method)
    options = method.options(recipe.network)
    transform = make_transform(recipe, method, options, colour_changes(recipe.transform))
    objective = method.objective(options, **recipe.objective)
    data = PoseData(training_dataset(recipe.data.train, recipe.data.root, method), transform, objective)
    torch.manual_seed(recipe.seed)
    network = method.network(options)
    weights = 'from the checkpoint' if resumed else load_start(method, network, recipe.start)
    validation = recipe_validation(recipe, method)  # fails now, not after hours of computing teacher maps
    if recipe.teacher.weights:
        with torch.random.fork_rng(devices=[]):  # else training would depend on whether teacher maps are already cached
            data = teacher_data(data, method, recipe, alone)
    parameters = {**asdict(recipe), 'network': options.to_dict()}
    task = PoseTask(method, network, data, validation=validation, parameters=parameters)
    if not recipe.teacher.network:
        return task, weights
    teacher = open_feature_teacher(method, Path(recipe.teacher.network))
    return FeatureDistillation(task, teacher, recipe.teacher.features, recipe.teacher.features_weight), weights


def load_start(method: Method, network: nn.Module, start: StartSettings) -> str:
    """Load the initial weights and return a description of them."""
    if start.backbone:
        return method.load_backbone(network, checkpoint_in(Path(start.backbone)))
    if start.checkpoint:
        path = checkpoint_in(Path(start.checkpoint))
        state_dict, _ = method.read_checkpoint(path)
        return method.fit_weights(network, state_dict, str(path), new_parts=start.new_parts)
    return 'random weights'


def summary(recipe: PoseRecipe) -> dict[str, str]:
    """Return the summary of a recipe to print before training."""
    teacher = recipe.teacher
    features = {'features': f'{", ".join(teacher.features)} of {teacher.network}'} if teacher.network else {}
    return {'method': recipe.method, **features}


def save_model(recipe: PoseRecipe, network: nn.Module, folder: Path) -> None:
    """Save a trained network as a folder that every command and learner loads."""
    method = find_method(recipe.method)
    options: Any = method.options(recipe.network)
    height = method.input_hw(options, recipe.validation.height)[0]
    model = ModelStore(ModelArguments(method, options, height, method.preprocessing))
    model.adopt(network)
    model.save(folder)
