"""Settings that several systems have, each with its text. Their defaults are in `options.py` of each system."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, field_names, setting

Targets = TypeVar('Targets')

HEIGHTS = (32, 4320)
"""Input heights that pipelines accept."""
NODE_HEIGHTS = (128, 1080)


@dataclass(frozen=True)
class InputSettings:
    """Input of networks that see whole images."""

    group: ClassVar[str] = 'network'

    base_height: int = setting(
        256, 'Input height in pixels; a larger one finds smaller people and is slower.',
        range=HEIGHTS, parameter_range=NODE_HEIGHTS, live=True, option='height',
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)


def target_settings(kind: Callable[..., Targets], stride: int, settings: Mapping[str, Any]) -> Targets:
    """Return settings of training targets, a dataclass with the network's stride; raises SettingsError."""
    known = [name for name in field_names(kind) if name != 'stride']
    if unknown := ', '.join(name for name in settings if name not in known):
        raise SettingsError(f'targets have no setting {unknown}; they have {", ".join(known)}')
    return kind(**{'stride': stride, **settings})


def backbone(default: str, choices: tuple[str, ...]) -> Any:
    """Return the setting that names a network's backbone."""
    words = 'what the weights file declares'
    return setting(default, 'Backbone of the network.', choices=choices, option=None, unset='', default_text=words)


def keypoint_threshold(default: float) -> Any:
    """Return the setting below which a decoder drops keypoints."""
    return setting(default, 'Minimum keypoint score.', range=(0, 1), live=True)


def upsample_ratio(default: int) -> Any:
    """Return the setting for how finely a decoder places keypoints."""
    text = 'Keypoint positions per cell of the network output, in each direction; 1 for whole cells.'
    return setting(default, text, range=(1, 16), live=True)


def min_keypoints(default: int) -> Any:
    """Return the setting below which a decoder drops people for the number of their keypoints."""
    text = 'Minimum number of keypoints of a person.'
    return setting(default, text, range=(1, 100), parameter_range=(1, 18), live=True)


def min_mean_score(default: float) -> Any:
    """Return the setting below which a decoder drops people for their score."""
    text = 'Minimum mean score of a person.'
    return setting(default, text, range=(0, 1), live=True, option='person_threshold', parameter='person_threshold')


def max_persons(default: int) -> Any:
    """Return the setting that limits how many people are returned."""
    text = 'Maximum number of people, best first; 0 for no limit.'
    return setting(default, text, range=(0, 10_000), parameter_range=(0, 1000), live=True)
