"""The command line: one parser, one module per command, error handling."""

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import cv2
from jsonargparse import Namespace
from tqdm import tqdm

from pose_estimation_ros.apps.options.parser import (
    BAD_INPUT,
    INTERRUPTED,
    PROGRAM,
    Parser,
    complain,
    replace_closed_streams,
    say,
)
from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError
from pose_estimation_ros.core.interrupt import clean_up_on_sigterm
from pose_estimation_ros.core.packages import missing_package

COMMANDS = {
    'infer': 'find people in images, folders, videos or a camera',
    'evaluate': 'score a model, or a file of detections, on a COCO or MPII dataset',
    'export': 'export weights as an ONNX model in fp32, fp16 or int8',
    'benchmark': 'measure every stage of the pipeline, beside the published demo',
    'bag': 'add skeletons to a ROS 2 bag, without ROS',
    'download': 'download published weights, a person detector or test data',
    'prepare': 'prepare COCO, ImageNet or synthetic people for training and evaluation',
    'train': 'train a network from a YAML recipe',
    'classify': 'classify images, or score a classifier on ImageNet',
    'demo': 'run the whole pipeline on a synthetic video',
}
"""Command -> what it does; the module of the same name has `add_arguments` and `run`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 success, 2 invalid input, 130 interrupted, 143 SIGTERM."""
    replace_closed_streams()
    clean_up_on_sigterm()
    try:
        try:
            return _run(argv)
        finally:
            say('', end='')  # what was printed in other ways, such as help, goes out
    except PoseEstimationError as error:
        complain(error)
        return BAD_INPUT
    except (MemoryError, cv2.error, OSError) as error:
        if isinstance(error, BrokenPipeError):  # whoever read what a library printed has left
            return 0
        complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f'\n{PROGRAM}: interrupted', file=sys.stderr)
        return INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    settings = make_parser(given).parse_args(given)
    arguments = settings[settings.command]
    _set_up_logging(arguments)
    command = import_module(f'pose_estimation_ros.apps.commands.{settings.command}')
    try:
        return int(command.run(arguments))
    except ModuleNotFoundError as error:
        missing = missing_package(error, settings.command, 'train' if settings.command == 'train' else None)
        if not missing:
            raise
        raise SettingsError(missing) from error


def make_parser(given: Sequence[str] = ()) -> Parser:
    """Return the parser of all commands; `given` is what the user typed."""
    about = 'Human pose estimation in images, videos and cameras.'
    parser = Parser(prog=PROGRAM, description=about, allow_abbrev=False)  # almost the right name is a mistake
    parser.add_argument('--version', action='version', version=_version(), help='Show the version and exit.')
    commands = parser.add_subcommands(
        dest='command', title='commands', description='`COMMAND --help` shows its options.'
    )
    for name, purpose in COMMANDS.items():
        command = Parser(prog=f'{PROGRAM} {name}', description=f'{purpose[0].upper()}{purpose[1:]}.')
        command.given = given[1:] if given[:1] == [name] else ()
        import_module(f'pose_estimation_ros.apps.commands.{name}').add_arguments(command)
        command.add_argument('-v', '--verbose', action='store_true', help='Verbose logging.')
        commands.add_subcommand(name, command, help=purpose)
    return parser


def _version() -> str:
    """Return the version of the checkout that this file lies in, or of the installed package."""
    manifest = Path(__file__).parents[2] / 'package.xml'
    if manifest.exists():
        return str(ElementTree.parse(manifest).findtext('version'))
    return version('pose_estimation_ros')


def _set_up_logging(settings: Namespace) -> None:
    """Show warnings, and with --verbose what the package does, on stderr."""
    handler = _BesideBars()
    handler.setFormatter(logging.Formatter(f'{PROGRAM}: %(message)s'))
    package = logging.getLogger('pose_estimation_ros')
    package.handlers[:] = [handler]
    package.propagate = False
    package.setLevel(logging.DEBUG if settings.verbose else logging.INFO)


class _BesideBars(logging.Handler):
    """Writes to stderr without tearing progress bars apart."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
