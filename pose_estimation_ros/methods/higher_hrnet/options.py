"""Options of the network, with their defaults. Imports no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pose_estimation_ros.core.settings import check_settings, setting, settings_from
from pose_estimation_ros.methods.shared_settings import HEIGHTS, NODE_HEIGHTS

WIDTHS = (32, 48)
"""Of published networks."""
STRIDE = 4
"""Network pixels per cell of the coarse output, heatmaps and tags; the fine heatmaps have half of it."""


@dataclass(frozen=True)
class InputSettings:
    """Input of the network."""

    group: ClassVar[str] = 'network'

    base_height: int = setting(
        512, 'Short side of the input in pixels, rounded up to a multiple of 64.',
        range=HEIGHTS, parameter_range=NODE_HEIGHTS, live=True, option='height',
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class HigherHRNetOptions:
    """Options of a network; raises SettingsError for values that no network can be built from."""

    group: ClassVar[str] = 'network'

    width: int = setting(
        32, 'Channels of the finest branch of the HRNet trunk.', range=(4, 128),
        cure='published networks have 32 or 48', option=None, parameter=None,
    )  # fmt: skip
    stem_width: int = setting(
        64, 'Channels of the first layers of the HRNet trunk.', range=(4, 128),
        cure='published networks have 64', option=None, parameter=None,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def stride(self) -> int:
        """Network pixels per cell of the coarse output."""
        return STRIDE

    @property
    def backbone(self) -> str:
        """Name of the classifier whose trunk the network starts with."""
        return f'hrnet_w{self.width}'

    @property
    def guessed(self) -> dict[str, tuple[str, object, str]]:
        """Nothing: tensors determine both widths."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'HigherHRNetOptions':
        """Make options of what `to_dict` returned; raises SettingsError for unknown names."""
        return settings_from(cls, values, 'network options')
