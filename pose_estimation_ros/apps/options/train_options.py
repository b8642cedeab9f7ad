"""A recipe's fields as options of the command line, with the help texts of its settings."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from pose_estimation_ros.training.recipe import Recipe


def add_recipe(parser: Any, recipe: type[Recipe]) -> None:
    """Add an option for each field of a task's recipes, such as --trainer.max_epochs."""
    parser.add_class_arguments(recipe)
    texts = dict(_texts(recipe, ''))
    for action in parser._actions:
        if action.dest in texts:
            action.help = texts[action.dest].replace('%', '%%')
    for group in parser._action_groups:
        nested = {action.dest.partition('.')[0] for action in group._group_actions if '.' in action.dest}
        if 'pose_estimation_ros' in str(group.title):
            group.title = f'recipe: {", ".join(sorted(nested)) or "the rest"}'


def recipe_fields(recipe: type[Recipe]) -> list[str]:
    """Return the names of the fields of a task's recipes."""
    return [field.name for field in fields(recipe)]


def _texts(kind: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the text of each setting, those of nested dataclasses included."""
    for field in fields(kind):
        if is_dataclass(field.type):
            yield from _texts(field.type, f'{prefix}{field.name}.')
        elif 'setting' in field.metadata:
            yield f'{prefix}{field.name}', field.metadata['setting'].text
