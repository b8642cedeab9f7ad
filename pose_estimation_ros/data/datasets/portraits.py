"""Pictures cut around their first person, who stands upright."""

from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import NOT_LABELLED

TOPS = ('neck', 'upper_neck', 'left_shoulder', 'right_shoulder')
BOTTOMS = ('left_hip', 'right_hip')
SHIFT = 0.2
"""How far a window's middle lies from the person's, at most, in shares of the window."""


class Portraits(KeypointDataset):
    """Square windows of a dataset's pictures around the first person of each, turned until the torso is upright.

    Sports are full of leaps, handstands and somersaults of small people, whom networks that learnt from everyday
    pictures do not recognise. What a picture does not fill of its window is its mirror image. Pictures without a
    labelled torso stay as they are. The same index gives the same window each time.

    Args:
        dataset: Annotated pictures.
        around: Least and greatest side of a window, in sizes of the person (the greater side of the joints' box).
        seed: Of the windows.

    Raises:
        SettingsError: The dataset's people have no torso, or `around` is no range.

    """

    def __init__(self, dataset: KeypointDataset, around: tuple[float, float] = (1.1, 2.4), seed: int = 0) -> None:
        if not 0 < around[0] <= around[1]:
            raise SettingsError(f'around must be least and greatest side of a window, above 0, got {list(around)}')
        self.skeleton = dataset.skeleton
        self._dataset, self._around, self._seed = dataset, around, seed
        names = self.skeleton.keypoints
        self._tops = [names.index(name) for name in TOPS if name in names]
        self._bottoms = [names.index(name) for name in BOTTOMS if name in names]
        if not self._tops or not self._bottoms:
            raise SettingsError(f'portraits need shoulders or a neck, and hips; {self.skeleton.name} lacks them')

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def annotated(self) -> BoolArray:
        """Return what the dataset says."""
        return self._dataset.annotated

    def load_sample(self, index: int) -> Loaded:
        """Cut a window out of a picture."""
        sample = self._dataset.sample(index)
        told = {'image_id': index, 'path': sample.extras.get('path', '')}
        torso = self._torso(sample.joints)
        if torso is None:
            return sample.image, sample.mask, sample.joints, told
        affine, side = self._window(sample.joints[0], torso, np.random.default_rng([self._seed, index]))
        matrix, size = affine.matrix, (side, side)
        image: Any = cv2.warpAffine(
            sample.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        mask: Any = cv2.warpAffine(sample.mask, matrix, size, flags=cv2.INTER_NEAREST)
        joints = sample.joints.copy()
        joints[..., :2] = affine(joints[..., :2])
        outside = ((joints[..., :2] < -0.5) | (joints[..., :2] > side - 0.5)).any(axis=-1)
        joints[..., 2] = np.where(outside, NOT_LABELLED, joints[..., 2])
        return image, mask, joints, told

    def _window(self, person: FloatArray, torso: FloatArray, rng: np.random.Generator) -> tuple[Affine, int]:
        """Return the map from the picture to the window, and its side in pixels."""
        degrees = float(np.degrees(np.arctan2(torso[0], torso[1])))  # 0: straight down
        turn = Affine.rotation(degrees, (0.0, 0.0))
        joints = turn(person[person[:, 2] > NOT_LABELLED, :2])
        low, high = joints.min(axis=0), joints.max(axis=0)
        side = max(2, round(float((high - low).max()) * rng.uniform(*self._around)))
        corner = (low + high) / 2 + rng.uniform(-SHIFT, SHIFT, 2) * side - (side - 1) / 2
        return Affine.translation(*-corner) @ turn, side

    def _torso(self, joints: FloatArray) -> FloatArray | None:
        """Return the way (2,) from the first person's shoulders to the hips, None where these are not labelled."""
        if not len(joints):
            return None
        ends = []
        for names in (self._tops, self._bottoms):
            labelled = joints[0, names][joints[0, names, 2] > NOT_LABELLED]
            if not len(labelled):
                return None
            ends.append(labelled[:, :2].mean(axis=0))
        way: FloatArray = ends[1] - ends[0]
        return way if np.hypot(*way) > 1 else None
