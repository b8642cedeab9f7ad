import numpy as np

from pose_estimation_ros.tracking.track import confident_first, most_similar_first

SIMILARITY = np.array([[0.9, 0.8, 0.2], [0.7, 0.1, 0.3]])  # (tracks, poses)


def test_the_confident_choose_first():
    assert confident_first(SIMILARITY, np.array([1, 5, 3]), 0.25) == [None, 0, 1]


def test_the_most_alike_are_joined_first():
    assert most_similar_first(SIMILARITY, np.array([1, 5, 3]), 0.25) == [0, None, 1]


def test_below_the_threshold_nobody_is_joined():
    for matching in (confident_first, most_similar_first):
        assert matching(SIMILARITY, np.ones(3), 0.95) == [None] * 3
        assert matching(SIMILARITY, np.ones(3), 0.9) == [0, None, None]
    assert SIMILARITY[0, 0] == 0.9  # what was given is not changed
