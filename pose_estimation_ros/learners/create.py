"""Learners by the name of their system."""

import inspect
from collections.abc import Mapping
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.methods.systems import find_system


def create_learner(method: str, **options: Any) -> Learner:
    """Return the learner of a system; options are those of its constructor, None meaning its default."""
    given = given_options(method, options)
    learner: Learner = find_system(method).learner_class()(**given)
    return learner


def given_options(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that are not None; raises SettingsError for one that the system's learner does not have."""
    known = _parameters(method)
    given = {name: value for name, value in options.items() if value is not None}
    unknown = given.keys() - known.keys()
    if unknown:
        raise SettingsError(f'{method} has no option {", ".join(sorted(unknown))}')
    return given


def _parameters(method: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(find_system(method).learner_class()).parameters
