"""Learners by the name of their method."""

import inspect
from collections.abc import Mapping
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.learners.high_resolution import HighResolutionPoseEstimationLearner
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.learners.simple_baseline import SimpleBaselineLearner

LEARNERS: dict[str, type[Learner]] = {
    'lightweight_openpose': LightweightOpenPoseLearner,
    'high_resolution': HighResolutionPoseEstimationLearner,
    'simple_baseline': SimpleBaselineLearner,
}


def create_learner(method: str, **options: Any) -> Learner:
    """Return the learner of a method; options are those of its constructor, None meaning its default."""
    given = given_options(method, options)
    return LEARNERS[method](**given)


def given_options(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that are not None; raises SettingsError for one that the method's learner does not have."""
    if method not in LEARNERS:
        raise SettingsError(f'method must be one of {", ".join(LEARNERS)}, got {method!r}')
    given = {name: value for name, value in options.items() if value is not None}
    unknown = given.keys() - inspect.signature(LEARNERS[method]).parameters.keys()
    if unknown:
        raise SettingsError(f'{method} has no option {", ".join(sorted(unknown))}')
    return given


def usual_decoding(method: str) -> str:
    """Return the name of the decoding that a method's learner has unless another is asked for."""
    return str(inspect.signature(LEARNERS[method]).parameters['decode'].default)


def takes(method: str, option: str) -> bool:
    """Whether a method's learner has an option."""
    return method in LEARNERS and option in inspect.signature(LEARNERS[method]).parameters
