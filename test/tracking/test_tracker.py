import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose, get_bbox
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.tracking.one_euro import OneEuro
from pose_estimation_ros.tracking.similarity import count_similar_keypoints, oks_similarity
from pose_estimation_ros.tracking.tracker import Tracker

RNG = np.random.default_rng(0)
SHAPE = RNG.uniform(0, 1, (18, 2)) * (60, 150)


def person(x, y=0.0, score=1.0, noise=0.0, missing=()):
    keypoints = np.column_stack([SHAPE + (x, y) + RNG.normal(0, 1, (18, 2)) * noise, np.ones(18)])
    keypoints[list(missing)] = np.nan
    return Pose(keypoints, score)


def ids(poses):
    return [pose.id for pose in poses]


@pytest.fixture(scope='module')
def reference(golden):
    return golden('tracking_lwop')


def reference_frames(reference, tracker, smooth):
    """Yield the index, the true persons, their poses and the tracker's answer for each frame."""
    for frame in range(40):
        people = [index for index in reference['order'][frame] if reference['present'][frame, index]]
        poses = [Pose.from_data(reference['keypoints'][frame, i], reference['confidence'][frame, i]) for i in people]
        yield frame, people, poses, tracker.update(poses, frame / 15, smooth)


def by_stamps():
    """The published strategies, with filters on the stamps' own time."""
    return Tracker(similarity=count_similar_keypoints, threshold=3, max_age=0, sure_keypoints=0)


@pytest.mark.parametrize(('smooth', 'mode'), [(False, 'nosmooth'), (True, 'smooth')])
@pytest.mark.parametrize('make', [Tracker.published, by_stamps], ids=['fixed_rate', 'stamps'])
def test_equals_the_reference(reference, make, smooth, mode):
    found = np.full((40, 3), -1)
    for frame, people, _, tracked in reference_frames(reference, make(), smooth):
        found[frame, people] = ids(tracked)
        for index, pose in zip(people, tracked, strict=True):
            assert get_bbox(pose) == tuple(reference[f'bbox_{mode}'][frame, index])
            if smooth:
                np.testing.assert_array_equal(pose.data, reference['smoothed_int'][frame, index])
                np.testing.assert_allclose(
                    pose.keypoints[:, :2], reference['smoothed_float'][frame, index], rtol=0, atol=1e-4
                )
    np.testing.assert_array_equal(found, reference[f'ids_{mode}'])


@pytest.mark.parametrize(('smooth', 'mode'), [(False, 'nosmooth'), (True, 'smooth')])
def test_similarities_equal_the_reference(reference, smooth, mode):
    """The reference stores smoothed poses truncated; a Tracker keeps the fractions, which changes no id here."""
    stored = []
    for frame, people, poses, tracked in reference_frames(reference, Tracker.published(), smooth):
        best = count_similar_keypoints(stored, poses).max(axis=0, initial=0)
        np.testing.assert_array_equal(best, reference[f'best_similarity_{mode}'][frame, people])
        stored = [Pose.from_data(pose.data, 1) for pose in tracked]


@pytest.mark.parametrize('smooth', [False, True])
def test_by_default_people_keep_their_ids_through_short_absences(reference, smooth):
    ids_of_person = {}
    for _, people, _, tracked in reference_frames(reference, Tracker(), smooth):
        for index, pose in zip(people, tracked, strict=True):
            ids_of_person.setdefault(int(index), set()).add(pose.id)
    assert len(ids_of_person) == 3
    assert sorted(map(sorted, ids_of_person.values())) == [[0], [1], [2]]


def test_ids_count_from_zero_in_every_tracker_and_after_reset():
    first, second = Tracker(), Tracker()
    assert ids(first.update([person(0), person(500)], 0)) == [0, 1]
    assert ids(second.update([person(0)], 0)) == [0]
    assert ids(first.update([person(0), person(500), person(900)], 0.1)) == [0, 1, 2]
    first.reset()
    assert ids(first.update([person(500)], 0.2)) == [0]


