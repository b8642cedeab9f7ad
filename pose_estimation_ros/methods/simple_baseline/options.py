"""Options of the network and settings of the decoder, with their defaults. Imports no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from pose_estimation_ros.core.settings import check_settings, setting, settings_from
from pose_estimation_ros.methods import shared_settings

DEPTHS = (18, 34, 50, 101, 152)
STRIDE = 4
"""Crop pixels per cell of the heatmaps."""

SIDES: dict[str, Any] = {
    'range': (64, 1024), 'step': 32, 'cure': 'published networks take 256x192, 384x288 or 256x256',
    'option': None, 'parameter': None,
}  # fmt: skip
"""Of a crop: the backbone shrinks it to a 32nd."""


@dataclass(frozen=True)
class PoseResNetOptions:
    """Options of a network; raises SettingsError for values that no network can be built from.

    `caffe_style` puts the strides of bottlenecks on their first convolution, as in networks converted from Caffe.
    `label_corner` says that the network learnt labels which count from a pixel's corner as if they counted from its
    centre, as the published training on COCO does: its keypoints lie half an image pixel too far right and down.
    """

    depth: int = setting(50, 'Layers of the ResNet backbone.', choices=DEPTHS, option=None, parameter=None)
    input_height: int = setting(256, 'Height of a crop.', **SIDES)
    input_width: int = setting(192, 'Width of a crop.', **SIDES)
    caffe_style: bool = setting(False, 'Strides as in networks converted from Caffe.', option=None, parameter=None)
    label_corner: bool = setting(False, 'Labels count from the corner of a pixel.', option=None, parameter=None)
    size_declared: bool = field(default=False, compare=False, repr=False)
    """Whether a file declares the crop's size; not an option itself."""

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def stride(self) -> int:
        return STRIDE

    @property
    def backbone(self) -> str:
        return f'resnet{self.depth}'

    @property
    def input_hw(self) -> tuple[int, int]:
        return self.input_height, self.input_width

    @property
    def guessed(self) -> dict[str, tuple[str, object, str]]:
        """The crop's size, which changes no tensor: its field, what it is called, its value, the learner's argument."""
        size = f'{self.input_height}x{self.input_width}'
        return {} if self.size_declared else {'input_height': ('size of crops', size, 'input_size')}

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != 'size_declared'}

    def changed(self, values: Mapping[str, Any]) -> 'PoseResNetOptions':
        return settings_from(
            PoseResNetOptions, {**self.to_dict(), 'size_declared': self.size_declared, **values}, 'network options'
        )


@dataclass(frozen=True)
class NetworkChoice:
    """Network options that the weights file does not declare."""

    group: ClassVar[str] = 'network'

    backbone: str = shared_settings.backbone('resnet50', tuple(f'resnet{depth}' for depth in DEPTHS))
    channel_order: Literal['bgr', 'rgb'] = setting(
        'bgr', 'Channel order that the network was trained with.', parameter=None,
        default_text='what the weights file declares, else bgr',
    )  # fmt: skip


@dataclass(frozen=True)
class DecodingSettings:
    """Settings of the decoder."""

    group: ClassVar[str] = 'decoding'

    keypoint_threshold: float = shared_settings.keypoint_threshold(0.2)
    upsample_ratio: int = shared_settings.upsample_ratio(4)
    """1 leaves keypoints at the highest cell; more moves them by a quarter of a cell towards the higher neighbour."""

    def __post_init__(self) -> None:
        check_settings(self)
