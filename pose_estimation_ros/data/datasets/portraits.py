"""Windows around the first person of each image, turned upright."""

from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.wrappers import DatasetWrapper
from pose_estimation_ros.data.sample import NOT_LABELLED

TOPS = ('neck', 'upper_neck', 'left_shoulder', 'right_shoulder')
BOTTOMS = ('left_hip', 'right_hip')
SHIFT = 0.2  # Maximum distance of a window's centre from the person's, as a share of the window


class Portraits(DatasetWrapper):
    """Square windows of a dataset's images around the first person of each, turned until the torso is upright.

    Images of sports show leaps, handstands and somersaults of small people, which networks trained on everyday images
    do not recognise. Parts of a window outside the image show its reflection. Images without a labelled torso stay as
    they are. `around` is the range of a window's side, as multiples of the longer side of the keypoints' box; seed and
    index determine the window. Raises SettingsError if the skeleton has no shoulders or hips.
    """

    def __init__(self, dataset: KeypointDataset, around: tuple[float, float] = (1.1, 2.4), seed: int = 0) -> None:
        if not 0 < around[0] <= around[1]:
            raise SettingsError(f'around must be minimum and maximum side of a window, above 0, got {list(around)}')
        super().__init__(dataset)
        self._around, self._seed = around, seed
        names = self.skeleton.keypoints
        self._tops = [names.index(name) for name in TOPS if name in names]
        self._bottoms = [names.index(name) for name in BOTTOMS if name in names]
        if not self._tops or not self._bottoms:
            raise SettingsError(f'portraits need shoulders or a neck, and hips; {self.skeleton.name} lacks them')

    def load_sample(self, index: int) -> Loaded:
        sample = self.dataset.sample(index)
        extras = {'image_id': index, 'path': sample.extras.get('path', '')}
        torso = self._torso(sample.keypoints)
        if torso is None:
            return sample.image, sample.mask, sample.keypoints, extras
        affine, side = self._window(sample.keypoints[0], torso, np.random.default_rng([self._seed, index]))
        matrix, size = affine.matrix, (side, side)
        image: Any = cv2.warpAffine(
            sample.image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        mask: Any = cv2.warpAffine(sample.mask, matrix, size, flags=cv2.INTER_NEAREST)
        keypoints = sample.keypoints.copy()
        keypoints[..., :2] = affine(keypoints[..., :2])
        outside = ((keypoints[..., :2] < -0.5) | (keypoints[..., :2] > side - 0.5)).any(axis=-1)
        keypoints[..., 2] = np.where(outside, NOT_LABELLED, keypoints[..., 2])
        return image, mask, keypoints, extras

    def _window(self, person: FloatArray, torso: FloatArray, rng: np.random.Generator) -> tuple[Affine, int]:
        """Return the map from the image to the window, and its side in pixels."""
        degrees = float(np.degrees(np.arctan2(torso[0], torso[1])))  # 0: straight down
        turn = Affine.rotation(degrees, (0.0, 0.0))
        keypoints = turn(person[person[:, 2] > NOT_LABELLED, :2])
        low, high = keypoints.min(axis=0), keypoints.max(axis=0)
        side = max(2, round(float((high - low).max()) * rng.uniform(*self._around)))
        corner = (low + high) / 2 + rng.uniform(-SHIFT, SHIFT, 2) * side - (side - 1) / 2
        return Affine.translation(*-corner) @ turn, side

    def _torso(self, keypoints: FloatArray) -> FloatArray | None:
        """Return the vector (2,) from the first person's shoulders to the hips, None if these are not labelled."""
        ends = []
        for names in (self._tops, self._bottoms):
            person = keypoints[:1, names].reshape(-1, 3)
            labelled = person[person[:, 2] > NOT_LABELLED]
            if not len(labelled):
                return None
            ends.append(labelled[:, :2].mean(axis=0))
        torso: FloatArray = ends[1] - ends[0]
        return torso if np.hypot(*torso) > 1 else None
