"""Learners' messages in the words of the command line: --stages in the place of num_refinement_stages."""

import contextlib
import logging
import re
from collections.abc import Iterator
from functools import cache

from pose_estimation_ros.core.errors import PoseEstimationError
from pose_estimation_ros.core.settings import Setting
from pose_estimation_ros.learners.settings_table import shared_settings

GROUP = 'network'
"""Settings that learners' messages name."""


def as_options(text: str) -> str:
    """Return a message with the options that a user types in the place of a learner's arguments."""
    names = _settings_by_name()
    pattern = rf'(?<![\w/.-])({"|".join(names)})\b(?:=(\w+))?'
    worded = re.sub(pattern, lambda found: _typed(names[found[1]], found[2]), text)
    return worded.replace('build the network with --', 'choose --')


@contextlib.contextmanager
def name_options() -> Iterator[None]:
    """Let a learner's errors and warnings name the options that a user types."""
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


@cache
def _settings_by_name() -> dict[str, Setting]:
    """Return the settings whose option has another name, by their fields and by the learners' arguments.

    Names of one word, such as backbone, stand in sentences for other things too.
    """
    settings = [each.first for each in shared_settings().values() if each.group == GROUP and each.first.option_name]
    named = {name: each for each in settings for name in (each.name, each.argument_name)}
    return {
        name: each for name, each in named.items() if '_' in name and f'--{name.replace("_", "-")}' != each.option_name
    }


def _typed(setting: Setting, value: str | None) -> str:
    """Return a setting as users type it, with its value where there is one."""
    if value is None:
        return setting.option_name
    typed = {str(actual): text for text, actual in setting.option_values.items()}
    return f'{setting.option_name} {typed.get(value, value)}'


def _reword(record: logging.LogRecord) -> bool:
    record.msg, record.args = as_options(record.getMessage()), None
    return True
