"""A recipe's fields as options of the command line, explained by the words beside them in the code."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any, get_type_hints

from pose_estimation_ros.training.recipe import Recipe


def add_recipe(parser: Any, recipe: type[Recipe]) -> None:
    """Add an option for each field of a task's recipes, such as --trainer.max_epochs."""
    parser.add_class_arguments(recipe)
    texts = dict(_explained(recipe, ''))
    for action in parser._actions:
        if action.dest in texts:
            action.help = texts[action.dest]
    for group in parser._action_groups:
        nested = {action.dest.partition('.')[0] for action in group._group_actions if '.' in action.dest}
        if 'pose_estimation_ros' in str(group.title):
            group.title = f'recipe: {", ".join(sorted(nested)) or "the rest"}'


def recipe_fields(recipe: type[Recipe]) -> list[str]:
    """Return the names of the fields of a task's recipes."""
    return [field.name for field in fields(recipe)]


def _explained(kind: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted name of each field, and of those of the dataclasses in it, with its docstring."""
    texts = {name: text for base in reversed(kind.__mro__[:-1]) for name, text in _attribute_docstrings(base).items()}
    hints = get_type_hints(kind)
    for field in fields(kind):
        if is_dataclass(hints[field.name]):
            yield from _explained(hints[field.name], f'{prefix}{field.name}.')
        elif field.name in texts:
            yield f'{prefix}{field.name}', texts[field.name].replace('%', '%%')


def _attribute_docstrings(kind: Any) -> dict[str, str]:
    """Return the strings that stand below the fields in a class's source, on one line each."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # type: ignore[attr-defined]
    found = {}
    for statement, following in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            text = getattr(following.value, 'value', '')
            found[ast.unparse(statement.target)] = ' '.join(str(text).split())
    return found
