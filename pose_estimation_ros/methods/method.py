"""What every published system offers to the layers above. NumPy only: torch is imported by network and loss files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a network's input: resize, (pixel - mean) * scale, pad."""

    mean: tuple[float, float, float] = (128.0, 128.0, 128.0)
    scale: tuple[float, float, float] = (1 / 256, 1 / 256, 1 / 256)
    pad_value: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """After normalisation."""
    channel_order: Literal['bgr', 'rgb'] = 'bgr'
    """That of mean, scale and the network's input channels."""


class Decoder(Protocol):
    """Turns a network's maps into poses of the picture."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def interpolation(self) -> Literal['linear', 'cubic']:
        """How pictures must be resized for this decoding to give its published numbers."""

    def __call__(self, maps: Sequence[FloatArray], letterbox: Letterbox) -> list[Pose]:
        """Decode one picture's maps, each (C, H, W), in the order of the method's `output_channels`."""


class Method(Protocol):
    """One published system: its skeleton, preprocessing, network, decoders and weights."""

    name: str
    skeleton: Skeleton
    preprocessing: Preprocessing
    output_channels: tuple[int, ...]
    """Channels of the maps that decoders take; the last output of a network with as many channels is meant."""

    def decoder(self, name: str, **settings: Any) -> Decoder:
        """Return a decoder by name; raises SettingsError naming those there are."""

    def decoder_names(self) -> tuple[str, ...]:
        """Return the decoders' names, the default first."""
