"""Top-down estimation: boxes around people, a crop of each, one skeleton a crop."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.boxes import Boxes, PersonCrop
from pose_estimation_ros.core.geometry import PIXEL_CORNER, Affine, Letterbox
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.detectors.person_detector import PersonDetector, WholeImage
from pose_estimation_ros.inference.pipeline import Result, Timings
from pose_estimation_ros.inference.pose_nms import unlike_poses
from pose_estimation_ros.inference.preprocess import normalised
from pose_estimation_ros.methods import shared_settings
from pose_estimation_ros.methods.method import Decoder, Method, Preprocessing


@dataclass(frozen=True)
class TopDownSettings:
    """How people are cut out and put together; the defaults are the published values."""

    padding: float = setting(1.25, 'Size of a crop relative to its box.', range=(1, 4), option=None, parameter=None)
    flip: bool = False
    """See each crop mirrored too, and decode the mean."""
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
    """How a network wants its crops: what a learner knows of its model."""

    preprocessing: Preprocessing
    input_hw: tuple[int, int]
    label_corner: bool = False
    """Whether it learnt in coordinates that count from a pixel's corner, see the method's options."""

    @property
    def offset(self) -> float:
        """What its coordinates are more than this package's, in the picture's pixels."""
        return PIXEL_CORNER if self.label_corner else 0.0


@dataclass(frozen=True, eq=False)
class _Crop:
    """One person who is to be looked at: whose picture, where in it, and how sure that is."""

    picture: int
    crop: PersonCrop
    score: float

    @property
    def area(self) -> float:
        return self.crop.size[0] * self.crop.size[1]


class TopDown:
    """Runs a network on the people of pictures, many at a time; boxes come from a detector or are given."""

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
        self.stride = round(self.network.input_hw[0] / probe[0].shape[-2])

    @property
    def base_height(self) -> int:
        """Rows of a crop."""
        return self.network.input_hw[0]

    def with_settings(self, **changes: object) -> 'TopDown':
        """Return the same with other settings; they share the backend."""
        other = copy.copy(self)
        other.settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        return other

    def with_detector(self, detector: PersonDetector) -> 'TopDown':
        """Return the same with another detector; they share the backend."""
        other = copy.copy(self)
        other.detector = detector
        return other

    def with_decoder(self, decoder: Decoder) -> 'TopDown':
        """Return the same with another decoder; they share the backend."""
        other = copy.copy(self)
        other.decoder = decoder
        return other

    def __call__(self, image: ByteArray, boxes: Boxes | None = None) -> Result:
        """Find the people in an (H, W, 3) BGR picture, or take the boxes given."""
        return self.batch([image], [boxes])[0]

    def batch(self, images: Sequence[ByteArray], boxes: Sequence[Boxes | None] | None = None) -> list[Result]:
        """Find the people in several pictures; the crops of all share forward passes.

        Args:
            images: Pictures, (H, W, 3) BGR each.
            boxes: Where people are in each, None where the detector is to look.

        """
        given = boxes or [None] * len(images)
        detected = [self._boxes(image, own) for image, own in zip(images, given, strict=True)]
        crops = [
            _Crop(place, self._around(row), float(score))
            for place, (found, _) in enumerate(detected)
            for row, score in zip(found.xywh, found.scores, strict=True)
        ]
        found, spent = self._poses(images, crops)
        shares = np.bincount([each.picture for each in crops], minlength=len(images)) / max(1, len(crops))
        results = []
        for place, (_, detect_ms) in enumerate(detected):
            start = time.perf_counter()
            own = [(pose, crop.area) for pose, crop in zip(found, crops, strict=True) if pose and crop.picture == place]
            poses = self._together([pose for pose, _ in own], np.array([area for _, area in own]))
            prepare_ms, forward_ms, decode_ms = (each * float(shares[place]) for each in spent)
            decode_ms += (time.perf_counter() - start) * 1e3
            results.append(Result(poses, Timings(prepare_ms, forward_ms, decode_ms, detect_ms)))
        return results

    def prepare(self, image: ByteArray) -> FloatArray:
        """Return the network's input (1, 3, H, W) for a picture that shows one person, as calibration wants it."""
        box = WholeImage()(image).xywh[0]
        return self._input(image, PersonCrop.around(box, self.network.input_hw, 1.0))[None]

    def _boxes(self, image: ByteArray, given: Boxes | None) -> tuple[Boxes, float]:
        start = time.perf_counter()
        boxes = self.detector(image) if given is None else given
        return boxes.usable(), (time.perf_counter() - start) * 1e3 if given is None else 0.0

    def _poses(self, images: Sequence[ByteArray], crops: list[_Crop]) -> tuple[list[Pose | None], list[float]]:
        """Return a pose, or None, for each crop, and milliseconds of preparation, forward pass and decoding."""
        poses: list[Pose | None] = []
        spent = [0.0, 0.0, 0.0]
        for first in range(0, len(crops), self.settings.crops_at_once):
            some = crops[first : first + self.settings.crops_at_once]
            times = [time.perf_counter()]
            inputs = np.stack([self._input(images[each.picture], each.crop) for each in some])
            times.append(time.perf_counter())
            maps = self._maps(inputs)
            times.append(time.perf_counter())
            poses += [self._pose([each[place] for each in maps], crop) for place, crop in enumerate(some)]
            times.append(time.perf_counter())
            spent = [total + 1e3 * step for total, step in zip(spent, np.diff(times).tolist(), strict=True)]
        return poses, spent

    def _input(self, image: ByteArray, crop: PersonCrop) -> FloatArray:
        height, width = self.network.input_hw
        matrix = crop.to_network((height, width)).matrix
        cut = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
        return normalised(np.asarray(cut, np.uint8), self.network.preprocessing)

    def _maps(self, inputs: FloatArray) -> list[FloatArray]:
        """Return the network's maps (N, K, h, w), of both sides if a flip is wanted."""
        maps = self.backend(inputs)
        if not self.settings.flip:
            return maps
        mirrored = self.backend(np.ascontiguousarray(inputs[..., ::-1]))
        return [(one + other) / 2 for one, other in zip(maps, self.method.mirror_maps(mirrored), strict=True)]

    def _pose(self, maps: list[FloatArray], crop: _Crop) -> Pose | None:
        """Decode a crop's maps and bring the pose back to the picture."""
        size = self.network.input_hw
        decoded = self.decoder(maps, Letterbox(size, 1.0, size, (0, 0, 0, 0)))
        if not decoded:
            return None
        pose = decoded[0]
        if len(pose.found) < self.settings.min_keypoints or pose.score < self.settings.min_mean_score:
            return None
        moved = pose.moved(self._to_picture(crop.crop)(pose.keypoints[:, :2].astype(float)))
        return replace(moved, score=pose.score * crop.score)

    def _around(self, box: FloatArray) -> PersonCrop:
        """Return the crop around a box, in the network's coordinates."""
        offset = self.network.offset
        moved = box + np.array([offset, offset, 0, 0])
        return PersonCrop.around(moved, self.network.input_hw, self.settings.padding)

    def _to_picture(self, crop: PersonCrop) -> Affine:
        back = crop.to_network(self.network.input_hw).inverse()
        return Affine.translation(-self.network.offset, -self.network.offset) @ back

    def _together(self, poses: list[Pose], areas: FloatArray) -> list[Pose]:
        """Return a picture's people, the best first, each once."""
        kept = unlike_poses(poses, areas, self.settings.nms_threshold)
        return [poses[place] for place in kept[: self.settings.max_persons or None]]
