"""Learners by the name of their system."""

import inspect
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.methods.systems import find_system


def create_learner(method: str, **options: Any) -> Learner:
    """Return the learner of a system; options are its constructor arguments, None for the default.

    Raises:
        SettingsError: The system is unknown, or its learner does not have an option.

    """
    kind = find_system(method).learner_class()
    given = {name: value for name, value in options.items() if value is not None}
    unknown = given.keys() - inspect.signature(kind).parameters.keys()
    if unknown:
        raise SettingsError(f'{method} has no option {", ".join(sorted(unknown))}')
    learner: Learner = kind(**given)
    return learner
