"""Which Lightweight OpenPose network: the dials that its published relatives differ by. Imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pose_estimation_ros.core.errors import SettingsError

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
    """The network's dials; raises SettingsError for values that no network can be built from.

    `use_stride` (mobilenet and efficientnet_lite) halves the maps once more, for a total stride of 16.
    `num_refinement_stages` counts the stages after the initial one. `variant` 'omz' is the network behind OpenVINO's
    human-pose-estimation-0001, 'slim' (mobilenet only) has a backbone of half the width, for a third of the price.
    """

    backbone: str = 'mobilenet'
    use_stride: bool = False
    mobilenetv2_width: float = 1.0
    shufflenet_groups: int = 3
    num_refinement_stages: int = 1
    variant: str = 'published'

    def __post_init__(self) -> None:
        _one_of('backbone', self.backbone, BACKBONES)
        _one_of('variant', self.variant, VARIANTS)
        _one_of('shufflenet_groups', self.shufflenet_groups, SHUFFLENET_GROUPS)
        _check_width(self.mobilenetv2_width)
        _check_stages(self.num_refinement_stages)
        _check_stride(self.use_stride, self.backbone)
        _check_slim(self.variant, self.backbone)

    @property
    def stride(self) -> int:
        """Input pixels a cell of the output maps."""
        return 16 if self.use_stride else 8

    @property
    def guessed(self) -> dict[str, tuple[str, object, str]]:
        """The stride, which changes no tensor: its field, what it is called, its value, the learner's argument."""
        return {'use_stride': ('stride', self.stride, 'mobilenet_use_stride')} if self.backbone == 'mobilenet' else {}

    def to_dict(self) -> dict[str, Any]:
        """Return the dials by name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'NetworkOptions':
        """Make options of what `to_dict` returned; raises SettingsError for names that are no dial."""
        known = [field.name for field in fields(cls)]
        unknown = [str(name) for name in values if name not in known]
        if unknown:
            raise SettingsError(
                f'network options are {", ".join(known)}, got {", ".join(unknown)}; remove or rename it'
            )
        return cls(**values)


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Compare types as well: True is no number of groups."""
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        raise SettingsError(f'{name} must be one of {", ".join(map(str, allowed))}, got {value!r}; choose one of these')


def _check_width(width: object) -> None:
    low, high = WIDTH_RANGE
    number = isinstance(width, int | float) and not isinstance(width, bool) and math.isfinite(width)
    if not number or not low <= float(width) <= high:  # type: ignore[arg-type]
        raise SettingsError(
            f'mobilenetv2_width must be a number from {low} to {high}, got {width!r}; 1.0 is the published width'
        )


def _check_stages(stages: object) -> None:
    if not isinstance(stages, int) or isinstance(stages, bool) or stages < 0:
        raise SettingsError(
            f'num_refinement_stages must be a whole number from 0, got {stages!r}; published networks have 1 to 3'
        )


def _check_stride(use_stride: object, backbone: str) -> None:
    if not isinstance(use_stride, bool):
        raise SettingsError(f'use_stride must be true or false, got {use_stride!r}; write it without quotes')
    if use_stride and backbone not in STRIDED:
        raise SettingsError(
            f'use_stride belongs to the backbones {" and ".join(STRIDED)}, got {backbone}; switch it off or choose one'
            ' of these'
        )


def _check_slim(variant: str, backbone: str) -> None:
    if variant == 'slim' and backbone != 'mobilenet':
        raise SettingsError(
            f'variant slim is half a mobilenet, got backbone {backbone}; choose mobilenet, or another variant'
        )
