"""OpenDR's two interfaces for datasets: a folder with a type, and an iterator written by the user."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.image import Image, to_bgr
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.datasets.coco_annotations import painted_mask, people_arrays, split_crowds
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
        where = f'{type(self.iterator).__name__}[{index}]'
        item = self.iterator[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DatasetError(f'{where} must be (Image, annotations), got {type(item).__name__}')
        image, annotations = to_bgr(item[0]), item[1]
        if isinstance(annotations, np.ndarray):
            return image, None, annotations, {'image_id': index}
        if not isinstance(annotations, tuple | list) or not all(isinstance(each, Mapping) for each in annotations):
            raise DatasetError(
                f"{where}: annotations must be a list of COCO's dicts or an array (people, {len(self.skeleton)}, 3),"
                f' got {type(annotations).__name__}'
            )
        crowds, people = split_crowds(annotations, self.skeleton, where)
        keypoints, extras = people_arrays([person for person in people if person.usable], self.skeleton)
        height, width = image.shape[:2]
        return image, painted_mask((height, width), crowds, where), keypoints, {'image_id': index, **extras}


def find_external(
    dataset: ExternalDataset, images_folder_name: str, annotations_filename: str, prefix: str = ''
) -> tuple[Path, Path]:
    """Return the folder of images and the annotation file; raises DatasetError if one is missing.

    `prefix` is that of the two arguments in the caller's signature, for error messages: `val_`.
    """
    root = Path(dataset.path)
    images = find_images(root, images_folder_name, f'{prefix}images_folder_name')
    return images, find_annotations(root, annotations_filename, f'{prefix}annotations_filename')