def test_new_ids_go_by_confidence_and_the_order_of_poses_is_kept():
    poses = [person(0, score=1), person(500, score=9), person(900, score=5)]
    tracked = Tracker().update(poses, 0)
    assert ids(tracked) == [2, 0, 1]
    assert [pose.score for pose in tracked] == [1, 9, 5]
    assert ids(poses) == [None] * 3


def test_ids_hold_when_the_order_changes():
    tracker, places = Tracker(), [0, 200, 400, 600]
    expected = dict(zip(places, ids(tracker.update([person(x) for x in places], 0)), strict=True))
    for frame in range(1, 20):
        order = [int(x) for x in RNG.permutation(places)]
        tracked = tracker.update([person(x + frame * 3, score=RNG.random(), noise=1) for x in order], frame / 30)
        assert dict(zip(order, ids(tracked), strict=True)) == expected


def test_the_more_confident_takes_the_track():
    tracker = Tracker()
    tracker.update([person(0)], 0)
    assert ids(tracker.update([person(1, score=1), person(2, score=5)], 0.1)) == [1, 0]


@pytest.mark.parametrize(('common', 'threshold', 'expected'), [(2, 3, 1), (3, 3, 0), (2, 2, 0)])
def test_too_few_common_keypoints_make_a_new_id(common, threshold, expected):
    tracker = Tracker(similarity=count_similar_keypoints, threshold=threshold, sure_keypoints=0)
    tracker.update([person(0)], 0)
    assert ids(tracker.update([person(0, missing=range(common, 18))], 0.1)) == [expected]


@pytest.mark.parametrize(('common', 'expected'), [(2, 1), (3, 0)])
def test_the_published_tracker_wants_three_common_keypoints(common, expected):
    tracker = Tracker.published()
    tracker.update([person(0)], 0)
    assert ids(tracker.update([person(0, missing=range(common, 18))], 0.1)) == [expected]


def test_the_published_tracker_remembers_the_last_frame_only():
    tracker = Tracker.published()
    tracker.update([person(0)], 0)
    assert tracker.update([], 0) == []
    assert ids(tracker.update([person(0)], 0)) == [1]


def test_lost_people_are_found_again_for_a_while():
    tracker = Tracker(max_age=1)
    tracker.update([person(0), person(500)], 0)
    tracker.update([person(500)], 0.5)
    assert ids(tracker.update([person(0), person(500)], 1)) == [0, 1]
    tracker.update([], 1.5)
    assert ids(tracker.update([person(0), person(500)], 2.1)) == [2, 3]


def test_people_of_the_last_frame_are_found_however_long_ago_it_was():
    tracker = Tracker(max_age=0)
    tracker.update([person(0)], 0)
    assert ids(tracker.update([person(0)], 60)) == [0]


def test_people_of_the_last_frame_win_ties_against_lost_ones():
    tracker, legs = Tracker(max_age=1), (9, 10, 12, 13)
    assert ids(tracker.update([person(0, missing=legs), person(0)], 0)) == [0, 1]
    assert ids(tracker.update([person(0)], 0.1)) == [1]
    assert ids(tracker.update([person(0, missing=legs)], 0.2)) == [1]


def test_a_clock_that_stands_still_neither_breaks_ids_nor_piles_up_tracks():
    tracker = Tracker()
    for frame in range(50):
        x = frame * 1000
        poses = [person(0), person(x + 1000)]
        tracked = tracker.update(poses, 0)
        assert ids(tracked) == [0, frame + 1]
        np.testing.assert_array_equal(tracked[0].keypoints, poses[0].keypoints)
    assert len(tracker._current) + len(tracker._lost) < 5


def test_a_jump_back_in_time_starts_afresh():
    tracker = Tracker()
    tracker.update([person(0), person(500)], 100)
    tracker.update([person(0), person(500)], 100.1)
    start = person(520)
    again = tracker.update([start], 3)
    assert ids(again) == [0]
    np.testing.assert_array_equal(again[0].keypoints, start.keypoints)  # filters too
    assert ids(tracker.update([person(520)], 3.1)) == [0]


def test_without_stamps_the_clock_of_the_machine_counts():
    tracker = Tracker()
    assert ids(tracker.update([person(0)])) == [0]
    assert ids(tracker.update([person(2)])) == [0]


