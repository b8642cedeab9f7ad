"""What every published system offers to the layers above. NumPy only: torch is imported by network and loss files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.geometry import Interpolation, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.methods.objective import Objective, PublishedTraining


@dataclass(frozen=True)
class BaseSide:
    """The side of an image that a method scales to its input size."""

    name: str
    of: Callable[[Sequence[int]], int]
    """From height and width (and what follows them) to that side."""


HEIGHT = BaseSide('height', lambda hw: hw[0])
SHORT_SIDE = BaseSide('short side', lambda hw: min(hw[:2]))
LONGEST_SIDE = BaseSide('longest side', lambda hw: max(hw[:2]))


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a network's input: resize, (pixel - mean) * scale, pad."""

    mean: tuple[float, float, float] = (128.0, 128.0, 128.0)
    scale: tuple[float, float, float] = (1 / 256, 1 / 256, 1 / 256)
    pad_value: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """After normalisation."""
    channel_order: Literal['bgr', 'rgb'] = 'bgr'
    """That of mean, scale and the network's input channels."""


IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_SCALE = (1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255))
IMAGENET_RGB = Preprocessing(mean=IMAGENET_MEAN, scale=IMAGENET_SCALE, channel_order='rgb')
"""As most classifiers of ImageNet take images."""


@dataclass(frozen=True)
class GraphFacts:
    """What identifies the origin of an ONNX model that was not exported here."""

    name: str
    """Name of its graph, which exporting libraries choose."""
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class InputSize:
    """Which network input an image is to be placed in."""

    base: int
    """Pixels, at scale 1, of the side that the method's `base_side` names."""
    stride: int
    """Network pixels per cell of the output maps."""
    scale: float = 1.0
    least_scale: float = 1.0
    """The smallest of the scales that an image is run at."""
    fixed_hw: tuple[int, int] | None = None
    """Fixed input height and width of the network, None if any size is accepted."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a network returned for one input: an image at one scale, or its mirror image."""

    maps: Sequence[FloatArray]
    """(C, h, w) each, in the order of the method's `output_channels`. Merging may put other arrays here."""
    placement: Placement
    """How the image, before mirroring, lies in the network's input."""
    scale: float = 1.0
    mirrored: bool = False


class Decoder(Protocol):
    """Turns a network's outputs into the poses of an image, or of the one person that a crop shows."""

    @property
    def name(self) -> str:
        """Name that users choose it by."""

    @property
    def interpolation(self) -> Interpolation:
        """How images must be resized for this decoding to give its published numbers."""

    def merge(self, looks: Sequence[Look]) -> Look:
        """Merge one or more network outputs of an image for decoding; a single plain one stays unchanged."""

    def candidates(self) -> 'Decoder':
        """Return a decoder with lower limits, for a first pass: a second one decides whether they are people."""

    def __call__(self, maps: Sequence[FloatArray], placement: Placement) -> list[Pose]:
        """Decode what `merge` returned into poses in image pixels; for a person's crop one pose or none."""


class Options(Protocol):
    """Options of a network, a frozen dataclass whose fields users may set by name."""

    @property
    def stride(self) -> int:
        """Network pixels per cell of the maps that decoders take."""

    @property
    def backbone(self) -> str:
        """Name of the classifier whose trunk the network starts with."""

    @property
    def guessed(self) -> Mapping[str, tuple[str, object, str]]:
        """By field, options that tensors do not determine: its name in messages, its value, the learner's argument."""

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, ready for JSON."""


class Method(Protocol):
    """One published system: its skeleton, preprocessing, network, targets, decoders and weights.

    Systems inherit the answers of most systems to the questions that have one here.
    """

    @property
    def name(self) -> str:
        """Name that users choose it by."""

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton of its poses."""

    @property
    def sees(self) -> Literal['image', 'person']:
        """Input of its network: a whole image (bottom-up), or the crop of one person (top-down).

        Layers above have a table by it of how each is set, trained and run.
        """

    @property
    def preprocessing(self) -> Preprocessing:
        """How pixels enter its networks, as published."""

    @property
    def base_side(self) -> BaseSide:
        """Which side of the network's input `InputSize.base` is."""
        return HEIGHT

    def place(self, image_hw: tuple[int, int], size: InputSize) -> Placement:
        """Return how an image lies in the network's input."""

    def mirrored_input(self, batch: FloatArray) -> FloatArray:
        """Return the mirrored inputs (N, 3, H, W) that belong to inputs."""
        return np.ascontiguousarray(batch[..., ::-1])

    @property
    def scoring(self) -> Mapping[str, Any]:
        """Decoder settings of the published evaluation that differ from the defaults."""
        return {}

    @property
    def published_decoder(self) -> str:
        """Name of the decoder of the published code, which benchmarks compare with."""
        return self.decoder_names()[0]

    @property
    def output_channels(self) -> tuple[int, ...]:
        """Channels of the maps that decoders take; the last output of a network with as many channels is meant."""

    @property
    def stride_output(self) -> int:
        """Index of the one of these outputs whose cells have the network's stride."""
        return 0

    def options(self, values: Mapping[str, Any] | None = None) -> Options:
        """Return network options by name, with published defaults; raises SettingsError for unknown names."""

    def network(self, options: Any) -> Any:
        """Build the torch module of `options`, with random weights."""

    def objective(self, options: Any, **settings: Any) -> Objective:
        """Return what a network of `options` is trained towards; settings are those of its targets."""

    @property
    def training(self) -> PublishedTraining:
        """The published schedule."""

    def input_hw(self, options: Any, size: int | None = None) -> tuple[int, int]:
        """Return height and width of the inputs that a network is trained on.

        `size` is their side if the network takes inputs of any size, None for the published one.
        """

    def augmentation(
        self,
        options: Any,
        size: int | None = None,
        settings: Mapping[str, Any] | None = None,
        photometric: tuple[Transform, ...] = (),
    ) -> Transform:
        """Return the published augmentation to inputs of `input_hw`, and what changes colours after it.

        `settings` replace published numbers by name; raises SettingsError for unknown names and values out of range.
        """

    def read_checkpoint(self, path: Path, hint: Any = None, trust: bool = False) -> tuple[Mapping[str, Any], Any]:
        """Return the state_dict of a published container and the options of the network that it is of.

        Args:
            path: The file.
            hint: Options for what tensors do not determine.
            trust: Let a file that needs it build any Python object, which can run arbitrary code.

        Raises:
            WeightsError: It cannot be read, or is of another method.

        """

    def xml_preprocessing(self, model: str) -> Preprocessing | None:
        """Return the known preprocessing of an OpenVINO model, the text of its .xml file; None if unknown."""
        return None

    def onnx_preprocessing(self, graph: GraphFacts) -> Preprocessing | None:
        """Return the known preprocessing of a third-party ONNX model, None if unknown."""
        return None

    def fit_weights(
        self, network: Any, state_dict: Mapping[str, Any], source: str = 'the weights', new_parts: bool = False
    ) -> str:
        """Load all of a file into a network and return a sentence on it; raises WeightsError and changes nothing.

        With `new_parts` a network may have parts that the published training adds later; they keep their values.
        """

    def load_backbone(self, network: Any, path: Path, trust: bool = False) -> str:
        """Load a published ImageNet classifier into the network's backbone and return a sentence on it."""

    def decoder(self, name: str, **settings: Any) -> Decoder:
        """Return a decoder by name; raises SettingsError naming those there are."""

    def decoder_names(self) -> tuple[str, ...]:
        """Return the decoders' names, the default first."""
