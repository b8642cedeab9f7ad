"""Synthetic people as a dataset of any length, with exact ground truth."""

from dataclasses import replace

import numpy as np

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.synthetic import SceneSettings, generate_image

TRAINING_SCENE = SceneSettings(person_height=(0.3, 1.0), looks=48, detail=0.5)
"""Takes about half the time of unique people with smooth outlines."""


def seed_of(seed: int, index: int) -> int:
    """Return the seed of one image of a series; other series have no image in common."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


class SyntheticPeople(KeypointDataset):
    """Images of `generate_image`, drawn on demand; the seed of the series and the index determine the image.

    Hidden keypoints have the flag 1, those outside the image 0. `size` is height and width of `count` images, `persons`
    minimum and maximum number of people; both override `settings`. Raises SettingsError.
    """

    skeleton = OPENPOSE_18

    def __init__(
        self,
        count: int,
        size: tuple[int, int] = (256, 256),
        persons: tuple[int, int] = (1, 3),
        seed: int = 0,
        settings: SceneSettings = TRAINING_SCENE,
    ) -> None:
        if count < 1 or seed < 0:
            raise SettingsError(f'count must be 1 or more and seed 0 or more, got {count} and {seed}')
        low, high = persons
        self._count, self._seed = count, seed
        self.settings = replace(settings, height=size[0], width=size[1], people=(low, high))

    def __len__(self) -> int:
        return self._count

    def load_sample(self, index: int) -> Loaded:
        frame = generate_image(seed_of(self._seed, index), self.settings)
        keypoints = np.array([person.keypoints for person in frame.people]).reshape(-1, len(OPENPOSE_18), 3)
        extras = {
            'image_id': index,
            'boxes': np.array([person.bbox for person in frame.people]).reshape(-1, 4),
            'areas': np.array([person.area for person in frame.people], float),
        }
        return frame.image, None, keypoints, extras
