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
    """Add the option; `what` names the results."""
    parser.add_argument(
        '--json', type=Path | None, metavar='FILE',
        help=f'JSON file of {what}; - prints the JSON to standard output and everything else to standard error.',
    )  # fmt: skip


@contextlib.contextmanager
def stdout_for_json(file: Path | None) -> Iterator[TextIO | None]:
    """Yield standard output if JSON goes there, otherwise None; everything else is printed to standard error then."""
    if file != STDOUT:
        yield None
        return
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        yield stdout


@contextlib.contextmanager
def json_results(file: Path | None, indent: int = 1) -> Iterator[Write]:
    """Yield a function that writes the results as JSON to the file or to standard output."""

    def write(results: Any) -> None:
        if stdout:
            say(json.dumps(results, allow_nan=False), file=stdout)
        elif file:
            write_json(file, results, indent=indent)

    with stdout_for_json(file) as stdout:
        yield write
