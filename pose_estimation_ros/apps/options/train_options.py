"""A recipe's fields as options of the command line, with the help texts of its settings."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from pose_estimation_ros.training.recipe import Recipe


def add_recipe(parser: Any, recipe: type[Recipe], named: Callable[[str], str | None]) -> None:
    """Add an option for each field of a task's recipes, such as --trainer.max_epochs.

    `named` returns the given value of a field that decides on defaults.
    """
    parser.add_class_arguments(recipe)
    parser.set_defaults(recipe.defaults(named))
    for group in parser._action_groups:
        nested = {action.dest.partition('.')[0] for action in group._group_actions if '.' in action.dest}
        if 'pose_estimation_ros' in str(group.title):
            group.title = f'recipe: {", ".join(sorted(nested)) or "the rest"}'


def recipe_fields(recipe: type[Recipe]) -> list[str]:
    """Return the names of the fields of a task's recipes."""
    return [field.name for field in fields(recipe)]
