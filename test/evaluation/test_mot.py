"""Misses, false positives, switches, MOTA and IDF1, counted by hand."""

import itertools

import numpy as np
import pytest

from pose_estimation_ros.core.errors import EvaluationError, SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.evaluation.mot import MotScore, best_pairs, pose_similarity

RNG = np.random.default_rng(2)


def best_gain(gain):
    """What the best of all pairings gains, by trying them."""
    gain = np.maximum(gain, 0)
    gain = gain if len(gain) <= gain.shape[1] else gain.T
    return max(
        gain[range(len(gain)), list(columns)].sum()
        for columns in itertools.permutations(range(gain.shape[1]), len(gain))
    )


def test_pairs_are_the_best_ones():
    for case in range(300):
        shape = RNG.integers(1, 6, 2).tolist()
        gain = RNG.integers(-2, 4, shape).astype(float) if case % 2 else RNG.random(shape)
        pairs = best_pairs(gain)
        assert sum(gain[pair] for pair in pairs) == pytest.approx(best_gain(gain))
        for place in (0, 1):
            assert len({pair[place] for pair in pairs}) == len(pairs)
    assert best_pairs(np.empty((0, 3))) == []


# Two people, 1 and 2, in five frames; columns of the similarities are the ids given.
#   frame  truth  given        similarity               what happens
#   0      1 2    10 20        1-10 .9, 2-20 .8         both found
#   1      1 2    10           1-10 .6                  2 is missed
#   2      1 2    10 20        1-10 .6, 1-20 .9, 2-10 .9, 2-20 .6: the pairs of before stay, no switch
#   3      1 2    30 20 40     1-30 .9, 2-20 .7, 2-40 .4 1 switches to 30; 40 is false
#   4      1      20           1-20 .3                  1 is missed, 20 is false
FRAMES = [
    ([1, 2], [10, 20], [[0.9, 0], [0, 0.8]]),
    ([1, 2], [10], [[0.6], [0]]),
    ([1, 2], [10, 20], [[0.6, 0.9], [0.9, 0.6]]),
    ([1, 2], [30, 20, 40], [[0.9, 0, 0], [0, 0.7, 0.4]]),
    ([1], [20], [[0.3]]),
]


def score_of(frames, **settings):
    score = MotScore(**settings)
    for truth, found, similarity in frames:
        score.update(truth, found, np.array(similarity))
    return score.result()


def test_counted_by_hand():
    found = score_of(FRAMES)
    assert (found.frames, found.people, found.ids) == (5, 9, 4)
    assert (found.misses, found.false_positives, found.switches) == (2, 2, 1)
    assert found.mota == pytest.approx(1 - 5 / 9)
    # 1 is best called 10 (frames 0, 1, 2), 2 is best called 20 (0, 2, 3): 6 right of 9 people and 9 poses.
    assert found.idf1 == pytest.approx(2 * 6 / (9 + 9))


def test_a_stricter_likeness_counts_less():
    found = score_of(FRAMES, minimum=0.65)
    # 1-10, 2-20 | none | 1-20, 2-10: two switches | 1-30, 2-20: two more | none
    assert (found.misses, found.false_positives, found.switches) == (3, 3, 4)


def test_a_switch_counts_after_a_gap_and_coming_back_is_another():
    frames = [([1], [7], [[1]]), ([1], [], np.empty((1, 0))), ([1], [8], [[1]]), ([1], [7], [[1]])]
    assert score_of(frames).switches == 2
    assert score_of([frames[0], frames[1], frames[3]]).switches == 0


def test_swapped_ids_are_two_switches_and_cost_half_of_idf1():
    frames = [([1, 2], [5, 6], np.eye(2))] * 2 + [([1, 2], [6, 5], np.eye(2))] * 2
    found = score_of(frames)
    assert (found.switches, found.mota, found.idf1) == (2, 1 - 2 / 8, 0.5)


def test_as_many_pairs_as_can_be():
    assert score_of([([1, 2], [5, 6], [[0.99, 0.6], [0.6, 0]])]).misses == 0


def test_empty_frames_and_nobody_at_all():
    found = score_of([([], [], np.empty((0, 0))), ([], [3], np.empty((0, 1)))])
    assert (found.people, found.false_positives, found.misses) == (0, 1, 0)
    assert np.isnan(found.mota)
    assert found.idf1 == 0
    assert np.isnan(MotScore().result().idf1)


@pytest.mark.parametrize(
    ('frame', 'sentence'),
    [
        (([1, 2], [5], np.ones((2, 2))), r'similarities must be \(true, found\) people \(2, 1\), got \(2, 2\)'),
        (([1, 1], [5], np.ones((2, 1))), 'true ids must differ'),
        (([1], [5, 5], np.ones((1, 2))), 'given ids must differ'),
    ],
)
def test_wrong_frames_are_refused(frame, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        MotScore().update(*frame)


def test_a_likeness_is_above_zero():
    with pytest.raises(SettingsError):
        MotScore(minimum=0)


def pose(x, identity=None, missing=()):
    keypoints = np.column_stack([np.linspace(0, 50, 18) + x, np.linspace(0, 120, 18), np.ones(18)])
    keypoints[list(missing)] = np.nan
    return Pose(keypoints, 1.0, id=identity)


def test_similarity_of_poses():
    similarity = pose_similarity(
        [pose(0), pose(300, missing=range(9))], [pose(0), pose(300), pose(0, missing=range(9))]
    )
    np.testing.assert_allclose(similarity, [[1, 0, 0.5], [0, 1, 0]], atol=1e-6)
    assert pose_similarity([], [pose(0)]).shape == (0, 1)


def test_poses_without_an_id_do_not_count():
    score = MotScore()
    score.update_poses([pose(0, 1), pose(300, 2)], [pose(1, 0), pose(300), pose(900, 4)])
    found = score.result()
    assert (found.misses, found.false_positives, found.ids) == (1, 1, 2)
    with pytest.raises(EvaluationError, match='needs an id'):
        score.update_poses([pose(0)], [])
