"""Command-line parsing with errors of one sentence."""

import os
import re
import sys
from typing import Any, Literal, NoReturn, get_args, get_origin

from jsonargparse import ArgumentParser

PROGRAM = 'pose_estimation'
BAD_INPUT = 2
INTERRUPTED = 130

TYPES_IN_WORDS = {
    'PositiveInt': 'a whole number above 0',
    'NonNegativeInt': 'a whole number, 0 or more',
    'PositiveFloat': 'a number above 0',
    'NonNegativeFloat': 'a number, 0 or more',
    'ClosedUnitInterval': 'a number from 0 to 1',
    'int': 'a whole number',
    'float': 'a number',
    'str': 'a text',
}


class Parser(ArgumentParser):
    """A parser whose errors fit on a line: what is wrong, and where help is."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print one sentence on stderr and leave with exit code 2."""
        sentence = ' '.join(str(ex or message).split())
        wrong = re.match(r'Parser key "(?P<key>\w+)":.*(?:Given|Got) value: (?P<value>.*)', sentence)
        if wrong:
            sentence = (
                f'--{wrong["key"].replace("_", "-")} must be {self._expected(wrong["key"])}, got {wrong["value"]!r}'
            )
        print(f'{PROGRAM}: {sentence} (try --help)', file=sys.stderr)
        raise SystemExit(BAD_INPUT)

    def _expected(self, key: str) -> str:
        """Say in words what an option takes."""
        hints = [action._typehint for action in self._actions if action.dest == key and hasattr(action, '_typehint')]
        return described(hints[0]) if hints else 'something else'


def described(hint: Any) -> str:
    """Return a type in words."""
    if get_origin(hint) is Literal:
        return f'one of {", ".join(map(str, get_args(hint)))}'
    parts = [part for part in get_args(hint) if part is not type(None)]
    if parts:
        return ' or '.join(described(part) for part in parts)
    name = getattr(hint, '__name__', str(hint))
    return TYPES_IN_WORDS.get(name, name)


def text_of(error: BaseException) -> str:
    """Return an error's message on one line."""
    return ' '.join(str(error).split()) or type(error).__name__


def complain(error: BaseException) -> None:
    """Print one sentence about a failure on stderr."""
    print(f'{PROGRAM}: {text_of(error)}', file=sys.stderr)


def close_broken_stdout() -> None:
    """Keep Python from complaining when whoever read our output has left (`... | head`)."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def add_flag(parser: Any, name: str, help: str) -> None:
    """Add a switch that is off unless named."""
    parser.add_argument(name, action='store_true', help=help)
