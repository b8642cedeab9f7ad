"""What scores a recipe's network on the way: COCO's numbers of whole pictures or of persons, or PCKh."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.inference.top_down import PersonNetwork
from pose_estimation_ros.learners.mpii_validation import MpiiPeople, MpiiValidation
from pose_estimation_ros.learners.person_datasets import PersonValidation
from pose_estimation_ros.learners.validation import CocoValidation, recipe_pictures
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.training.recipe import Recipe

if TYPE_CHECKING:
    from pose_estimation_ros.training.validation import Validation


def recipe_validation(recipe: Recipe, method: Method) -> 'Validation | None':
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
    part = parts[0]
    if not part.head_boxes:
        raise SettingsError('data.validation: PCKh needs head_boxes, the published gt_valid.mat of MPII')
    limit = min(filter(None, (recipe.validation.limit, part.limit)), default=0)
    mpii = MpiiPeople.open(root / part.images, root / part.annotations, root / part.head_boxes, limit)
    return MpiiValidation(method, mpii, _network(recipe, method), recipe.validation.flip)


def _network(recipe: Recipe, method: Method) -> PersonNetwork:
    options: Any = method.options(recipe.network)
    return PersonNetwork(method.preprocessing, options.input_hw)
