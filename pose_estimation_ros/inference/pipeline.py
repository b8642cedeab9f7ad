"""From pictures to poses: preprocess, forward, decode, with the time that each took."""

import copy
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Protocol

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.backends.backend import Backend, probe_stride
from pose_estimation_ros.inference.preprocess import prepare
from pose_estimation_ros.methods.method import Decoder, Preprocessing

LOG = logging.getLogger(__name__)

MAX_ASPECT = 10
"""A picture more than so many times as wide as high is scaled down further, lest the input grow without bound."""


@dataclass(frozen=True)
class Timings:
    """Milliseconds of one picture; of a batch each picture bears its share of the forward pass."""

    preprocess_ms: float
    forward_ms: float
    decode_ms: float
    detect_ms: float = 0.0
    """Finding boxes around people first, by methods that need them."""

    @property
    def total_ms(self) -> float:
        """All stages together."""
        return self.preprocess_ms + self.forward_ms + self.decode_ms + self.detect_ms

    def __add__(self, other: 'Timings') -> 'Timings':
        """Return the times of both, stage by stage."""
        return Timings(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def share(self, part: float) -> 'Timings':
        """Return so large a part of every stage."""
        return Timings(*(stage * part for stage in astuple(self)))


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in one picture, in image pixels, and how long it took."""

    poses: list[Pose]
    timings: Timings


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network makes of one picture: its maps, each (C, H, W), and how the picture lies in its input."""

    maps: list[FloatArray]
    letterbox: Letterbox
    timings: Timings
    """Until now; `decode_ms` is what came after the forward pass."""


class PeoplePipeline(Protocol):
    """What turns pictures into poses, in whatever way."""

    def __call__(self, image: ByteArray) -> Result:
        """Find the people in an (H, W, 3) BGR picture."""

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several pictures."""


class ModelPipeline(PeoplePipeline, Protocol):
    """A pipeline of one model, as learners give it to whoever runs and measures it."""

    @property
    def backend(self) -> Backend:
        """What runs the model."""

    @property
    def stride(self) -> int:
        """Input pixels a cell of the model's maps."""

    @property
    def base_height(self) -> int:
        """Rows that pictures, or the regions looked at last, are scaled to."""

    def prepare(self, image: ByteArray) -> FloatArray:
        """Return the network's input (1, 3, H, W) for a picture, as calibration wants it."""


class PosePipeline(PeoplePipeline, Protocol):
    """A pipeline that decodes maps: of one network, or one wrapped in flips or scales (test_time.py)."""

    @property
    def decoder(self) -> Decoder:
        """What turns maps into poses."""

    @property
    def base_height(self) -> int:
        """Rows that pictures are scaled to."""

    def maps(self, images: Sequence[ByteArray], mirrored: bool = False) -> list[Seen]:
        """Return what decoders take, of several pictures or of their mirrored inputs."""

    def with_decoder(self, decoder: Decoder) -> 'PosePipeline':
        """Return the same with another decoder."""

    def with_height(self, base_height: int) -> 'PosePipeline':
        """Return the same for pictures scaled to another height."""


def decoded(decoder: Decoder, seen: Seen) -> Result:
    """Decode one picture's maps."""
    start = time.perf_counter()
    poses = decoder(seen.maps, seen.letterbox)
    decode_ms = (time.perf_counter() - start) * 1e3
    return Result(poses, replace(seen.timings, decode_ms=seen.timings.decode_ms + decode_ms))


class Pipeline:
    """Runs one network on pictures of any size."""

    def __init__(
        self, backend: Backend, decoder: Decoder, preprocessing: Preprocessing, base_height: int = 256
    ) -> None:
        check_height(base_height)
        self.backend = backend
        self.decoder = decoder
        self.preprocessing = preprocessing
        self.stride = probe_stride(backend)
        self.base_height = self._possible(base_height)

    def __call__(self, image: ByteArray) -> Result:
        """Find the people in an (H, W, 3) BGR picture."""
        return self.batch([image])[0]

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several pictures; those whose network inputs are of one size share a forward pass."""
        return [decoded(self.decoder, seen) for seen in self.maps(images)]

    def maps(self, images: Sequence[ByteArray], mirrored: bool = False) -> list[Seen]:
        """Return what the network makes of several pictures, or of their mirrored inputs, before decoding.

        Mirrored is the whole input with its padding, so that no odd pixel of padding comes between the two.
        """
        prepared = [self._prepare(image, mirrored) for image in images]
        groups = defaultdict(list)
        for index, (batch, _, _) in enumerate(prepared):
            groups[batch.shape].append(index)
        seen: dict[int, Seen] = {}
        for members in groups.values():
            start = time.perf_counter()
            maps = self.backend(_stacked([prepared[index][0] for index in members]))
            forward_ms = (time.perf_counter() - start) * 1e3 / len(members)
            for place, index in enumerate(members):
                _, letterbox, preprocess_ms = prepared[index]
                seen[index] = Seen([each[place] for each in maps], letterbox, Timings(preprocess_ms, forward_ms, 0))
        return [seen[index] for index in range(len(images))]

    def with_decoder(self, decoder: Decoder) -> 'Pipeline':
        """Return the same pipeline with another decoder; they share the backend."""
        other = copy.copy(self)
        other.decoder = decoder
        return other

    def with_height(self, base_height: int) -> 'Pipeline':
        """Return the same pipeline for pictures scaled to another height; they share the backend."""
        check_height(base_height)
        other = copy.copy(self)
        other.base_height = other._possible(base_height)
        return other

    def _possible(self, base_height: int) -> int:
        """Return the height that the model takes, which is the one wanted unless the model insists on another."""
        fixed = self.backend.fixed_hw[0] if self.backend.fixed_hw else None
        if fixed is not None and fixed != base_height:
            LOG.warning('the model takes pictures of %d rows only, not %d', fixed, base_height)
        return fixed or base_height

    def letterbox(self, image_hw: tuple[int, int]) -> Letterbox:
        """Return how a picture of this size lies in the network's input."""
        width = self.backend.fixed_hw[1] if self.backend.fixed_hw else None
        if width is not None:
            return Letterbox.fit_inside(image_hw, (self.base_height, width))
        return Letterbox.fit(image_hw, self.base_height, self.stride, MAX_ASPECT * self.base_height)

    def prepare(self, image: ByteArray) -> FloatArray:
        """Return the network's input (1, 3, H, W) for a picture, as calibration wants it."""
        return self._prepare(image)[0][None]

    def _prepare(self, image: ByteArray, mirrored: bool = False) -> tuple[FloatArray, Letterbox, float]:
        start = time.perf_counter()
        height, width = image.shape[:2]
        letterbox = self.letterbox((height, width))
        prepared = prepare(image, letterbox, self.preprocessing, self.decoder.interpolation)
        if mirrored:
            prepared, letterbox = np.ascontiguousarray(prepared[..., ::-1]), mirrored_letterbox(letterbox)
        return prepared, letterbox, (time.perf_counter() - start) * 1e3


def mirrored_letterbox(letterbox: Letterbox) -> Letterbox:
    """Return how the mirrored picture lies in the mirrored input."""
    top, left, bottom, right = letterbox.pad
    return replace(letterbox, pad=(top, right, bottom, left))


def check_height(base_height: int) -> None:
    """Raise SettingsError for heights that make no sense."""
    if not isinstance(base_height, int | np.integer) or not 32 <= base_height <= 4320:
        raise SettingsError(f'the height must be from 32 to 4320 rows, got {base_height!r}')


def _stacked(inputs: list[FloatArray]) -> FloatArray:
    return inputs[0][None] if len(inputs) == 1 else np.stack(inputs)