def test_smoothing_follows_stamps():
    moved = {}
    for step in (0.01, 0.5):
        tracker = Tracker(smoother=OneEuro(beta=0))
        tracker.update([person(0)], 0)
        moved[step] = tracker.update([person(8)], step)[0]['nose'][0] - SHAPE[0, 0]
    assert 0 < moved[0.01] < 1 < moved[0.5] < 8


def test_a_keypoint_that_comes_back_is_not_pulled_to_where_it_was():
    tracker = Tracker()
    tracker.update([person(0)], 0)
    gone = tracker.update([person(5, missing=[4])], 0.1)[0]
    back = tracker.update([person(10)], 0.2)[0]
    assert np.isnan(gone['r_wri'][:2]).all()
    np.testing.assert_allclose(back['r_wri'][:2], SHAPE[4] + (10, 0), rtol=1e-5)
    assert back['r_elb'][0] < SHAPE[3, 0] + 10


def test_unsmoothed_poses_keep_their_keypoints_and_smoothing_starts_afresh():
    tracker = Tracker()
    tracker.update([person(0)], 0)
    for stamp, smooth in ((0.1, False), (0.2, True)):
        pose = person(8 * stamp)
        np.testing.assert_array_equal(tracker.update([pose], stamp, smooth)[0].keypoints, pose.keypoints)


def test_empty_frames():
    tracker = Tracker()
    assert tracker.update([], 0) == []
    assert ids(tracker.update([person(0)], 0.1)) == [0]
    assert tracker.update([], 0.2, smooth=False) == []
    assert ids(tracker.update([person(0)], 0.3)) == [0]


def test_a_fragment_gets_an_id_when_seen_again():
    tracker, few = Tracker(), range(4, 18)
    assert ids(tracker.update([person(0), person(500, missing=few)], 0)) == [0, None]
    assert ids(tracker.update([person(2), person(502, missing=few), person(900, missing=few)], 0.1)) == [0, 1, None]


def test_a_person_who_moves_a_tenth_of_their_height_stays_the_same():
    step = 0.1 * np.ptp(SHAPE[:, 1])
    tracker, published = Tracker(), Tracker.published()
    people = [person(step * frame) for frame in range(5)]
    assert [ids(tracker.update([pose], frame / 15))[0] for frame, pose in enumerate(people)] == [0] * 5
    assert [ids(published.update([pose], frame / 15))[0] for frame, pose in enumerate(people)] != [0] * 5


def test_a_fragment_does_not_take_a_whole_persons_track():
    tracker = Tracker()
    tracker.update([person(0), person(1, missing=range(3, 18))], 0)
    assert ids(tracker.update([person(3)], 0.1)) == [0]


def test_a_pose_without_keypoints_gets_an_id_and_no_trouble():
    tracker = Tracker(sure_keypoints=0)
    for frame in range(3):
        assert ids(tracker.update([Pose(np.full((18, 3), np.nan), 0)], frame)) == [frame]


def test_strategies_are_objects():
    class Doubling:
        def smooth(self, xy, stamp, states):
            return xy * 2, [(state or 0) + 1 for state in states]

    tracker = Tracker(similarity=oks_similarity, threshold=0.3, smoother=Doubling())
    first = tracker.update([person(0)], 0)[0]
    np.testing.assert_allclose(first.keypoints[:, :2], SHAPE * 2, rtol=1e-5)
    assert ids(tracker.update([first], 0.1)) == [0]
    assert [track.smoother_state for track in tracker._current] == [2]


def test_another_skeleton_in_between_is_an_error():
    tracker = Tracker()
    tracker.update([person(0)], 0)
    with pytest.raises(ValueError, match='share a skeleton'):
        tracker.update([Pose(np.ones((17, 3)), 1, COCO_17)], 0.1)


def test_two_hundred_people():
    tracker = Tracker()
    places = [(x * 90, y * 200) for x in range(20) for y in range(10)]
    first = ids(tracker.update([person(*place) for place in places], 0))
    assert first == list(range(200))
    assert ids(tracker.update([person(x + 3, y, noise=0.5) for x, y in places], 0.05)) == first


@pytest.mark.parametrize('wrong', [{'threshold': 0}, {'max_age': -1}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        Tracker(**wrong)
