"""From images to poses: preprocess, forward, decode, with the time that each took."""

import copy
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.backends.backend import Backend, probe_stride
from pose_estimation_ros.inference.preprocess import prepare
from pose_estimation_ros.methods.explanation import ExplainingDecoder, Explanation
from pose_estimation_ros.methods.method import HEIGHT, BaseSide, Decoder, InputSize, Look, Method, Preprocessing
from pose_estimation_ros.methods.shared_settings import HEIGHTS

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timings:
    """Milliseconds of one image; of a batch each image bears its share of the forward pass."""

    preprocess_ms: float = 0.0
    forward_ms: float = 0.0
    decode_ms: float = 0.0
    """Includes merging scales and mirrored images."""
    detect_ms: float = 0.0
    """Finding boxes around people first, by methods that need them."""

    @property
    def total_ms(self) -> float:
        """All stages together."""
        return self.preprocess_ms + self.forward_ms + self.decode_ms + self.detect_ms

    def __add__(self, other: 'Timings') -> 'Timings':
        return Timings(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def share(self, part: float) -> 'Timings':
        return Timings(*(stage * part for stage in astuple(self)))


def milliseconds_since(start: float) -> float:
    """Return the milliseconds since `time.perf_counter()` was `start`."""
    return (time.perf_counter() - start) * 1e3


@dataclass(frozen=True, eq=False)
class Result:
    """The people in one image, in image pixels, and how long each stage took."""

    poses: list[Pose]
    timings: Timings


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """A network's output for one image, merged over scales and mirror images, and the time until then."""

    maps: Sequence[FloatArray]
    """(C, h, w) each, or what else the decoder's `merge` returns."""
    placement: Placement
    timings: Timings


class PeoplePipeline(Protocol):
    """Anything that turns images into poses."""

    def __call__(self, image: ByteArray) -> Result:
        """Find the people in an (H, W, 3) BGR image."""

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several images."""


class ModelPipeline(PeoplePipeline, Protocol):
    """A pipeline of one model, as learners return it."""

    @property
    def backend(self) -> Backend:
        """What runs the model."""

    @property
    def stride(self) -> int:
        """Network pixels per cell of the model's maps."""

    @property
    def base_size(self) -> int:
        """Input side in pixels that images are scaled to; the second pass's if there are two."""

    def prepare(self, image: ByteArray) -> FloatArray:
        """Return the network's input (1, 3, H, W) for an image, as calibration needs it."""

    def with_looks(self, scales: Sequence[float] = (1.0,), flip: bool = False) -> 'ModelPipeline':
        """Return the same pipeline at these scales, and mirrored too with `flip`; raises SettingsError."""


@runtime_checkable
class ExplainingPipeline(Protocol):
    """A pipeline that can say what led to its poses."""

    @property
    def explains(self) -> bool:
        """Whether `explain` works with this decoder."""

    def explain(self, image: ByteArray) -> Explanation:
        """Find the people in an image, and return them with the maps and tags that they come from."""


class Pipeline:
    """Runs one network on images of any size, at one or more scales and, with `flip`, mirrored too."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __init__(
        self,
        backend: Backend,
        method: Method,
        decoder: Decoder | None = None,
        preprocessing: Preprocessing | None = None,
        base_size: int = 256,
    ) -> None:
        self.backend, self.method = backend, method
        self.decoder = decoder or method.decoder(method.decoder_names()[0])
        self.preprocessing = preprocessing or method.preprocessing
        self.stride = probe_stride(backend, method.stride_output)
        self.base_size = self._possible(base_size)

    def __call__(self, image: ByteArray) -> Result:
        return self.batch([image])[0]

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several images; inputs of one size share a forward pass."""
        return [self.decode(output) for output in self.forward(images)]

    def decode(self, output: NetworkOutput) -> Result:
        start = time.perf_counter()
        poses = self.decoder(output.maps, output.placement)
        return Result(poses, output.timings + Timings(decode_ms=milliseconds_since(start)))

    @property
    def explains(self) -> bool:
        return isinstance(self.decoder, ExplainingDecoder)

    def explain(self, image: ByteArray) -> Explanation:
        """Return the people in an image with what led to them; raises SettingsError if the decoder cannot say it."""
        if not isinstance(self.decoder, ExplainingDecoder):
            raise SettingsError(f'the decoder {self.decoder.name} of {self.method.name} does not explain its poses')
        (output,) = self.forward([image])
        return self.decoder.explain(output.maps, output.placement)

    def forward(self, images: Sequence[ByteArray]) -> list[NetworkOutput]:
        """Return the network's output for several images, before decoding."""
        looks: list[list[Look]] = [[] for _ in images]
        spent = [Timings()] * len(images)
        for scale in self.scales:
            for index, look, timings in self._looks(images, scale):
                looks[index].append(look)
                spent[index] += timings
        return [self._merged(each, timings) for each, timings in zip(looks, spent, strict=True)]

    def with_decoder(self, decoder: Decoder) -> 'Pipeline':
        """Return the same pipeline with another decoder; they share the backend."""
        return self._changed(decoder=decoder)

    def with_size(self, base_size: int) -> 'Pipeline':
        """Return the same pipeline for images scaled to another size; they share the backend."""
        return self._changed(base_size=self._possible(base_size))

    def with_input_of(self, image_hw: Sequence[int]) -> 'Pipeline':
        """Return the same pipeline for images that are to be about as large in the network's input."""
        return self.with_size(self.method.base_side.of(image_hw))

    @property
    def multiple(self) -> int:
        """Number of pixels that the sides of inputs are multiples of."""
        return self.method.place((1, 1), InputSize(1, self.stride)).network_hw[0]

    def with_looks(self, scales: Sequence[float] = (1.0,), flip: bool = False) -> 'Pipeline':
        """Return the same pipeline with other scales of its base size, and with or without mirrored inputs.

        Raises:
            SettingsError: Scales are not above 0, lead to sizes out of range, or the model has one size only.

        """
        if not scales or not all(scale > 0 for scale in scales):
            raise SettingsError(f'scales must be one or more numbers above 0, got {tuple(scales)}')
        for scale in scales:
            check_size(round(self.base_size * scale), self.method.base_side)
            if scale != 1 and self.backend.fixed_hw:
                raise SettingsError(f'the model takes inputs of {self.base_size} rows only; leave out other scales')
        return self._changed(scales=tuple(scales), flip=flip)

    def place(self, image_hw: tuple[int, int], scale: float = 1.0) -> Placement:
        """Return the placement of an image of this size in the network's input."""
        width = self.backend.fixed_hw[1] if self.backend.fixed_hw else None
        fixed_hw = None if width is None else (self.base_size, width)
        size = InputSize(self.base_size, self.stride, scale, min(self.scales), fixed_hw)
        return self.method.place(image_hw, size)

    def prepare(self, image: ByteArray) -> FloatArray:
        placement = self.place((image.shape[0], image.shape[1]))
        return prepare(image, placement, self.preprocessing, self.decoder.interpolation)[None]

    def _looks(self, images: Sequence[ByteArray], scale: float) -> Iterator[tuple[int, Look, Timings]]:
        inputs, placements, prepare_ms = [], [], []
        groups = defaultdict(list)
        for index, image in enumerate(images):
            start = time.perf_counter()
            placements.append(self.place((image.shape[0], image.shape[1]), scale))
            inputs.append(prepare(image, placements[-1], self.preprocessing, self.decoder.interpolation))
            prepare_ms.append(milliseconds_since(start))
            groups[inputs[-1].shape].append(index)
        for members in groups.values():
            start = time.perf_counter()
            batch = inputs[members[0]][None] if len(members) == 1 else np.stack([inputs[each] for each in members])
            passes = run_network(self.backend, self.method, batch, self.flip)
            forward_ms = milliseconds_since(start) / len(members)
            for row, index in enumerate(members):
                timings = Timings(prepare_ms[index], forward_ms)
                for mirrored, maps in enumerate(passes):
                    yield index, Look([each[row] for each in maps], placements[index], scale, bool(mirrored)), timings
                    timings = Timings()

    def _merged(self, looks: Sequence[Look], timings: Timings) -> NetworkOutput:
        start = time.perf_counter()
        merged = self.decoder.merge(looks)
        return NetworkOutput(merged.maps, merged.placement, timings + Timings(decode_ms=milliseconds_since(start)))

    def _changed(self, **changes: Any) -> 'Pipeline':
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    def _possible(self, base_size: int) -> int:
        """Return the size that the model takes, which is the one wanted unless the model has one only."""
        check_size(base_size, self.method.base_side)
        fixed = self.backend.fixed_hw[0] if self.backend.fixed_hw else None
        if fixed is not None and fixed != base_size:
            LOG.warning('the model takes inputs of %d rows only, not %d', fixed, base_size)
        return fixed or base_size


def run_network(backend: Backend, method: Method, batch: FloatArray, flip: bool) -> list[list[FloatArray]]:
    """Return a network's maps (N, C, h, w) of a batch and, with `flip`, those of the mirrored batch."""
    plain = backend(batch)
    return [plain, backend(method.mirrored_input(batch))] if flip else [plain]


def check_size(size: int, side: BaseSide = HEIGHT) -> None:
    """Raise SettingsError for input sizes out of range."""
    low, high = HEIGHTS
    if not isinstance(size, int | np.integer) or not low <= size <= high:
        raise SettingsError(f'the input {side.name} must be from {low} to {high} pixels, got {size!r}')
