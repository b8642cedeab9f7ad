"""Pictures whose labels are not to be believed."""

import numpy as np

from pose_estimation_ros.core.arrays import BoolArray
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded


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
