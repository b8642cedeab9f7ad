"""Settings of the toy system: they become command-line options, node parameters and entries of its YAML files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.methods import shared_settings

STRIDE = 4
MULTIPLE = 32
"""Of the sides of inputs."""


@dataclass(frozen=True)
class ToyInput:
    """Another name and other limits for a setting that published systems have as well."""

    group: ClassVar[str] = 'network'

    base_height: int = setting(64, 'Short side of the input.', range=(16, 512), live=True, option='height')


@dataclass(frozen=True)
class ToyOptions:
    """The network's options."""

    group: ClassVar[str] = 'network'
    backbone: ClassVar[str] = ''
    stride: ClassVar[int] = STRIDE
    guessed: ClassVar[Mapping[str, tuple[str, object, str]]] = {}

    toy_channels: int = setting(
        8, 'Channels of the hidden layers of the toy network.', range=(1, 64), unset=0,
        default_text='what the weights file declares',
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ToyDecoding:
    """The decoder's settings."""

    group: ClassVar[str] = 'decoding'

    keypoint_threshold: float = shared_settings.keypoint_threshold(0.0)
    toy_shift: float = setting(0.0, 'Pixels by which keypoints are moved to the right.', range=(0, 10), live=True)

    def __post_init__(self) -> None:
        check_settings(self)
