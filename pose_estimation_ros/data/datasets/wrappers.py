"""Datasets that change the samples of another: other skeleton, one person first, no labels, cached on disk."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray
from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.files import make_folder, write_json, written_whole
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import NOT_LABELLED

NECK, SHOULDERS = 'neck', ('right_shoulder', 'left_shoulder')


class InSkeleton(KeypointDataset):
    """A dataset whose joints are brought into another skeleton by name; joints that it lacks are not annotated."""

    def __init__(self, dataset: KeypointDataset, skeleton: Skeleton) -> None:
        self.dataset, self.skeleton = dataset, skeleton
        if not self.annotated.any():
            raise SettingsError(
                f'the skeleton {dataset.skeleton.name} of {type(dataset).__name__} has no joint of {skeleton.name}'
            )

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def annotated(self) -> BoolArray:
        """(K,): joints that the dataset labels, and the neck where it labels the shoulders."""
        return convert_annotated(self.dataset.annotated, self.dataset.skeleton, self.skeleton)

    def load_sample(self, index: int) -> Loaded:
        """Return one picture of the dataset."""
        sample = self.dataset.sample(index)
        joints = convert_joints(sample.joints, self.dataset.skeleton, self.skeleton)
        extras = {**sample.extras, 'boxes': sample.boxes, 'areas': sample.areas}
        return sample.image, sample.mask, joints, extras


def convert_joints(joints: FloatArray, source: Skeleton, target: Skeleton) -> FloatArray:
    """Return joints (P, K, 3) of one skeleton as (P, L, 3) of another, not labelled where the first has none.

    Where the first has no neck it is the middle of the shoulders: not labelled if one of them is not, visible if both
    are.
    """
    mapping = source.mapping_to(target)
    converted = np.where(mapping[:, None] >= 0, joints[:, mapping], NOT_LABELLED)
    if shoulders := _shoulders_for_neck(source, target):
        ends = joints[:, shoulders]  # (P, 2, 3)
        flag = ends[..., 2].min(axis=1)
        middle = np.where(flag[:, None] > NOT_LABELLED, ends[..., :2].mean(axis=1), 0)
        converted[:, target.keypoints.index(NECK)] = np.column_stack([middle, flag])
    return converted


def convert_annotated(annotated: BoolArray, source: Skeleton, target: Skeleton) -> BoolArray:
    """Return which joints (L,) of the target are annotated where those (K,) of the source are."""
    mapping = source.mapping_to(target)
    converted: BoolArray = (mapping >= 0) & annotated[mapping]
    if shoulders := _shoulders_for_neck(source, target):
        converted[target.keypoints.index(NECK)] = annotated[shoulders].all()
    return converted


def _shoulders_for_neck(source: Skeleton, target: Skeleton) -> list[int]:
    """Return the places of the source's shoulders if they are to make a neck."""
    wanted = NECK in target.keypoints and NECK not in source.keypoints
    return [source.keypoints.index(name) for name in SHOULDERS] if wanted and _has_shoulders(source) else []


def _has_shoulders(skeleton: Skeleton) -> bool:
    return all(name in skeleton.keypoints for name in SHOULDERS)


class Persons(KeypointDataset):
    """One item for each person with a labelled joint and a box that is not flat, who comes first in it.

    All pictures are gone through once, for how many people are in each. Raises DatasetError where there is nobody.
    """

    def __init__(self, dataset: KeypointDataset) -> None:
        self.skeleton = dataset.skeleton
        self._dataset = dataset
        self.entries = [(index, place) for index in range(len(dataset)) for place in _counted(dataset, index)]
        """Picture and person of each item."""
        if not self.entries:
            raise DatasetError(f'{type(dataset).__name__} has nobody with a labelled joint and a box')

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def annotated(self) -> BoolArray:
        """Return what the dataset says."""
        return self._dataset.annotated

    def load_sample(self, index: int) -> Loaded:
        """Return a picture with one of its people first."""
        number, place = self.entries[index]
        sample = self._dataset.sample(number)
        order = [place, *(other for other in range(len(sample.joints)) if other != place)]
        extras = {**sample.extras, 'boxes': sample.boxes[order], 'areas': sample.areas[order]}
        return sample.image, sample.mask, sample.joints[order], extras


def _counted(dataset: KeypointDataset, index: int) -> list[int]:
    sample = dataset.sample(index)
    labelled = (sample.joints[..., 2] > NOT_LABELLED).any(axis=1)
    counted: list[int] = np.flatnonzero(labelled & (sample.boxes[:, 2:] > 0).all(axis=1)).tolist()
    return counted


class Unlabelled(KeypointDataset):
    """The pictures of a dataset without its people: nothing is known of any joint, so that only a teacher can tell."""

    def __init__(self, dataset: KeypointDataset) -> None:
        self.skeleton = dataset.skeleton
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def annotated(self) -> BoolArray:
        """(K,): none."""
        return np.zeros(len(self.skeleton), bool)

    def load_sample(self, index: int) -> Loaded:
        """Return a picture of the dataset."""
        sample = self._dataset.sample(index)
        return sample.image, None, np.zeros((0, len(self.skeleton), 3)), sample.extras


DESCRIPTION = 'pictures.json'
ARRAYS = ('joints', 'boxes', 'areas')


class Kept(KeypointDataset):
    """A dataset whose samples are written to a folder when they are first asked for, and read from there afterwards.

    Any number of processes may fill the folder at once, and go on filling it another time.

    Args:
        dataset: Where pictures come from; its mask and the rest of its extras are not kept.
        folder: Of this dataset alone.
        description: What the pictures depend on; a folder made from something else is refused.

    Raises:
        SettingsError: The folder holds other pictures.
        OutputError: The folder cannot be written to.

    """

    def __init__(self, dataset: KeypointDataset, folder: Path, description: dict[str, Any]) -> None:
        self.skeleton = dataset.skeleton
        self._dataset, self._folder = dataset, folder
        path = make_folder(folder) / DESCRIPTION
        described = json.loads(json.dumps(description))
        try:
            known = json.loads(path.read_text()) if path.exists() else None
        except ValueError:
            known = None
        if known is None:
            write_json(path, described)
        elif known != described:
            raise SettingsError(f'{folder} keeps other pictures ({known}); choose another folder or remove it')

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def annotated(self) -> BoolArray:
        """Return what the dataset says."""
        return self._dataset.annotated

    def load_sample(self, index: int) -> Loaded:
        """Return a picture from the folder, making it if it is not there or not whole."""
        path = self._folder / f'{index:07d}.npz'
        try:
            return _read(path, index)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            sample = self._dataset.sample(index)
            arrays = {name: getattr(sample, name) for name in ARRAYS}
            _, png = cv2.imencode('.png', sample.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            with written_whole(path) as temporary, temporary.open('wb') as file:
                np.savez(file, image=png, **arrays)
            return _read(path, index)


def _read(path: Path, index: int) -> Loaded:
    with np.load(io.BytesIO(path.read_bytes())) as kept:
        image = cv2.imdecode(kept['image'], cv2.IMREAD_COLOR)
        joints, boxes, areas = (kept[name] for name in ARRAYS)
    return image, None, joints, {'image_id': index, 'boxes': boxes, 'areas': areas}  # type: ignore[return-value]
