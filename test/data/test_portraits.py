"""Windows around people, turned until they stand."""

from dataclasses import replace

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.core.skeleton import LEEDS_14, Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.portraits import Portraits
from pose_estimation_ros.methods.systems import find_method
from pose_estimation_ros.training.pose.datasets import training_dataset
from pose_estimation_ros.training.pose.recipe import DatasetSettings

ANGLES = (0, 30, 90, 150, 180, -120, -45)
HW = (180, 240)


class Turned(KeypointDataset):
    """One person an image, leaning by so many degrees, with a soft spot at each hip and at the neck."""

    skeleton = LEEDS_14

    def __init__(self, torso=True):
        self._torso = torso

    def __len__(self):
        return len(ANGLES)

    def load_sample(self, index):
        names = LEEDS_14.keypoints
        standing = {'upper_neck': (100, 70), 'left_hip': (107, 110), 'right_hip': (93, 110), 'left_ankle': (104, 150)}
        turn = Affine.rotation(ANGLES[index], (110, 95))
        keypoints = np.zeros((1, len(names), 3))
        light = np.full(HW, 60.0)
        rows, columns = np.mgrid[: HW[0], : HW[1]]
        for name, xy in standing.items():
            x, y = turn(np.array([xy], float))[0]
            light += 190 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
            labelled = self._torso or 'hip' not in name
            keypoints[0, names.index(name)] = (x, y, 2) if labelled else 0
        image = np.repeat(light.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
        return image, None, keypoints, {'path': f'{index}.png'}


def brightest_near(image, xy, reach=5):
    """Centre of the light around a place."""
    column, row = np.round(xy).astype(int)
    part = image[row - reach : row + reach + 1, column - reach : column + reach + 1, 0].astype(float) - 60
    part = part.clip(0) ** 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.array([column + (columns * part).sum() / part.sum(), row + (rows * part).sum() / part.sum()])


@pytest.mark.parametrize('index', range(len(ANGLES)))
def test_people_stand_and_keypoints_stay_on_their_pixels(index):
    sample = Portraits(Turned(), (1.8, 2.4)).sample(index)
    place = {
        name: sample.keypoints[0, LEEDS_14.keypoints.index(name)] for name in ('upper_neck', 'left_hip', 'right_hip')
    }
    x, y = (place['left_hip'] + place['right_hip'])[:2] / 2 - place['upper_neck'][:2]
    assert abs(np.degrees(np.arctan2(x, y))) < 0.1
    assert place['left_hip'][0] > place['right_hip'][0]  # turned, not mirrored
    for x, y, _ in place.values():
        assert np.abs(brightest_near(sample.image, (x, y)) - (x, y)).max() < 0.3
    assert sample.extras['path'] == f'{index}.png'


def test_windows_are_squares_of_the_asked_size_without_borders():
    """The person is 80 high, unturned."""
    sides = []
    for seed in range(30):
        sample = Portraits(Turned(), (1.5, 3.0), seed).sample(0)
        assert sample.image.shape[0] == sample.image.shape[1]
        assert sample.image.min() >= 55  # no black beside the image
        sides.append(sample.image.shape[0])
    assert 120 <= min(sides) < 150
    assert 210 < max(sides) <= 240


def test_keypoints_outside_of_the_window_are_not_labelled():
    cut = [Portraits(Turned(), (0.5, 0.5), seed).sample(0) for seed in range(10)]
    for sample in cut:
        inside = ((sample.keypoints[0, :, :2] >= -0.5) & (sample.keypoints[0, :, :2] <= 39.5)).all(axis=1)
        assert not sample.keypoints[0, ~inside, 2].any()
    assert min((sample.keypoints[0, :, 2] > 0).sum() for sample in cut) < 4


def test_the_same_index_gives_the_same_window_and_seeds_differ():
    one, again, other = (Portraits(Turned(), (1, 2), seed).sample(1).image for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_images_without_a_torso_stay_as_they_are():
    dataset = Turned(torso=False)
    whole, portrait = dataset.sample(1), Portraits(dataset, (1, 2)).sample(1)
    assert np.array_equal(portrait.image, whole.image)
    assert np.array_equal(portrait.keypoints, whole.keypoints)


def test_recipes_crop_any_dataset():
    """To the recipe's sizes, whatever the dataset's images are."""
    drawn = DatasetSettings('synthetic', count=3, size=(90, 160), persons=(1, 1), person_height=(0.5, 0.5), seed=4)
    method = find_method('lightweight_openpose')
    whole = training_dataset([drawn], '.', method)
    cut = training_dataset([replace(drawn, portraits=(2.0, 2.0))], '.', method)
    for index in range(3):
        side = cut.sample(index).image.shape[0]
        person = whole.sample(index).keypoints[0]
        extent = np.ptp(person[person[:, 2] > 0, :2], axis=0).max()
        assert whole.sample(index).image.shape == (90, 160, 3)
        assert cut.sample(index).image.shape == (side, side, 3)
        assert 0.8 < side / (2 * extent) < 1.25  # measured after turning


@pytest.mark.parametrize('around', [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_windows_of_no_size_are_refused(around):
    with pytest.raises(SettingsError, match=r'around must be minimum and maximum side of a window, above 0, got \['):
        Portraits(Turned(), around)


def test_people_without_a_torso_are_refused():
    dataset = Turned()
    dataset.skeleton = Skeleton('odd', ('nose',), ('nose',), (), (0.1,))
    with pytest.raises(SettingsError, match='portraits need shoulders or a neck, and hips; odd lacks them'):
        Portraits(dataset)
