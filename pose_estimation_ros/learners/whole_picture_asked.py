"""What the caller of a learner of Lightweight OpenPose asked for."""

from collections.abc import Mapping
from typing import Any

from pose_estimation_ros.inference.pipeline import check_height
from pose_estimation_ros.learners.settings import normalisation
from pose_estimation_ros.methods.lightweight_openpose.options import STRIDED, NetworkOptions
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.models.asked import Asked
from pose_estimation_ros.models.holder import ModelHolder

FIELD_OF_ARGUMENT = {
    'mobilenet_use_stride': 'use_stride',
    'img_mean': 'mean',
    'img_scale': 'scale',
}
"""Where a constructor's argument and the setting that it is for have different names."""


def whole_picture_holder(method: Method, arguments: Mapping[str, Any], given: frozenset[str]) -> ModelHolder:
    """Return an empty model for a constructor's arguments, of which the caller named those in `given`.

    Raises:
        SettingsError: There is no such network, or the height is none.

    """
    backbone, height = arguments['backbone'], arguments['base_height']
    options = NetworkOptions(
        backbone=backbone,
        use_stride=arguments['mobilenet_use_stride'] and _has_stride(backbone, given),
        mobilenetv2_width=arguments['mobilenetv2_width'],
        shufflenet_groups=arguments['shufflenet_groups'],
        num_refinement_stages=arguments['num_refinement_stages'],
        variant=arguments['variant'],
    )
    check_height(height)
    named = frozenset(FIELD_OF_ARGUMENT.get(argument, argument) for argument in given)
    return ModelHolder(method, Asked(options, height, normalisation(method.preprocessing, arguments), named))


def _has_stride(backbone: str, given: frozenset[str]) -> bool:
    """Whether the argument, whose published default is true, is meant for this backbone."""
    return backbone == 'mobilenet' or (backbone in STRIDED and 'mobilenet_use_stride' in given)
