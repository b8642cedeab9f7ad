import numpy as np
import pytest

from pose_estimation_ros.core.boxes import covered, enlarged, nms_indices, overlaps, with_margin


def test_overlaps_by_hand():
    found = overlaps([[0, 0, 10, 10]], [[0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 5, 5], [2, 2, 5, 4]])
    np.testing.assert_allclose(found, [[1, 50 / 150, 0, 0.2]])


def test_boxes_without_area_overlap_nothing():
    assert overlaps([[3, 3, 0, 0]], [[3, 3, 0, 0], [0, 0, 9, 9]]).tolist() == [[0, 0]]
    assert overlaps(np.empty((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)


def test_how_much_of_a_box_lies_within_another_by_hand():
    found = covered([[0, 0, 10, 10]], [[0, 0, 20, 10], [2, 2, 5, 4], [10, 0, 5, 5], [3, 3, 0, 0]])
    np.testing.assert_allclose(found, [[0.5, 1, 0, 0]])


def kept(boxes, threshold):
    return nms_indices(overlaps(boxes, boxes), threshold)


def test_earlier_boxes_remove_later_ones_that_were_not_removed_themselves():
    boxes = [[0, 0, 10, 10], [4, 0, 10, 10], [8, 0, 10, 10]]  # neighbours overlap by 6/14, ends by 2/18
    assert kept(np.array(boxes), 0.3).tolist() == [0, 2]
    assert kept(np.array(boxes), 0.5).tolist() == [0, 1, 2]
    assert kept(np.empty((0, 4)), 0.5).tolist() == []


@pytest.mark.parametrize(('share', 'expected'), [(0, [10, 20, 40, 80]), (0.15, [7, 14, 46, 92])])
def test_enlarged_about_the_middle(share, expected):
    np.testing.assert_allclose(enlarged([[10, 20, 40, 80]], share), [expected])


def test_a_margin_is_alike_on_all_sides():
    np.testing.assert_allclose(with_margin(np.array([[10.0, 20, 40, 80]]), 0.1), [[2, 12, 56, 96]])
    assert with_margin(np.empty((0, 4))).shape == (0, 4)
