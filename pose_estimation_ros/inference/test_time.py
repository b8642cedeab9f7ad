"""Test-time augmentation: pipelines that look at a picture more than once before they decode.

They wrap a pipeline and are used like one, and wrap each other: `Flipped(MultiScale(pipeline, scales), method)`.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine, Letterbox
from pose_estimation_ros.inference.pipeline import PosePipeline, Result, Seen, Timings, decoded, mirrored_letterbox
from pose_estimation_ros.methods.method import Decoder, Method

PUBLISHED_SCALES = (0.5, 1.0, 1.5, 2.0)
"""Of the published multi-scale evaluation of Lightweight OpenPose."""


Wrapper = TypeVar('Wrapper', bound='_Wrapped')


@dataclass(frozen=True, eq=False)
class _Wrapped(ABC):
    """What all ways of looking more than once have in common: they are pipelines around a pipeline."""

    pipeline: PosePipeline

    @property
    def decoder(self) -> Decoder:
        """What turns maps into poses."""
        return self.pipeline.decoder

    @property
    def base_height(self) -> int:
        """Rows that pictures are scaled to, at scale 1."""
        return self.pipeline.base_height

    def __call__(self, image: ByteArray) -> Result:
        """Find the people in an (H, W, 3) BGR picture."""
        return self.batch([image])[0]

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several pictures."""
        return [decoded(self.decoder, seen) for seen in self.maps(images)]

    @abstractmethod
    def maps(self, images: Sequence[ByteArray], mirrored: bool = False) -> list[Seen]:
        """Return the mean maps of pictures."""

    def with_decoder(self: Wrapper, decoder: Decoder) -> Wrapper:
        """Return the same with another decoder."""
        return replace(self, pipeline=self.pipeline.with_decoder(decoder))

    def with_height(self: Wrapper, base_height: int) -> Wrapper:
        """Return the same for pictures scaled to another height."""
        return replace(self, pipeline=self.pipeline.with_height(base_height))


@dataclass(frozen=True, eq=False)
class Flipped(_Wrapped):
    """Sees the mirrored picture too, and decodes the mean of both."""

    method: Method
    """Knows what of its maps changes sides."""

    def maps(self, images: Sequence[ByteArray], mirrored: bool = False) -> list[Seen]:
        """Return the mean maps of pictures and their mirrored selves."""
        pairs = zip(self.pipeline.maps(images, mirrored), self.pipeline.maps(images, not mirrored), strict=True)
        return [_mean([seen, self._back(other)]) for seen, other in pairs]

    def _back(self, seen: Seen) -> Seen:
        start = time.perf_counter()
        maps = self.method.mirror_maps(seen.maps)
        return Seen(maps, mirrored_letterbox(seen.letterbox), _later(seen.timings, start))


@dataclass(frozen=True, eq=False)
class MultiScale(_Wrapped):
    """Sees the picture at several sizes, and decodes the mean of all, taken where the decoder wants it.

    With the published evaluation's decoding the maps of all sizes are enlarged to the picture's own size, as published;
    with others they are brought to the grid of the largest size.

    Raises:
        SettingsError: Scales are not above 0, lead to heights out of range, or the model has one height only.

    """

    scales: tuple[float, ...] = PUBLISHED_SCALES
    """Of the pipeline's height."""

    def __post_init__(self) -> None:
        if not self.scales or not all(scale > 0 for scale in self.scales):
            raise SettingsError(f'scales must be one or more numbers above 0, got {self.scales}')
        wanted = [round(self.base_height * scale) for scale in self.scales]
        heights = [pipeline.base_height for pipeline in self._looks()]
        if heights != wanted:
            raise SettingsError(f'the model takes pictures of {heights[0]} rows only; several scales need another')

    def maps(self, images: Sequence[ByteArray], mirrored: bool = False) -> list[Seen]:
        """Return the mean maps of pictures at all sizes."""
        merge = _mean_on_picture if self.decoder.averaged_on == 'picture' else _mean_on_largest
        looks = [pipeline.maps(images, mirrored) for pipeline in self._looks()]
        return [merge(list(looks_at_one)) for looks_at_one in zip(*looks, strict=True)]

    def _looks(self) -> list[PosePipeline]:
        return [self.pipeline.with_height(round(self.base_height * scale)) for scale in self.scales]


