"""OpenDR's two interfaces for datasets: a folder with a type, and an iterator written by the user."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.image import Image, to_bgr
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.datasets.coco import CocoKeypoints
from pose_estimation_ros.data.datasets.coco_annotations import painted_mask, parse_person
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.layout import find_annotations, find_images


class ExternalDataset:
    """A folder with a dataset of a published type; only 'COCO' (in any case) is supported."""

    def __init__(self, path: str | Path, dataset_type: str) -> None:
        if not isinstance(dataset_type, str) or dataset_type.lower() != 'coco':
            raise DatasetError(f"dataset_type must be 'COCO', got {dataset_type!r}; write a DatasetIterator for others")
        self.path, self.dataset_type = str(path), dataset_type


class DatasetIterator(ABC):
    """A dataset written by the user: items are an Image and its annotations.

    Annotations are COCO's dicts of one image (`keypoints`, optionally `bbox`, `area`, `iscrowd` and `segmentation`), or
    an array (P, K, 3) of x, y and COCO's flag.
    """

    @abstractmethod
    def __getitem__(self, index: int) -> tuple[Image, Any]:
        """Return one image and its annotations."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""


class FromIterator(KeypointDataset):
    """A DatasetIterator as a KeypointDataset."""

    def __init__(self, iterator: DatasetIterator, skeleton: Skeleton = COCO_17) -> None:
        self.iterator, self.skeleton = iterator, skeleton

    def __len__(self) -> int:
        return len(self.iterator)

    def load_sample(self, index: int) -> Loaded:
        """Return one of the iterator's items."""
        where = f'{type(self.iterator).__name__}[{index}]'
        item = self.iterator[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DatasetError(f'{where} must be (Image, annotations), got {type(item).__name__}')
        image, extras = to_bgr(item[0]), {'image_id': index}
        annotations = item[1]
        if isinstance(annotations, np.ndarray):
            return image, None, annotations, extras
        if not isinstance(annotations, tuple | list) or not all(isinstance(each, Mapping) for each in annotations):
            raise DatasetError(
                f"{where}: annotations must be a list of COCO's dicts or an array (people, {len(self.skeleton)}, 3),"
                f' got {type(annotations).__name__}'
            )
        return self._from_dicts(image, annotations, extras, where)

    def _from_dicts(
        self, image: Any, annotations: list[Mapping[str, Any]] | tuple[Mapping[str, Any], ...], extras: Any, where: str
    ) -> Loaded:
        crowds = [each.get('segmentation') for each in annotations if each.get('iscrowd')]
        parsed = [parse_person(each, self.skeleton, where) for each in annotations if not each.get('iscrowd')]
        people = [person for person in parsed if person.usable]
        extras['boxes'] = np.array([person.box for person in people]).reshape(-1, 4)
        extras['areas'] = np.array([person.area for person in people])
        keypoints = np.array([person.keypoints for person in people]).reshape(-1, len(self.skeleton), 3)
        return image, painted_mask(image.shape[:2], crowds, where), keypoints, extras


def find_external(
    dataset: ExternalDataset, images_folder_name: str, annotations_filename: str, prefix: str = ''
) -> tuple[Path, Path]:
    """Return the folder of images and the annotation file; raises DatasetError if one is missing.

    `prefix` is that of the two arguments in the caller's signature, for error messages: `val_`.
    """
    root = Path(dataset.path)
    images = find_images(root, images_folder_name, f'{prefix}images_folder_name')
    return images, find_annotations(root, annotations_filename, f'{prefix}annotations_filename')


def open_external(dataset: ExternalDataset, images_folder_name: str, annotations_filename: str) -> CocoKeypoints:
    """Open a COCO dataset by the names of its image folder and annotation file; raises DatasetError."""
    return CocoKeypoints(*find_external(dataset, images_folder_name, annotations_filename))
