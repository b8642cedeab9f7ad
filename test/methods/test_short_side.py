"""Placement by the short side: the reference's sizes, very long images and tiny ones, inputs of fixed size."""

import numpy as np
import pytest

from pose_estimation_ros.methods.method import InputSize
from pose_estimation_ros.methods.short_side import LABEL_OFFSET, place_by_short_side


def corners(placed, image_hw):
    """The image's corners in the input, the offset of labels aside."""
    points = np.array([[0, 0], [image_hw[1], image_hw[0]]], float) - LABEL_OFFSET
    return placed.image_to_network()(points)


def test_sizes_and_maps_are_the_reference_codes(golden):
    rows = golden('sizes_bottomup')['sizes']
    assert len(rows) == 90
    for height, width, side, scale, least, columns, lines, x, y, across, _ in rows:
        size = InputSize(int(side), 4, scale, least)
        placed = place_by_short_side((int(height), int(width)), size)
        assert placed.network_hw == (lines, columns)
        factor = columns / (across * 200)
        expected = [[factor, 0, columns / 2 - factor * x], [0, factor, lines / 2 - factor * y]]
        assert placed.affine.matrix == pytest.approx(np.array(expected), rel=1e-12, abs=1e-9)
        assert placed.label_offset == LABEL_OFFSET


@pytest.mark.parametrize(
    ('image_hw', 'network_hw'),
    [((1, 1), (128, 128)), ((100, 1000), (128, 1280)), ((1000, 100), (1280, 128)), ((2, 3000), (128, 1280))],
)
def test_inputs_are_at_most_ten_times_as_long_as_high(image_hw, network_hw):
    placed = place_by_short_side(image_hw, InputSize(128, 4))
    assert placed.network_hw == network_hw
    image = np.full((*image_hw, 3), 200, np.uint8)
    assert placed.resample(image).shape == (*network_hw, 3)
    assert placed.resample(image).max() > 0


@pytest.mark.parametrize('image_hw', [(10, 3000), (3000, 10), (1, 64), (299, 3000)])
def test_long_images_fit_whole(image_hw):
    placed = place_by_short_side(image_hw, InputSize(128, 4))
    first, last = corners(placed, image_hw)
    assert (first > -1).all()
    assert (last < np.array(placed.network_hw[::-1]) + 1).all()
    assert max(last - first) == pytest.approx(max(placed.network_hw))


@pytest.mark.parametrize('image_hw', [(480, 640), (640, 480), (1, 1), (50, 900)])
def test_images_fill_inputs_of_fixed_size(image_hw):
    placed = place_by_short_side(image_hw, InputSize(256, 4, fixed_hw=(256, 320)))
    assert placed.network_hw == (256, 320)
    first, last = corners(placed, image_hw)
    assert (first > -1e-6).all()
    assert (last < np.array([320, 256]) + 1e-6).all()
    assert abs(last - first - [320, 256]).min() < 1e-6
    assert first + last == pytest.approx(np.array([320, 256]))
