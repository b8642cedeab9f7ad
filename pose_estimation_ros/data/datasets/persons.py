"""Any dataset with one item a person, for methods that look at one person at a time."""

import numpy as np

from pose_estimation_ros.core.arrays import BoolArray
from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import NOT_LABELLED


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
