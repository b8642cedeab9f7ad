"""Which SimpleBaselines network: the dials that its published relatives differ by. Imports no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pose_estimation_ros.core.errors import SettingsError

DEPTHS = (18, 34, 50, 101, 152)
STRIDE = 4
"""Crop pixels a cell of the heatmaps."""

SIDES = range(64, 1025)
SIDE_MULTIPLE = 32
"""Of a crop's sides: so often the trunk shrinks it."""


@dataclass(frozen=True)
class PoseResNetOptions:
    """The network's dials; raises SettingsError for values that no network can be built from.

    `caffe_style` puts the strides of bottlenecks on their first convolution, as in networks converted from Caffe.
    `label_corner` says that the network learnt labels which count from a pixel's corner as if they counted from its
    centre, as the published training on COCO does: its keypoints lie half a picture's pixel too far right and down.
    """

    depth: int = 50
    input_height: int = 256
    input_width: int = 192
    caffe_style: bool = False
    label_corner: bool = False
    size_told: bool = field(default=False, compare=False, repr=False)
    """Whether a file says the crop's size; no dial."""

    def __post_init__(self) -> None:
        if type(self.depth) is not int or self.depth not in DEPTHS:
            raise SettingsError(f'depth must be one of {", ".join(map(str, DEPTHS))}, got {self.depth!r}')
        for name in ('input_height', 'input_width'):
            side = getattr(self, name)
            if type(side) is not int or side not in SIDES or side % SIDE_MULTIPLE:
                raise SettingsError(
                    f'{name} must be a multiple of {SIDE_MULTIPLE} from {SIDES[0]} to {SIDES[-1]}, got {side!r};'
                    ' published networks take 256x192, 384x288 or 256x256'
                )
        for name in ('caffe_style', 'label_corner'):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f'{name} must be true or false, got {getattr(self, name)!r}')

    @property
    def stride(self) -> int:
        """Crop pixels a cell of the heatmaps."""
        return STRIDE

    @property
    def backbone(self) -> str:
        """What the classifier is called that the network begins with."""
        return f'resnet{self.depth}'

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of a person's crop."""
        return self.input_height, self.input_width

    @property
    def guessed(self) -> dict[str, tuple[str, object, str]]:
        """The crop's size, which changes no tensor: its field, what it is called, its value, the learner's argument."""
        size = f'{self.input_height}x{self.input_width}'
        return {} if self.size_told else {'input_height': ('size of crops', size, 'input_size')}

    def to_dict(self) -> dict[str, Any]:
        """Return the dials by name, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if name != 'size_told'}

    def changed(self, values: Mapping[str, Any]) -> 'PoseResNetOptions':
        """Return options with some of the dials set by name; raises SettingsError for names that are no dial."""
        known = list(self.to_dict())
        unknown = [str(name) for name in values if name not in known]
        if unknown:
            raise SettingsError(
                f'network options are {", ".join(known)}, got {", ".join(unknown)}; remove or rename it'
            )
        return replace(self, **values)
