"""`--json`: results for programs, in a file or alone on standard output."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from pose_estimation_ros.apps.options.parser import say
from pose_estimation_ros.core.files import STDOUT, write_json

Write = Callable[[Any], None]


def add_json_option(parser: Any, what: str) -> None:
    """Add the option; `what` goes to the file."""
    parser.add_argument(
        '--json', type=Path | None, metavar='FILE',
        help=f'File for {what}, for programs to read; - is standard output, and all else goes to standard error then.',
    )  # fmt: skip


@contextlib.contextmanager
def stdout_for_json(file: Path | None) -> Iterator[TextIO | None]:
    """Yield standard output where JSON goes there, None otherwise; what is printed meanwhile goes to standard error."""
    if file != STDOUT:
        yield None
        return
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        yield stdout


@contextlib.contextmanager
def json_results(file: Path | None, indent: int = 1) -> Iterator[Write]:
    """Yield what writes results down where they are wanted; whatever else is printed leaves JSON alone."""

    def write(results: Any) -> None:
        if stdout:
            say(json.dumps(results, allow_nan=False), file=stdout)
        elif file:
            write_json(file, results, indent=indent)

    with stdout_for_json(file) as stdout:
        yield write
