"""The interface of datasets of annotated people, and checks of what `load_sample` returns."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, ByteArray, FloatArray
from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.sample import NOT_LABELLED, Sample, boxes_of


def checked(loaded: Any, skeleton: Skeleton, annotated: BoolArray, where: str) -> Sample:
    """Return a sample; raises DatasetError, which names `where` the data come from."""
    if not isinstance(loaded, tuple) or len(loaded) != 4:
        raise DatasetError(f'{where} must return the tuple (image, mask, keypoints, extras), got {_describe(loaded)}')
    image, mask, keypoints, extras = loaded
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
        raise DatasetError(
            f'{where}: image must be HxWx3 uint8 (BGR, as cv2.imread reads it), got {_describe(image)}'
            + ('; is its path right?' if image is None else '')
        )
    keypoints = _keypoints(keypoints, skeleton, where)
    if not isinstance(extras, dict):
        raise DatasetError(f'{where}: extras must be a dict, got {_describe(extras)}; return {{}} where there are none')
    boxes = _per_person(extras, 'boxes', (len(keypoints), 4), where)
    boxes = boxes_of(keypoints) if boxes is None else boxes
    areas = _per_person(extras, 'areas', (len(keypoints),), where)
    areas = boxes[:, 2] * boxes[:, 3] if areas is None else areas
    if np.shape(annotated) != (len(skeleton),) or np.asarray(annotated).dtype != bool:
        raise DatasetError(
            f"{where}: the dataset's `annotated` must be ({len(skeleton)},) bool, got {_describe(annotated)}"
        )
    others = {name: value for name, value in extras.items() if name not in ('boxes', 'areas')}
    mask = _mask(mask, image.shape[:2], where)
    return Sample(image, mask, keypoints, boxes, areas, np.asarray(annotated), others)


def _mask(mask: Any, image_hw: tuple[int, ...], where: str) -> ByteArray:
    if mask is None:
        return np.ones(image_hw, np.uint8)
    if not isinstance(mask, np.ndarray) or mask.dtype.kind not in 'buif' or mask.shape != image_hw:
        raise DatasetError(
            f'{where}: mask must be {image_hw[0]}x{image_hw[1]} like the image, 0 where nobody annotated and 1'
            f' elsewhere, got {_describe(mask)}; return None where all of the image is annotated'
        )
    return (mask > 0).astype(np.uint8)


def _keypoints(keypoints: Any, skeleton: Skeleton, where: str) -> FloatArray:
    shape = f'(people, {len(skeleton)}, 3) x, y, flag'
    try:
        array = np.asarray(keypoints, dtype=float)
    except (TypeError, ValueError) as error:
        raise DatasetError(f'{where}: keypoints must be numbers {shape}, got {_describe(keypoints)}') from error
    if array.size == 0 and array.shape[:1] == (0,):
        return np.zeros((0, len(skeleton), 3))
    if array.ndim != 3 or array.shape[1:] != (len(skeleton), 3):
        raise DatasetError(
            f'{where}: keypoints must be {shape} for the skeleton {skeleton.name}, got {_describe(array)}; set the'
            " class's `skeleton` if it is another"
        )
    flags = array[..., 2]
    if (wrong := ~np.isin(flags, (0, 1, 2))).any():
        raise DatasetError(
            f"{where}: the last column of keypoints must be COCO's flag (0 not labelled, 1 hidden, 2 visible),"
            f' got {flags[wrong][0]}'
        )
    labelled = flags > NOT_LABELLED
    broken = np.argwhere(labelled & ~np.isfinite(array[..., :2]).all(axis=-1))
    if len(broken):
        person, keypoint = broken[0]
        raise DatasetError(
            f'{where}: {skeleton.keypoints[keypoint]} of person {person} is labelled, but lies at'
            f' {array[person, keypoint, :2].tolist()}; give it the flag 0'
        )
    return np.where(labelled[..., None], array, NOT_LABELLED)


def _per_person(extras: dict[str, Any], name: str, shape: tuple[int, ...], where: str) -> FloatArray | None:
    if extras.get(name) is None:
        return None
    try:
        values = np.asarray(extras[name], dtype=float).reshape(shape)
    except (TypeError, ValueError) as error:
        got = _describe(extras[name])
        raise DatasetError(f"{where}: extras['{name}'] must be {shape}, one row a person, got {got}") from error
    if not np.isfinite(values).all() or (values if values.ndim == 1 else values[:, 2:]).min(initial=0) < 0:
        raise DatasetError(f"{where}: extras['{name}'] must be finite, and sizes not negative, got {values.tolist()}")
    return values


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f'{value.shape} {value.dtype}'
    return f'{type(value).__name__} of {len(value)}' if isinstance(value, tuple | list) else type(value).__name__


Loaded = tuple[ByteArray, AnyArray | None, AnyArray, dict[str, Any]]


class KeypointDataset(ABC):
    """Base of datasets: a subclass implements `__len__` and `load_sample`, and sets `skeleton` unless it is COCO's.

    One that labels only some keypoints of its skeleton overrides `annotated`.
    """

    skeleton: Skeleton = COCO_17

    @property
    def annotated(self) -> BoolArray:
        """(K,): keypoints that are labelled at all."""
        return np.ones(len(self.skeleton), bool)

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def load_sample(self, index: int) -> Loaded:
        """Return image, mask, keypoints and extras of a sample.

        The image is (H, W, 3) uint8 BGR. The mask (H, W) is 0 in parts that nobody annotated; None if there are none.
        Keypoints are (P, K, 3): x, y and COCO's flag. Extras are anything else by name; 'boxes' (P, 4) x, y,
        width, height and 'areas' (P,) of whole people are calculated from the keypoints if they are missing.
        """

    def sample(self, index: int) -> Sample:
        """Return a checked sample; raises IndexError, and DatasetError if `load_sample` returns invalid data."""
        if not 0 <= index < len(self):
            raise IndexError(
                f'{type(self).__name__} has no sample {index}; its {len(self)} samples are numbered from 0'
            )
        where = f'{type(self).__name__}.load_sample({index})'
        return checked(self.load_sample(int(index)), self.skeleton, self.annotated, where)
