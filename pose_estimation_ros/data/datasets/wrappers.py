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
from pose_estimation_ros.core.files import atomic_write, make_folder, write_json
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import NOT_LABELLED

NECK, SHOULDERS = 'neck', ('right_shoulder', 'left_shoulder')
DESCRIPTION = 'pictures.json'
ARRAYS = {'joints': 'keypoints', 'boxes': 'boxes', 'areas': 'areas'}  # Names in the cached files -> fields of a sample


class DatasetWrapper(KeypointDataset):
    """Base of datasets with the length, the skeleton and the annotated keypoints of the dataset that they wrap."""

    def __init__(self, dataset: KeypointDataset) -> None:
        self.dataset, self.skeleton = dataset, dataset.skeleton

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def annotated(self) -> BoolArray:
        """(K,): keypoints that are labelled at all."""
        return self.dataset.annotated


class InSkeleton(DatasetWrapper):
    """A dataset converted to another skeleton by keypoint names; keypoints that it lacks are not annotated."""

    def __init__(self, dataset: KeypointDataset, skeleton: Skeleton) -> None:
        super().__init__(dataset)
        self.skeleton = skeleton
        if not self.annotated.any():
            raise SettingsError(
                f'the skeleton {dataset.skeleton.name} of {type(dataset).__name__} has no keypoint of {skeleton.name}'
            )

    @property
    def annotated(self) -> BoolArray:
        """(K,): keypoints that the dataset labels, and the neck if it labels the shoulders."""
        source = self.dataset.skeleton
        flags = np.zeros((1, len(source), 3))
        flags[0, :, 2] = self.dataset.annotated
        return convert_keypoints(flags, source, self.skeleton)[0, :, 2] > NOT_LABELLED

    def load_sample(self, index: int) -> Loaded:
        sample = self.dataset.sample(index)
        keypoints = convert_keypoints(sample.keypoints, self.dataset.skeleton, self.skeleton)
        extras = {**sample.extras, 'boxes': sample.boxes, 'areas': sample.areas}
        return sample.image, sample.mask, keypoints, extras


def convert_keypoints(keypoints: FloatArray, source: Skeleton, target: Skeleton) -> FloatArray:
    """Return keypoints (P, K, 3) of one skeleton as (P, L, 3) of another; those that it lacks are not labelled.

    A neck that the source lacks is the middle of the shoulders: not labelled if one shoulder is not, visible if both
    are.
    """
    mapping = source.mapping_to(target)
    converted = np.where(mapping[:, None] >= 0, keypoints[:, mapping], NOT_LABELLED)
    if NECK in target.keypoints and NECK not in source.keypoints and set(SHOULDERS) <= set(source.keypoints):
        ends = keypoints[:, [source.keypoints.index(name) for name in SHOULDERS]]  # (P, 2, 3)
        flag = ends[..., 2].min(axis=1)
        middle = np.where(flag[:, None] > NOT_LABELLED, ends[..., :2].mean(axis=1), 0)
        converted[:, target.keypoints.index(NECK)] = np.column_stack([middle, flag])
    return converted


class Persons(DatasetWrapper):
    """One sample for each person with a labelled keypoint and a box that is not flat, who comes first in it.

    Reads all samples once to count people. Raises DatasetError if there is nobody.
    """

    def __init__(self, dataset: KeypointDataset) -> None:
        super().__init__(dataset)
        self.entries: list[tuple[int, int]] = []  # Index of the sample and index of the person in it
        for index in range(len(dataset)):
            sample = dataset.sample(index)
            labelled = (sample.keypoints[..., 2] > NOT_LABELLED).any(axis=1)
            usable = labelled & (sample.boxes[:, 2:] > 0).all(axis=1)
            self.entries += [(index, int(person)) for person in np.flatnonzero(usable)]
        if not self.entries:
            raise DatasetError(f'{type(dataset).__name__} has no person with a labelled keypoint and a box')

    def __len__(self) -> int:
        return len(self.entries)

    def load_sample(self, index: int) -> Loaded:
        number, person = self.entries[index]
        sample = self.dataset.sample(number)
        order = [person, *(other for other in range(len(sample.keypoints)) if other != person)]
        extras = {**sample.extras, 'boxes': sample.boxes[order], 'areas': sample.areas[order]}
        return sample.image, sample.mask, sample.keypoints[order], extras


class Unlabelled(DatasetWrapper):
    """The images of a dataset without its labels, for training by a teacher alone."""

    @property
    def annotated(self) -> BoolArray:
        """(K,): none."""
        return np.zeros(len(self.skeleton), bool)

    def load_sample(self, index: int) -> Loaded:
        sample = self.dataset.sample(index)
        return sample.image, None, np.zeros((0, len(self.skeleton), 3)), sample.extras


class CachedDataset(DatasetWrapper):
    """A dataset whose samples are written to a folder of its own on first use and read from there afterwards.

    Several processes may fill the folder at once, and later runs continue it. Masks and extras other than boxes and
    areas are not cached. The description is what the samples depend on: raises SettingsError if the folder has another
    one, and OutputError if it cannot be written to.
    """

    def __init__(self, dataset: KeypointDataset, folder: Path, description: dict[str, Any]) -> None:
        super().__init__(dataset)
        self._folder = folder
        path = make_folder(folder) / DESCRIPTION
        described = json.loads(json.dumps(description))
        try:
            known = json.loads(path.read_text()) if path.exists() else None
        except ValueError:
            known = None
        if known is None:
            write_json(path, described)
        elif known != described:
            raise SettingsError(f'{folder} keeps other images ({known}); choose another folder or remove it')

    def load_sample(self, index: int) -> Loaded:
        path = self._folder / f'{index:07d}.npz'
        try:
            return _read_cached(path, index)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            sample = self.dataset.sample(index)
            arrays = {name: getattr(sample, field) for name, field in ARRAYS.items()}
            _, png = cv2.imencode('.png', sample.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            with atomic_write(path) as temporary, temporary.open('wb') as file:
                np.savez(file, image=png, **arrays)
            return _read_cached(path, index)


def _read_cached(path: Path, index: int) -> Loaded:
    with np.load(io.BytesIO(path.read_bytes())) as cached:
        image = cv2.imdecode(cached['image'], cv2.IMREAD_COLOR)
        keypoints, boxes, areas = (cached[name] for name in ARRAYS)
    return image, None, keypoints, {'image_id': index, 'boxes': boxes, 'areas': areas}  # type: ignore[return-value]
