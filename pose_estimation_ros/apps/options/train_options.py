"""A recipe's fields as options of the command line, explained by the words beside them in the code."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any, get_type_hints

from pose_estimation_ros.training.recipe import Recipe


def add_recipe(parser: Any) -> None:
    """Add an option for each field, such as --trainer.max_epochs."""
    parser.add_class_arguments(Recipe)
    told = dict(_explained(Recipe, ''))
    for action in parser._actions:
        if action.dest in told:
            action.help = told[action.dest]
    for group in parser._action_groups:
        nested = {action.dest.partition('.')[0] for action in group._group_actions if '.' in action.dest}
        if 'pose_estimation_ros' in str(group.title):
            group.title = f'recipe: {", ".join(sorted(nested)) or "the rest"}'


def _explained(kind: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted name of each field, and of those of the dataclasses in it, with what is said of it."""
    said = _attribute_docstrings(kind)
    hints = get_type_hints(kind)
    for field in fields(kind):
        if is_dataclass(hints[field.name]):
            yield from _explained(hints[field.name], f'{prefix}{field.name}.')
        elif field.name in said:
            yield f'{prefix}{field.name}', said[field.name].replace('%', '%%')


def _attribute_docstrings(kind: Any) -> dict[str, str]:
    """Return the strings that stand below the fields in a class's source, on one line each."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # type: ignore[attr-defined]
    found = {}
    for statement, following in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            text = getattr(following.value, 'value', '')
            found[ast.unparse(statement.target)] = ' '.join(str(text).split())
    return found
