"""Options of the classifier's network. Imports no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pose_estimation_ros.core.settings import check_settings, setting, settings_from


@dataclass(frozen=True)
class ClassifierOptions:
    """Options of an HRNet with a classification head; raises SettingsError for values that no network can have."""

    width: int = setting(
        32, 'Channels of the finest branch of the HRNet trunk.', range=(4, 128), cure='published networks have 32 or 48'
    )
    stem_width: int = setting(
        64, 'Channels of the first layers of the HRNet trunk.', range=(4, 128), cure='published networks have 64'
    )
    classes: int = setting(1000, 'Number of classes.', range=(2, 100_000), cure='ImageNet has 1000')

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def backbone(self) -> str:
        """Name of the network."""
        return f'hrnet_w{self.width}'

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'ClassifierOptions':
        """Make options of what `to_dict` returned; raises SettingsError for unknown names."""
        return settings_from(cls, values, 'network options')
