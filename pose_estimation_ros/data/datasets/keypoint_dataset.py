"""What every dataset of annotated people is: a number of pictures, each loaded by its index."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, ByteArray
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.datasets.checks import checked
from pose_estimation_ros.data.sample import Sample

Loaded = tuple[ByteArray, AnyArray | None, AnyArray, dict[str, Any]]


class KeypointDataset(ABC):
    """Base of datasets: a subclass writes `__len__` and `load_sample`, and `skeleton` unless it is COCO's.

    One that labels only some joints of its skeleton returns these from `annotated`.
    """

    skeleton: Skeleton = COCO_17

    @property
    def annotated(self) -> BoolArray:
        """(K,): joints that are labelled at all."""
        return np.ones(len(self.skeleton), bool)

    @abstractmethod
    def __len__(self) -> int:
        """Return how many pictures there are."""

    @abstractmethod
    def load_sample(self, index: int) -> Loaded:
        """Return one picture as image, mask, joints and extras.

        The image is (H, W, 3) uint8 BGR. The mask (H, W) is 0 where nobody annotated people, None means nowhere.
        Joints are (P, K, 3): x and y in pixels and COCO's flag. Extras are anything else by name; 'boxes' (P, 4: x, y,
        width, height) and 'areas' (P,) of whole people are taken over, or made from the joints.
        """

    def sample(self, index: int) -> Sample:
        """Return one picture, checked; raises IndexError, and DatasetError for what load_sample should not return."""
        if not 0 <= index < len(self):
            raise IndexError(
                f'{type(self).__name__} has no sample {index}; its {len(self)} samples are numbered from 0'
            )
        where = f'{type(self).__name__}.load_sample({index})'
        return checked(self.load_sample(int(index)), self.skeleton, self.annotated, where)
