"""What scores a recipe's network on the way: COCO's numbers of whole pictures or of persons, or PCKh."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.data.datasets.mpii import MpiiPersons, MpiiTruth, read_truth
from pose_estimation_ros.evaluation.pckh import head_sizes, pckh
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown
from pose_estimation_ros.learners.person_datasets import PersonValidation, network_in_training
from pose_estimation_ros.learners.validation import CocoValidation, recipe_pictures
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.training.recipe import Recipe
from pose_estimation_ros.training.sources import open_part
from pose_estimation_ros.training.validation import Validation

MEAN = 'PCKh@0.5'
STRICT = 'PCKh@0.1'


@dataclass(frozen=True, eq=False)
class MpiiValidation:
    """Scores a network in training by PCKh on MPII's persons, each in their own annotated box."""

    method: Method
    people: MpiiPersons
    truth: MpiiTruth
    network: PersonNetwork
    flip: bool = False
    limit: int = 0
    """The first so many persons; 0 for all."""

    def __len__(self) -> int:
        return min(self.limit or len(self.people), len(self.people))

    def run(self, network: Any, rank: int, world: int) -> list[tuple[int, FloatArray]]:
        """Return number and keypoints (16, 2) of the persons in this process's share."""
        pipeline = network_in_training(network, self.method, self.network, self.flip)
        return [(index, self.find(pipeline, index)) for index in range(rank, len(self), world)]

    def find(self, pipeline: TopDown, index: int) -> FloatArray:
        """Return where a pipeline finds a person's joints (16, 2), NaN where it does not."""
        sample = self.people.sample(index)
        poses = pipeline(sample.image, Boxes.sure(sample.boxes)).poses
        return poses[0].keypoints[:, :2].astype(float) if poses else np.full((len(MPII_16), 2), np.nan)

    def score(self, parts: Sequence[list[tuple[int, FloatArray]]]) -> dict[str, float]:
        """Return the published mean, the strict one, and each joint's share, in percent."""
        found = dict(each for part in parts for each in part)
        chosen = sorted(found)
        truth = self.truth
        sizes = head_sizes(truth.head_boxes[chosen])
        predicted = np.array([found[index] for index in chosen])
        score = pckh(predicted, truth.joints[chosen], truth.visible[chosen] > 0, sizes)
        joints = dict(zip(score.skeleton.keypoints, score.joints.tolist(), strict=True))
        numbers = {MEAN: score.mean, STRICT: score.mean_strict, **joints}
        return {name: value for name, value in numbers.items() if np.isfinite(value)}


def recipe_validation(recipe: Recipe, method: Method) -> Validation | None:
    """Return what scores a recipe's network, None where it names no pictures; raises SettingsError."""
    parts = recipe.data.validation
    if any(part.kind == 'mpii' for part in parts):
        return _mpii(recipe, method)
    pictures = recipe_pictures(recipe)
    if pictures is None:
        return None
    if method.sees == 'picture':
        return CocoValidation(method, pictures, recipe.validation.height)
    return PersonValidation(method, pictures, _network(recipe, method), recipe.validation.flip)


def _mpii(recipe: Recipe, method: Method) -> MpiiValidation:
    parts, root = recipe.data.validation, Path(recipe.data.root)
    if len(parts) != 1 or method.sees != 'person' or method.skeleton is not MPII_16:
        raise SettingsError('data.validation: a part of the kind mpii stands alone, for a method of persons in MPII_16')
    people = open_part(parts[0], root)
    if not parts[0].head_boxes:
        raise SettingsError('data.validation: PCKh needs head_boxes, the published gt_valid.mat of MPII')
    truth = read_truth(root / parts[0].head_boxes)
    if not isinstance(people, MpiiPersons) or len(truth.joints) != len(people):
        raise SettingsError(
            f'data.validation: {parts[0].head_boxes} is of {len(truth.joints)} persons, {parts[0].annotations} of'
            f' {len(people)}; validation.limit takes fewer'
        )
    network = _network(recipe, method)
    return MpiiValidation(method, people, truth, network, recipe.validation.flip, recipe.validation.limit)


def _network(recipe: Recipe, method: Method) -> PersonNetwork:
    options: Any = method.options(recipe.network)
    return PersonNetwork(method.preprocessing, options.input_hw)
