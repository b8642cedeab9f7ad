import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.tracking.motion import OpticalFlow, dis_flow, farneback_flow

RNG = np.random.default_rng(5)
IMAGE = np.repeat(
    cv2.GaussianBlur(RNG.integers(0, 256, (240, 320, 1), dtype=np.uint8), (0, 0), 4)[..., None] * 4, 3, axis=2
).astype(np.uint8)
POINTS = RNG.uniform(60, 180, (3, 18, 2))


def shifted(image, x, y):
    return cv2.warpAffine(image, np.array([[1, 0, x], [0, 1, y]], float), image.shape[1::-1], borderMode=2)


def carried(motion, xy, before, now):
    return motion.carry(xy, motion.prepare(before), motion.prepare(now))


@pytest.mark.parametrize('field', [dis_flow, farneback_flow])
@pytest.mark.parametrize('rows', [240, 120])
def test_points_move_with_the_image(field, rows):
    motion = OpticalFlow(field, rows)
    moved = carried(motion, POINTS, IMAGE, shifted(IMAGE, 7, -4)) - POINTS
    np.testing.assert_allclose(np.median(moved, axis=(0, 1)), (7, -4), atol=0.3)
    assert (np.linalg.norm(moved - (7, -4), axis=2) < 1).mean() > 0.9


def test_only_what_moves_is_moved():
    now = IMAGE.copy()
    now[:, 160:] = shifted(IMAGE, 0, 6)[:, 160:]
    moved = carried(OpticalFlow(), np.array([[[60.0, 120], [260, 120]]]), IMAGE, now)[0]
    np.testing.assert_allclose(moved, [[60, 120], [260, 126]], atol=0.5)


def test_missing_points_stay_missing_and_those_outside_move_with_the_edge():
    xy = np.array([[[100.0, 100], [np.nan, np.nan], [-50, 400]]])
    moved = carried(OpticalFlow(), xy, IMAGE, shifted(IMAGE, 5, 0))[0]
    assert np.isnan(moved[1]).all()
    np.testing.assert_allclose(moved[0], (105, 100), atol=0.5)
    np.testing.assert_allclose(moved[2], (-45, 400), atol=2)


def test_images_of_another_size_move_nothing():
    np.testing.assert_array_equal(carried(OpticalFlow(), POINTS, IMAGE, IMAGE[:100]), POINTS)


def test_any_function_can_be_the_flow():
    motion = OpticalFlow(lambda before, now: np.full((*before.shape, 2), (3, 0.5), np.float32), rows=120)
    moved = carried(motion, POINTS, IMAGE, IMAGE)
    np.testing.assert_allclose(moved, POINTS + (6, 1), atol=1e-4)  # scaled down twice


def test_nobody_costs_no_flow():
    def refuse(before, now):
        raise AssertionError

    assert carried(OpticalFlow(refuse), np.full((1, 18, 2), np.nan), IMAGE, IMAGE).shape == (1, 18, 2)


@pytest.mark.parametrize('hw', [(1, 1), (5, 400), (400, 3)])
def test_images_of_any_size(hw):
    image = np.zeros((*hw, 3), np.uint8)
    np.testing.assert_allclose(carried(OpticalFlow(), POINTS, image, image), POINTS, atol=1e-6)


def test_too_few_rows_are_refused():
    with pytest.raises(SettingsError, match='16 rows or more, got 8'):
        OpticalFlow(rows=8)
