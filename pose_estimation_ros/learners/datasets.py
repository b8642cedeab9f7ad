"""From what users pass to `fit` and `eval` as a dataset to images that are trained on or scored."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.data.datasets.external import DatasetIterator, ExternalDataset, FromIterator, find_external
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.wrappers import InSkeleton, Persons
from pose_estimation_ros.evaluation.scored_images import ScoredImages, coco_images, dataset_images
from pose_estimation_ros.methods.method import Method

SUBSET_FILE = 'val_subset.json'


@dataclass(frozen=True)
class DatasetNames:
    """Names in an ExternalDataset's folder."""

    images_folder: str
    annotations_file: str
    prefix: str = ''
    """Prefix of the arguments that they were given by, `val_` for validation."""


def training_images(dataset: Any, names: DatasetNames, method: Method, by_person: bool = False) -> KeypointDataset:
    """Return a dataset to train a method on, in its skeleton; raises DatasetError.

    An ExternalDataset is prepared as published; with `by_person` others get one sample for each person.
    """
    if isinstance(dataset, ExternalDataset):
        images: Any = method.training.open_coco(*find_external(dataset, names.images_folder, names.annotations_file))
        images.check_files()
    else:
        images = as_keypoint_dataset(dataset)
        images = Persons(images) if by_person else images
    return images if images.skeleton is method.skeleton else InSkeleton(images, method.skeleton)


def scored_images(
    dataset: Any, names: DatasetNames, subset: int | None = None, folder: Path | None = None
) -> ScoredImages:
    """Return a dataset's images to score, or the published choice of `subset` of them; raises DatasetError.

    The annotations of a choice go to `folder`, if one is given, as in the published code.
    """
    if isinstance(dataset, ExternalDataset):
        files = find_external(dataset, names.images_folder, names.annotations_file, names.prefix)
        images = coco_images(*files).subset(subset or 0)
    else:
        images = dataset_images(as_keypoint_dataset(dataset), subset or 0)
    if folder is not None and subset:
        write_json(make_folder(folder) / SUBSET_FILE, images.truth)
    return images


def as_keypoint_dataset(dataset: Any) -> KeypointDataset:
    """Return a user's dataset as the package's; raises DatasetError for other things."""
    if isinstance(dataset, KeypointDataset):
        return dataset
    if isinstance(dataset, DatasetIterator):
        return FromIterator(dataset)
    raise DatasetError(
        f'a dataset must be an ExternalDataset, a DatasetIterator or a KeypointDataset, got {type(dataset).__name__}'
    )
