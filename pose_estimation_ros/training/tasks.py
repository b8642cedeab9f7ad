"""The kinds of tasks that recipes name. To add one, write its recipe and its builder and name them here."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.training.settings import Recipe

if TYPE_CHECKING:
    from pose_estimation_ros.training.task import Task


class Builder(Protocol):
    """What turns a recipe into a task and a trained network into a model; a module with these functions is one."""

    def make_task(self, recipe: Any, resumed: bool, alone: bool) -> 'tuple[Task, str]':
        """Return the task, and a sentence on the weights that training starts from.

        With `resumed` the weights will be those of a checkpoint, and files of the start are not read. `alone` says that
        no other process runs the same recipe. Raises SettingsError or WeightsError.
        """

    def summary(self, recipe: Any) -> Mapping[str, str]:
        """Return what to print of the recipe before training, by name."""

    def save_model(self, recipe: Any, network: Any, folder: Path) -> None:
        """Save a trained network as a folder that commands and learners load."""


@dataclass(frozen=True)
class TaskKind:
    """Where recipe and builder of a task are; both are imported when needed, the builder with torch."""

    recipe: str
    """'module:Class', a subclass of Recipe."""
    builder: str
    """Name of the module, or 'module:object'."""

    def recipe_class(self) -> type[Recipe]:
        """Import and return the class of the task's recipes."""
        return pkgutil.resolve_name(self.recipe)  # type: ignore[no-any-return]

    def open_builder(self) -> Builder:
        """Import and return the task's builder."""
        return pkgutil.resolve_name(self.builder)  # type: ignore[no-any-return]


TASKS: dict[str, TaskKind] = {
    'pose': TaskKind(
        recipe='pose_estimation_ros.training.pose.recipe:PoseRecipe',
        builder='pose_estimation_ros.training.pose_builder',
    ),
    'classification': TaskKind(
        recipe='pose_estimation_ros.training.classification.recipe:ClassificationRecipe',
        builder='pose_estimation_ros.training.classification.builder',
    ),
}
"""By the recipe's `task`."""


def find_task(name: str) -> TaskKind:
    """Return a kind of task by its name; raises SettingsError naming those there are."""
    if name not in TASKS:
        raise SettingsError(f'task must be one of {", ".join(TASKS)}, got {name!r}')
    return TASKS[name]
