"""Command-line parsing with errors of one sentence, and printing that survives whoever reads it."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TextIO, get_args, get_origin

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from pose_estimation_ros.core.errors import OutputError

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
    'str': 'text',
}

METAVARS = {int: 'N', float: 'X', Path: 'PATH'}

WRONG_VALUES = [
    re.compile(rf'Parser key "(?P<key>[\w.]+)"(?: element \d+)?:{rest}')
    for rest in (
        '.*(?:Given|Got) value: (?P<value>.*?)(?: Subclass types expect .*)?$',
        r' Not of type \w+: (?P<value>.*) does not conform',
        r" Not of type \w+: .*: '(?P<value>.*)'",
    )
]
"""The parser's own words for a value of the wrong type."""


class HelpFormatter(DefaultHelpFormatter):
    """Help as of argparse: names of values, the text, and defaults that say something; no types of Python."""

    def start_section(self, heading: str | None) -> None:
        """Begin a group of options; one of an element of a list is called as users call the element."""
        element = re.fullmatch(r"<class '.*\.(\w+)'>", heading or '')
        super().start_section(f'of a {_noun(element[1])}' if element else heading)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ''
        if isinstance(action, argparse._HelpAction):
            return super()._get_help_string(action)
        remark = 'default: %(default)s'
        if action.required:
            remark = 'required' if action.option_strings else ''
        elif action.nargs == 0 or action.default in (None, '', argparse.SUPPRESS, [], (), {}):
            remark = ''
        elif isinstance(action.default, bool):
            remark = f'default: {action.default}'.lower()
        if not remark:
            return text
        return f'{text[:-1]}; {remark}]' if text.endswith(']') else f'{text} [{remark}]'

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        hint = getattr(action, '_typehint', None)
        kind = next((part for part in get_args(hint) if get_origin(hint) is not Literal), hint)  # of `kind | None`
        if get_origin(kind) is Literal:
            return f'{{{",".join(map(str, get_args(kind)))}}}'
        metavars = [name for known, name in METAVARS.items() if isinstance(kind, type) and issubclass(kind, known)]
        return metavars[0] if metavars else super()._get_default_metavar_for_optional(action)


class Parser(ArgumentParser):
    """A parser whose errors fit on a line: what is wrong, and where help is."""

    given: Sequence[str] = ()
    """Arguments that the user typed, for commands whose options depend on them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{'formatter_class': HelpFormatter, **options})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print one sentence on stderr and leave with exit code 2."""
        sentence = ' '.join(str(ex or message).split())
        if missing := re.match(r'the following arguments are required: (?:(\w+)\.)?(\w+)', sentence):
            owner = self._commands()[missing[1]] if missing[1] else self
            sentence = f'{owner._called(missing[2])} is missing'
        if sentence.startswith('expected "command"'):
            sentence = f'a command is missing: one of {", ".join(self._commands())}'
        unknown = re.fullmatch(r"Option '(\w+)' is not accepted", sentence)
        if unknown and self._element():
            names = [action.dest for action in self._actions if action.dest != 'help']
            near = difflib.get_close_matches(unknown[1], names, 1)
            meant = f', did you mean {near[0]}?' if near else ';'
            sentence = f'a {self._element()} has no {unknown[1]}{meant} it has {", ".join(names)}'
        wrong = next(filter(None, (pattern.match(sentence) for pattern in WRONG_VALUES)), None)
        if wrong:
            hints = [getattr(action, '_typehint', None) for action in self._actions if action.dest == wrong['key']]
            expected = described(hints[0]) if hints and hints[0] else 'something else'
            sentence = f'{self._called(wrong["key"])} must be {expected}, got {wrong["value"]!r}'
        print(f'{PROGRAM}: {sentence} (try --help)', file=sys.stderr)
        raise SystemExit(BAD_INPUT)

    def add_class_arguments(
        self, class_type: Any, nested_key: str | None = None, *args: Any, **options: Any
    ) -> list[str]:
        """Add an option for each argument of a class; settings among them have their text as help."""
        added: list[str] = super().add_class_arguments(class_type, nested_key, *args, **options)
        texts = dict(_texts(class_type, f'{nested_key}.' if nested_key else '')) if is_dataclass(class_type) else {}
        for action in self._actions:
            if action.dest in texts:
                action.help = texts[action.dest].replace('%', '%%')
        return added

    def _element(self) -> str:
        """Return the name of the list element that this parser reads, '' for a command."""
        kinds = (re.search(r"\.(\w+)'>$", str(group.title)) for group in self._action_groups)
        found = next(filter(None, kinds), None)
        return _noun(found[1]) if found and getattr(self, '_inner_parser', False) else ''

    def _called(self, key: str) -> str:
        """Return an argument's name for errors: --option, or the metavar of a positional one."""
        if self._element():
            return f"a {self._element()}'s {key}"
        placed = [action for action in self._actions if action.dest == key and not action.option_strings]
        if not placed:
            return f'--{key}' if '.' in key else f'--{key.replace("_", "-")}'  # recipes' fields keep their names
        name = str(placed[0].metavar or '{')
        return key.upper() if name.startswith('{') else name  # {...} lists the choices

    def _commands(self) -> dict[str, 'Parser']:
        action = self._subcommands_action
        return {} if action is None else dict(action._name_parser_map)


def _texts(kind: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the text of each setting, those of nested dataclasses included."""
    for field in fields(kind):
        if is_dataclass(field.type):
            yield from _texts(field.type, f'{prefix}{field.name}.')
        elif 'setting' in field.metadata:
            yield f'{prefix}{field.name}', field.metadata['setting'].text


def _noun(kind: str) -> str:
    """Return what users call the values of a class of settings, such as dataset for DatasetSettings."""
    return kind.removesuffix('Settings').lower()


def described(hint: Any) -> str:
    """Return a type in words."""
    if get_origin(hint) is Literal:
        return f'one of {", ".join(map(str, get_args(hint)))}'
    if is_dataclass(hint):
        return f'a {_noun(hint.__name__)} with its fields'  # type: ignore[union-attr]
    parts = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is list and is_dataclass(parts[0]):
        return f'a list, each {described(parts[0])}'
    if get_origin(hint) is tuple and Ellipsis not in parts:
        return f'[{", ".join(map(described, parts))}]'
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


def say(text: str, end: str = '\n', file: TextIO | None = None) -> None:
    """Print; results are written all the same when whoever read our output has left (`... | head`)."""
    stream = file or sys.stdout
    try:
        print(text, end=end, flush=True, file=stream)
    except OSError as error:
        # Or Python would complain at its end, when it tries again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OutputError(f'cannot write to standard output: {error.strerror}') from error


def replace_closed_streams() -> None:
    """Redirect streams closed from the start (`>&-`) to /dev/null, so that no file opened later gets their number."""
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open('w'))  # noqa: SIM115


def add_flag(parser: Any, name: str, help: str) -> None:
    """Add a flag, off by default."""
    parser.add_argument(name, action='store_true', help=help)
