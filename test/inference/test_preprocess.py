"""From a picture to a network's input: values, channels, padding, and the place of every pixel."""

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.inference.preprocess import prepare
from pose_estimation_ros.methods.method import Preprocessing

PUBLISHED = Preprocessing()
PLAIN = Preprocessing(mean=(0, 0, 0), scale=(1, 1, 1), pad_value=(-1, -2, -3))


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def inside(prepared, letterbox):
    """The part of an input that the picture fills."""
    top, left, _, _ = letterbox.pad
    height, width = letterbox.resized_hw
    return prepared[:, top : top + height, left : left + width]


def test_values_and_layout():
    image = picture(32, 40)
    letterbox = Letterbox.fit((32, 40), 32, 8)
    prepared = prepare(image, letterbox, PUBLISHED, 'linear')
    assert prepared.dtype == np.float32
    assert prepared.flags.c_contiguous
    assert prepared == pytest.approx((image.transpose(2, 0, 1).astype(float) - 128) / 256, abs=1e-6)


def test_mean_and_scale_are_in_the_order_of_the_networks_channels():
    image = np.full((32, 32, 3), (10, 20, 30), np.uint8)  # blue 10, red 30
    numbers = {'mean': (1, 2, 3), 'scale': (1, 10, 100)}
    letterbox = Letterbox.fit((32, 32), 32, 8)
    bgr = prepare(image, letterbox, Preprocessing(**numbers, channel_order='bgr'), 'linear')
    rgb = prepare(image, letterbox, Preprocessing(**numbers, channel_order='rgb'), 'linear')
    assert bgr[:, 5, 5].tolist() == [9, 180, 2700]
    assert rgb[:, 5, 5].tolist() == [29, 180, 700]


@pytest.mark.parametrize('interpolation', ['linear', 'cubic'])
def test_padding_is_not_normalised(interpolation):
    letterbox = Letterbox.fit((33, 20), 33, 8)
    prepared = prepare(picture(33, 20), letterbox, PLAIN, interpolation)
    assert prepared.shape == (3, *letterbox.network_hw) == (3, 40, 40)
    filled = np.zeros((40, 40), bool)
    top, left, bottom, right = letterbox.pad
    assert (top, left, bottom, right) == (3, 10, 4, 10)
    filled[top:-bottom, left:-right] = True
    assert (prepared[:, ~filled] == np.array([[-1], [-2], [-3]])).all()
    assert (prepared[:, filled] >= 0).all()


@pytest.mark.parametrize('image_hw', [(480, 640), (123, 77), (100, 331)])
@pytest.mark.parametrize('base', [64, 100])
def test_linear_is_the_demos_resize_of_bytes(image_hw, base):
    image, letterbox = picture(*image_hw), Letterbox.fit(image_hw, base, 8)
    resized = cv2.resize(image, (0, 0), fx=base / image_hw[0], fy=base / image_hw[0], interpolation=cv2.INTER_LINEAR)
    expected = (resized.astype(np.float32) - 128) / 256
    prepared = prepare(image, letterbox, PUBLISHED, 'linear')
    assert inside(prepared, letterbox) == pytest.approx(expected.transpose(2, 0, 1), abs=1e-6)


@pytest.mark.parametrize('image_hw', [(480, 640), (60, 91)])
def test_cubic_is_the_evaluations_resize_of_normalised_values(image_hw):
    image, letterbox = picture(*image_hw), Letterbox.fit(image_hw, 100, 8)
    scale = 100 / image_hw[0]
    normalised = (image.astype(np.float32) - 128) / 256
    expected = cv2.resize(normalised, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    prepared = inside(prepare(image, letterbox, PUBLISHED, 'cubic'), letterbox)
    assert prepared == pytest.approx(expected.transpose(2, 0, 1), abs=1e-5)
    # What bytes could not hold is kept.
    assert prepared.max() > 127 / 256
    assert prepared.min() < -0.5


@pytest.mark.parametrize('interpolation', ['linear', 'cubic'])
@pytest.mark.parametrize('image_hw', [(50, 80), (97, 31), (120, 121)])
@pytest.mark.parametrize('fixed', [False, True])
def test_a_white_spot_lands_where_its_place_does(image_hw, interpolation, fixed):
    letterbox = Letterbox.fit_inside(image_hw, (150, 200)) if fixed else Letterbox.fit(image_hw, 150, 8)
    x, y = image_hw[1] // 3, image_hw[0] // 2
    image = np.zeros((*image_hw, 3), np.uint8)
    image[y, x] = 255
    weight = prepare(image, letterbox, Preprocessing((0, 0, 0), (1, 1, 1)), interpolation)[0]
    rows, columns = np.indices(weight.shape)
    centroid = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    assert centroid == pytest.approx(letterbox.image_to_network()(np.array([x, y])), abs=0.35)


def test_a_picture_of_the_right_size_is_not_touched():
    image = picture(64, 96)
    letterbox = Letterbox.fit((64, 96), 64, 8)
    for interpolation in ('linear', 'cubic'):
        assert (prepare(image, letterbox, PLAIN, interpolation) == image.transpose(2, 0, 1)).all()


@pytest.mark.parametrize('image_hw', [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_shapes(image_hw):
    letterbox = Letterbox.fit(image_hw, 64, 8, max_width=640)
    for interpolation in ('linear', 'cubic'):
        prepared = prepare(np.full((*image_hw, 3), 200, np.uint8), letterbox, PLAIN, interpolation)
        assert prepared.shape == (3, *letterbox.network_hw)
        assert inside(prepared, letterbox) == pytest.approx(200)


def test_pictures_that_do_not_lie_in_one_piece():
    image = picture(40, 60)
    letterbox = Letterbox.fit((40, 60), 32, 8)
    flipped = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    assert not flipped.flags.c_contiguous
    expected = prepare(image, letterbox, PUBLISHED, 'linear')
    assert (prepare(flipped, letterbox, PUBLISHED, 'linear') == expected).all()