def _mean(looks: list[Seen]) -> Seen:
    """Return the mean of looks whose maps lie alike."""
    start = time.perf_counter()
    maps = [sum(maps[1:], maps[0]) / len(maps) for maps in zip(*(seen.maps for seen in looks), strict=True)]
    return Seen(maps, looks[0].letterbox, _later(_together(looks), start))


def _mean_on_largest(looks: list[Seen]) -> Seen:
    """Bring maps to the grid of the largest look: enlarging loses nothing, and peaks do not fall between cells."""
    target = max(looks, key=lambda seen: seen.letterbox.network_hw)
    start = time.perf_counter()
    moved = [seen if seen is target else replace(seen, maps=_on_grid(seen, target)) for seen in looks]
    return Seen(_mean(moved).maps, target.letterbox, _later(_together(looks), start))


def _on_grid(seen: Seen, target: Seen) -> list[FloatArray]:
    return [
        _warped(maps, _to_image(seen.letterbox, maps), _to_image(target.letterbox, like), like.shape[-2:])
        for maps, like in zip(seen.maps, target.maps, strict=True)
    ]


def _to_image(letterbox: Letterbox, maps: FloatArray) -> Affine:
    return letterbox.map_to_image(letterbox.network_hw[0] / maps.shape[-2])


def _warped(maps: FloatArray, to_image: Affine, target_to_image: Affine, target_hw: tuple[int, ...]) -> FloatArray:
    """Return maps (C, H, W) as they are on another grid, both given by their way to the picture."""
    target_to_map = (to_image.inverse() @ target_to_image).matrix
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (target_hw[1], target_hw[0])
    planes = [cv2.warpAffine(each, target_to_map, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for each in maps]
    return np.stack(planes).astype(np.float32, copy=False)


def _mean_on_picture(looks: list[Seen]) -> Seen:
    """Enlarge maps to the network's input, cut the padding off, resize to the picture, and average, as published."""
    start = time.perf_counter()
    height, width = looks[0].letterbox.image_hw
    whole = Letterbox((height, width), 1.0, (height, width), (0, 0, 0, 0))
    kinds = range(len(looks[0].maps))
    maps = [sum(_on_picture(seen, kind) / len(looks) for seen in looks) for kind in kinds]
    return Seen([np.asarray(each) for each in maps], whole, _later(_together(looks), start))


def _on_picture(seen: Seen, kind: int) -> FloatArray:
    """Return one kind of maps (C, H, W) at the size of the picture."""
    top, left, bottom, right = seen.letterbox.pad
    network_hw, (height, width) = seen.letterbox.network_hw, seen.letterbox.image_hw
    channels_last = np.ascontiguousarray(seen.maps[kind].transpose(1, 2, 0), dtype=np.float32)
    enlarged = cv2.resize(channels_last, network_hw[::-1], interpolation=cv2.INTER_CUBIC)
    inner = enlarged[top : network_hw[0] - bottom, left : network_hw[1] - right]
    resized = cv2.resize(inner, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized.transpose(2, 0, 1))


def _together(looks: list[Seen]) -> Timings:
    """Return the time that several looks took."""
    spent = [seen.timings for seen in looks]
    return Timings(
        sum(each.preprocess_ms for each in spent),
        sum(each.forward_ms for each in spent),
        sum(each.decode_ms for each in spent),
    )


def _later(timings: Timings, start: float) -> Timings:
    """Add what has passed since `start` to what comes after the forward pass."""
    return replace(timings, decode_ms=timings.decode_ms + (time.perf_counter() - start) * 1e3)
