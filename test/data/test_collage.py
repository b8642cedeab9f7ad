"""Images put together, and images without their labels."""

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.data.datasets.collage import Collage
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.wrappers import Unlabelled


class Spots(KeypointDataset):
    """One soft spot an image, at the nose of its one person; images are of different shapes."""

    def __len__(self):
        return 5

    def load_sample(self, index):
        height, width = 60 + 13 * index, 110 - 9 * index
        xy = np.array([width * 0.4, height * 0.6])
        rows, columns = np.mgrid[:height, :width]
        spot = 255 * np.exp(-((columns - xy[0]) ** 2 + (rows - xy[1]) ** 2) / 4.5)
        keypoints = np.zeros((1, 17, 3))
        keypoints[0, 0] = *xy, 2
        mask = np.ones((height, width), np.uint8)
        mask[:, : width // 4] = 0
        image = np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2)
        return image, mask, keypoints, {'boxes': np.array([[*xy - 5, 10, 10]]), 'areas': np.array([100.0])}


def brightest_near(image, xy, reach=9):
    """Centre of the light around a place."""
    column, row = np.round(xy).astype(int)
    part = image[row - reach : row + reach + 1, column - reach : column + reach + 1, 0].astype(float) ** 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.array([column + (columns * part).sum() / part.sum(), row + (rows * part).sum() / part.sum()])


@pytest.mark.parametrize('cell', [(64, 64), (90, 50), (160, 200)])
@pytest.mark.parametrize('index', range(5))
def test_keypoints_stay_on_their_pixels(cell, index):
    sample = Collage(Spots(), 2, 3, cell).sample(index)
    assert sample.image.shape == (2 * cell[0], 3 * cell[1], 3)
    assert len(sample.keypoints) == len(sample.boxes) == len(sample.areas) == 6
    for person, box in zip(sample.keypoints, sample.boxes, strict=True):
        nose = person[0, :2]
        assert np.abs(brightest_near(sample.image, nose) - nose).max() < 0.3
        assert np.allclose(box[:2] + box[2:] / 2, nose, atol=0.51)  # boxes are scaled, corners mapped


def test_first_cell_shows_the_image_itself():
    whole = Collage(Spots(), 1, 1, (73, 101))
    alone = Spots().sample(1)
    assert np.array_equal(whole.sample(1).image, alone.image)
    assert np.array_equal(whole.sample(1).mask, alone.mask)
    assert np.allclose(whole.sample(1).keypoints, alone.keypoints)


def test_the_same_index_gives_the_same_collage_and_seeds_differ():
    collages = [Collage(Spots(), seed=seed).sample(0).image for seed in (0, 0, 1)]
    assert np.array_equal(collages[0], collages[1])
    assert not np.array_equal(collages[0], collages[2])


@pytest.mark.parametrize('settings', [{'rows': 0}, {'columns': 0}, {'cell': (0, 9)}])
def test_collages_that_are_none(settings):
    with pytest.raises(SettingsError, match='a collage needs 1 row, column and pixel or more'):
        Collage(Spots(), **settings)


def test_unlabelled_images_say_nothing_of_people():
    bare, labelled = Unlabelled(Spots()).sample(2), Spots().sample(2)
    assert np.array_equal(bare.image, labelled.image)
    assert bare.keypoints.shape == (0, len(COCO_17), 3)
    assert not bare.annotated.any()
    assert bare.mask.all()
