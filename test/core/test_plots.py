"""Plots: pixels of the published code on the same OpenCV, colours and sizes on any."""

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.plots import (
    COLOURS,
    grid,
    heatmap_overlay,
    side_by_side,
    skeletons_by_limb,
    skeletons_by_person,
    text_box,
)
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.scatter import Labels, points_of, scatter
from pose_estimation_ros.core.skeleton import COCO_17

same_opencv = pytest.mark.skipif(cv2.__version__ != '5.0.0', reason='pixels were drawn by OpenCV 5.0.0')


@pytest.fixture(scope='module')
def plots(golden):
    return golden('plots_thawro')


def bgr(image):
    return np.ascontiguousarray(image[..., ::-1])


@pytest.fixture
def people(plots):
    pairs = zip(plots['connections_coords'], plots['connections_scores'], strict=True)
    return [Pose(np.column_stack([xy, scores]), 1.0, COCO_17) for xy, scores in pairs]


@same_opencv
def test_golden_heatmaps(plots):
    for number, heatmap in enumerate(plots['heat_maps']):
        drawn = heatmap_overlay(bgr(plots['heat_image']), heatmap)
        assert (drawn == bgr(plots['heat_clipped'][number])).all()
        # The reference's range from -1 to 0 wraps around in uint8: one level off, and the lowest value is blue to red.
        stretched = heatmap_overlay(bgr(plots['heat_image']), heatmap, stretch=True).astype(int)
        assert np.abs(stretched - bgr(plots['heat_minmax'][number])).mean() < 1.5


def test_a_flat_heatmap_can_be_stretched():
    image = np.full((4, 5, 3), 100, np.uint8)
    assert (
        len(np.unique(heatmap_overlay(image, np.full((4, 5), 0.3, np.float32), stretch=True).reshape(-1, 3), axis=0))
        == 1
    )


def test_golden_grid_and_row(plots):
    images = [bgr(image) for image in plots['heat_minmax']]
    drawn = grid([*images, *images], 2)
    assert (drawn == bgr(plots['grid_of_4_in_2_rows'])).all()
    row = side_by_side([drawn, images[0]]).astype(int)
    assert row.shape == plots['side_by_side'].shape
    assert np.abs(row - bgr(plots['side_by_side'])).max() <= 1


def test_an_incomplete_row_of_a_grid_stays_black():
    drawn = grid([np.full((2, 3, 3), 9, np.uint8)] * 3, 2)
    assert drawn.shape == (2 * 7 + 5, 2 * 8 + 5, 3)
    assert not drawn[12:14, 13:16].any()


def test_golden_colours(plots):
    assert [colour[::-1] for colour in COLOURS] == [tuple(colour) for colour in plots['colours_rgb'].tolist()]


@same_opencv
def test_golden_skeletons(plots, people):
    limbs = [tuple(limb) for limb in plots['limbs'].tolist()]
    image = bgr(plots['connections_image'])
    assert (skeletons_by_person(image, people, 0.05, limbs) == bgr(plots['connections_by_person'])).all()
    assert (skeletons_by_limb(image, people, 0.05, limbs) == bgr(plots['connections_by_limb'])).all()
    assert (image == bgr(plots['connections_image'])).all()


def test_keypoints_below_the_minimum_score_are_not_drawn(people):
    image = np.zeros((210, 130, 3), np.uint8)
    assert not skeletons_by_person(image, people, 1.1).any()
    nobody = Pose(np.full((17, 3), np.nan), 0.0, COCO_17)
    assert not skeletons_by_person(image, [nobody], 0.0).any()


def test_golden_embedding_points(plots):
    rows = []
    for dimension, tags in enumerate(np.moveaxis(plots['embedding_tags'], -1, 0)):
        for point in points_of(tags):
            rows.append([point.value, point.row, *(np.array(point.colour[::-1]) / 255), dimension])
    assert np.array(rows) == pytest.approx(plots['embedding_points_x_y_rgb_dimension'], abs=1e-6)


def test_points_without_a_value_are_left_out():
    assert [point.row for point in points_of(np.array([[0.5, np.nan, 1.5]]))] == [0, 2]


def test_a_scatter_plot_shows_each_point_in_its_colour():
    labels = Labels('Embedding dim = 0', 'Embedding values', 'Keypoint index')
    values = np.array([[0.0, 0.5, 1.0], [3.0, 3.1, 3.2]])
    plot = scatter(points_of(values), 3, labels)
    assert plot.shape == (600, 600, 3)
    for person in (0, 1):
        count, _, _, centres = cv2.connectedComponentsWithStats((plot == COLOURS[person]).all(axis=2).astype(np.uint8))
        assert count == 4
        assert (np.diff(centres[1:, 0]) < 0).all()  # higher rows have greater values and come first
    empty = scatter([], 3, labels)
    assert empty.shape == plot.shape
    assert scatter(points_of(np.array([[2.0]])), 1, labels).shape == plot.shape


@pytest.mark.parametrize('at_end', [False, True])
def test_text_stands_on_a_box_in_a_corner(at_end):
    image = np.zeros((120, 200, 3), np.uint8)
    text_box(image, ['one', 'two'], 0.5, (80, 160, 240), 0.5, at_end)
    drawn = np.rot90(image, 2) if at_end else image
    assert drawn[0, 0].tolist() == [40, 80, 120]
    assert (image == 255).all(axis=2).any()  # the letters
    rows, columns = np.nonzero(image.any(axis=2))
    assert np.ptp(rows) < 80
    assert np.ptp(columns) < 100


def test_a_box_of_text_larger_than_the_image_is_cut():
    image = np.zeros((8, 8, 3), np.uint8)
    text_box(image, ['a long line'], 0.5, at_end=True)
    assert image.any()
