"""Saying what a learner says in the words of the command line."""

import contextlib
import logging
import re
from collections.abc import Iterator

from pose_estimation_ros.core.errors import PoseEstimationError

STRIDES = {'True': '16', 'False': '8'}
FIELD = r'\b(?:mobilenet_)?use_stride'
WORDS = (
    (
        rf'{FIELD} is (True|False) as asked for; the weights say (True|False)',
        '--stride is {} as asked for; the weights say {}',
    ),
    (rf'{FIELD}=(True|False)', '--stride {}'),
    (FIELD, '--stride'),
    (r'\bnum_refinement_stages=(\d+)', '--stages {}'),
    (r'\bnum_refinement_stages\b', '--stages'),
    (r'\bbuild the network with (?=--)', 'choose '),
)
"""A learner's own words, and those of the command line; `{}` are the values."""


def as_options(text: str) -> str:
    """Return a message with the options that a user types in the place of a learner's arguments."""
    for pattern, words in WORDS:
        while found := re.search(pattern, text):
            text = text[: found.start()] + words.format(*map(_value, found.groups())) + text[found.end() :]
    return text


def _value(text: str) -> str:
    return STRIDES.get(text, text)


@contextlib.contextmanager
def told_as_options() -> Iterator[None]:
    """Let errors and warnings of a learner name the options that a user types."""
    handlers = logging.getLogger('pose_estimation_ros').handlers[:]
    for handler in handlers:
        handler.addFilter(_reword)
    try:
        yield
    except PoseEstimationError as error:
        raise type(error)(as_options(str(error))) from error
    finally:
        for handler in handlers:
            handler.removeFilter(_reword)


def _reword(record: logging.LogRecord) -> bool:
    record.msg, record.args = as_options(record.getMessage()), None
    return True
