"""Top-down estimation: boxes around people, a crop of each, one skeleton per crop."""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.boxes import Boxes, PersonCrop
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import PIXEL_CORNER, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.detectors.person_detector import PersonDetector, WholeImage
from pose_estimation_ros.inference.pipeline import Result, Timings, milliseconds_since, run_network
from pose_estimation_ros.inference.pose_nms import pose_nms
from pose_estimation_ros.inference.preprocess import prepare
from pose_estimation_ros.methods import shared_settings
from pose_estimation_ros.methods.method import Decoder, InputSize, Look, Method, Preprocessing


@dataclass(frozen=True)
class TopDownSettings:
    """How people are cropped and filtered; the defaults are the published values."""

    group: ClassVar[str] = 'decoding'

    padding: float = setting(1.25, 'Size of a crop relative to its box.', range=(1, 4), option=None, parameter=None)
    flip: bool = False
    """Run each crop mirrored too, and merge both."""
    nms_threshold: float = setting(
        0.9, 'OKS above which the worse of two poses is dropped.', range=(0, 1), option=None, parameter=None
    )
    min_keypoints: int = shared_settings.min_keypoints(1)
    min_mean_score: float = shared_settings.min_mean_score(0.0)
    """Of the keypoints, without the score of the box."""
    max_persons: int = shared_settings.max_persons(0)
    crops_at_once: int = setting(
        32, 'Number of crops that share a forward pass.', range=(1, 10_000), option=None, parameter=None
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class PersonNetwork:
    """What a network expects of its crops."""

    preprocessing: Preprocessing
    input_hw: tuple[int, int]
    label_corner: bool = False
    """Whether its training counted coordinates from a pixel's corner, half a pixel more than this package does."""


@dataclass(frozen=True, eq=False)
class _Crop:
    """One person: the index of the image, the placement of the crop in the network's input, and its box's score."""

    image: int
    placement: Placement
    area: float
    score: float


class TopDown:
    """Runs a network on the people of images, many per forward pass; boxes come from a detector or are given."""

    def __init__(
        self,
        backend: Backend,
        method: Method,
        decoder: Decoder,
        network: PersonNetwork,
        detector: PersonDetector | None = None,
        settings: TopDownSettings | None = None,
    ) -> None:
        self.backend, self.method, self.decoder = backend, method, decoder
        self.detector = detector or WholeImage()
        self.settings = settings or TopDownSettings()
        fixed = [given or own for given, own in zip(backend.fixed_hw or (None, None), network.input_hw, strict=True)]
        self.network = replace(network, input_hw=(fixed[0], fixed[1]))
        probe = backend(np.zeros((1, 3, *self.network.input_hw), dtype=np.float32))
        self.stride = round(self.network.input_hw[0] / probe[method.stride_output].shape[-2])

    @property
    def base_size(self) -> int:
        return self.network.input_hw[0]

    def with_settings(self, **changes: Any) -> 'TopDown':
        return self._changed(settings=replace(self.settings, **changes))

    def with_looks(self, scales: Sequence[float] = (1.0,), flip: bool = False) -> 'TopDown':
        """Return a copy that also runs mirrored crops with `flip`; raises SettingsError for other scales."""
        if tuple(scales) != (1.0,):
            raise SettingsError('scales are for methods that take whole images; crops have one size')
        return self.with_settings(flip=flip)

    def with_detector(self, detector: PersonDetector) -> 'TopDown':
        return self._changed(detector=detector)

    def with_decoder(self, decoder: Decoder) -> 'TopDown':
        return self._changed(decoder=decoder)

    def __call__(self, image: ByteArray, boxes: Boxes | None = None) -> Result:
        """Find the people in an (H, W, 3) BGR image, or take the boxes given."""
        return self.batch([image], [boxes])[0]

    def batch(self, images: Sequence[ByteArray], boxes: Sequence[Boxes | None] | None = None) -> list[Result]:
        """Find the people in several images; the crops of all share forward passes.

        Args:
            images: (H, W, 3) BGR each.
            boxes: Person boxes of each image; None runs the detector.

        """
        crops: list[_Crop] = []
        spent = []
        for index, (image, given) in enumerate(zip(images, boxes or [None] * len(images), strict=True)):
            start = time.perf_counter()
            found = (self.detector(image) if given is None else given).usable()
            spent.append(Timings(detect_ms=milliseconds_since(start) if given is None else 0.0))
            crops += self._crops(index, image, found)
        people: list[list[tuple[Pose, float]]] = [[] for _ in images]
        for crop, (pose, timings) in zip(crops, self._decoded(images, crops), strict=True):
            spent[crop.image] += timings
            if pose is not None:
                people[crop.image].append((pose, crop.area))
        return [self._result(own, timings) for own, timings in zip(people, spent, strict=True)]

    def prepare(self, image: ByteArray) -> FloatArray:
        """Return the network's input (1, 3, H, W) for an image that shows one person, as calibration needs it."""
        size = InputSize(self.base_size, self.stride, fixed_hw=self.network.input_hw)
        return self._input(image, self.method.place((image.shape[0], image.shape[1]), size))[None]

    def _crops(self, index: int, image: ByteArray, boxes: Boxes) -> Iterator[_Crop]:
        """Yield the crops around an image's boxes, in the coordinates that the network learnt."""
        offset = PIXEL_CORNER if self.network.label_corner else 0.0
        input_hw = self.network.input_hw
        for box, score in zip(boxes.xywh + [offset, offset, 0, 0], boxes.scores.tolist(), strict=True):
            crop = PersonCrop.around(box, input_hw, self.settings.padding)
            placement = crop.placement((image.shape[0], image.shape[1]), input_hw, offset)
            yield _Crop(index, placement, crop.size[0] * crop.size[1], score)

    def _decoded(self, images: Sequence[ByteArray], crops: Sequence[_Crop]) -> Iterator[tuple[Pose | None, Timings]]:
        """Yield each crop's pose in image pixels, or None, and its share of the time."""
        for first in range(0, len(crops), self.settings.crops_at_once):
            some = crops[first : first + self.settings.crops_at_once]
            start = time.perf_counter()
            inputs = np.stack([self._input(images[each.image], each.placement) for each in some])
            prepare_ms = milliseconds_since(start)
            start = time.perf_counter()
            passes = run_network(self.backend, self.method, inputs, self.settings.flip)
            shared = Timings(prepare_ms, milliseconds_since(start)).share(1 / len(some))
            for row, crop in enumerate(some):
                start = time.perf_counter()
                looks = [
                    Look([each[row] for each in maps], crop.placement, mirrored=bool(mirrored))
                    for mirrored, maps in enumerate(passes)
                ]
                merged = self.decoder.merge(looks)
                pose = next(filter(self._is_person, self.decoder(merged.maps, merged.placement)), None)
                pose = pose and replace(pose, score=pose.score * crop.score)
                yield pose, shared + Timings(decode_ms=milliseconds_since(start))

    def _input(self, image: ByteArray, placement: Placement) -> FloatArray:
        return prepare(image, placement, self.network.preprocessing, self.decoder.interpolation)

    def _is_person(self, pose: Pose) -> bool:
        return len(pose.found) >= self.settings.min_keypoints and pose.score >= self.settings.min_mean_score

    def _result(self, people: Sequence[tuple[Pose, float]], timings: Timings) -> Result:
        start = time.perf_counter()
        poses = [pose for pose, _ in people]
        kept = pose_nms(poses, np.array([area for _, area in people]), self.settings.nms_threshold)
        best = [poses[index] for index in kept[: self.settings.max_persons or None]]
        return Result(best, timings + Timings(decode_ms=milliseconds_since(start)))

    def _changed(self, **changes: Any) -> 'TopDown':
        other = copy.copy(self)
        vars(other).update(changes)
        return other
