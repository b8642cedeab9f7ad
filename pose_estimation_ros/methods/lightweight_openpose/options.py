"""Options of the network and settings of the decoders, with their defaults. Imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, setting, settings_from
from pose_estimation_ros.methods import shared_settings

BACKBONES = ('mobilenet', 'mobilenetv2', 'shufflenet', 'efficientnet_lite')
STRIDED = ('mobilenet', 'efficientnet_lite')
"""Backbones with a stride to choose."""
VARIANTS = ('published', 'omz', 'slim')
SLIM_WIDTH = 0.5
"""Of the slim variant's MobileNet, relative to the published one."""
SHUFFLENET_GROUPS = (1, 2, 3, 4, 8)
WIDTH_RANGE = (0.1, 4.0)


@dataclass(frozen=True)
class NetworkOptions:
    """Options of a network; raises SettingsError for values that no network can be built from.

    `use_stride` (mobilenet and efficientnet_lite) halves the maps once more, for a total stride of 16.
    `num_refinement_stages` counts the stages after the initial one. `variant` 'omz' is the network behind OpenVINO's
    human-pose-estimation-0001, 'slim' (mobilenet only) has a backbone of half the width, for a third of the price.
    """

    group: ClassVar[str] = 'network'

    backbone: str = shared_settings.backbone('mobilenet', BACKBONES)
    use_stride: bool = setting(
        False, 'Output stride 16 instead of 8, for .pth files with a mobilenet backbone: faster, less accurate.',
        option='stride', option_values={8: False, 16: True}, parameter='mobilenet_use_stride',
        argument='mobilenet_use_stride', unset=False, undeclared=False,
        default_text='what the weights file declares, else 8',
    )  # fmt: skip
    mobilenetv2_width: float = setting(
        1.0, 'Width of a mobilenetv2 backbone.', range=WIDTH_RANGE, cure='1.0 is the published width',
        option=None, parameter=None,
    )  # fmt: skip
    shufflenet_groups: int = setting(
        3, 'Groups of a shufflenet backbone.', choices=SHUFFLENET_GROUPS, option=None, parameter=None
    )  # fmt: skip
    num_refinement_stages: int = setting(
        1, 'Number of refinement stages to keep of a .pth file.', range=(0, math.inf), parameter_range=(0, 10),
        option='stages', unset=-1, default_text='all', cure='published networks have 1 to 3',
    )  # fmt: skip
    variant: str = setting('published', 'Variant of the network.', choices=VARIANTS, option=None, parameter=None)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.use_stride and self.backbone not in STRIDED:
            raise SettingsError(
                f'use_stride is for the backbones {" and ".join(STRIDED)}, got {self.backbone}; leave it out or choose'
                ' one of these'
            )
        if self.variant == 'slim' and self.backbone != 'mobilenet':
            raise SettingsError(
                f'variant slim is for the backbone mobilenet, got {self.backbone}; choose mobilenet or another variant'
            )

    @property
    def stride(self) -> int:
        return 16 if self.use_stride else 8

    @property
    def guessed(self) -> dict[str, tuple[str, object, str]]:
        """The stride, which changes no tensor: its field, what it is called, its value, the learner's argument."""
        return {'use_stride': ('stride', self.stride, 'mobilenet_use_stride')} if self.backbone == 'mobilenet' else {}

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'NetworkOptions':
        return settings_from(cls, values, 'network options')


@dataclass(frozen=True)
class GroupingSettings:
    """What makes a limb and a person; the defaults are the published ones."""

    min_sample: float = 0.05
    """A field sample supports a limb when its component along the limb exceeds this."""
    num_samples: int = setting(
        10, 'Field samples per limb.', range=(2, math.inf), option=None, parameter=None
    )  # fmt: skip
    min_valid_share: float = setting(
        0.8, 'A limb needs more than this share of supporting samples.', range=(0, 1), below=1,
        option=None, parameter=None,
    )  # fmt: skip
    min_keypoints: int = shared_settings.min_keypoints(3)
    min_mean_score: float = shared_settings.min_mean_score(0.2)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class DecodingSettings:
    """Settings of the decoders; the defaults are the published values."""

    group: ClassVar[str] = 'decoding'

    keypoint_threshold: float = shared_settings.keypoint_threshold(0.1)
    upsample_ratio: int = shared_settings.upsample_ratio(4)
    max_persons: int = shared_settings.max_persons(0)
    grouping: GroupingSettings = field(default_factory=GroupingSettings)

    def __post_init__(self) -> None:
        check_settings(self)
