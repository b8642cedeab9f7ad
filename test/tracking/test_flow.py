"""Tracking by optical flow: what is carried, how alike it is, boxes, and people who run, cross and hide."""

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.tracking.flow import (
    FlowSettings,
    FlowSimilarity,
    Propagation,
    flow_tracker,
    joined_boxes,
    propagated_boxes,
)
from pose_estimation_ros.tracking.tracker import Tracker

SHAPE = np.random.default_rng(0).uniform(0, 1, (18, 2)) * (60, 150)


def person(x, y=0.0, score=1.0, missing=(), keypoint=1.0):
    keypoints = np.column_stack([SHAPE + (x, y), np.full(18, keypoint)])
    keypoints[list(missing)] = np.nan
    return Pose(keypoints, score)


def ids(poses):
    return [pose.id for pose in poses]


class Sliding:
    """A motion for which an image is how far everything has moved to the right since the last one."""

    def prepare(self, image):
        return float(image)

    def carry(self, xy, before, now):
        return xy + (now, 0)


def sliding_tracker(**settings):
    return flow_tracker(FlowSettings(**settings), motion=Sliding())


def test_people_are_compared_where_the_image_moved_them():
    tracker, still = sliding_tracker(), flow_tracker(motion=Sliding())
    for frame in range(5):
        assert ids(tracker.update([person(200 * frame)], frame / 10, image=200)) == [0]
        assert ids(still.update([person(200 * frame)], frame / 10, image=0)) == [frame]


def test_carried_points_are_the_found_ones_not_the_smoothed():
    tracker = sliding_tracker()
    for frame in range(4):
        given = tracker.update([person(30 * frame)], frame / 10, image=30)[0]
    assert given['nose'][0] < person(90)['nose'][0] - 1  # smoothing lags
    expected = tracker.expect(30)[0]
    np.testing.assert_allclose(expected.keypoints[:, :2], SHAPE + (120, 0), rtol=1e-5)


def test_a_image_is_looked_at_once_whoever_asks_first():
    tracker = sliding_tracker()
    tracker.update([person(0)], 0, image=0)
    assert tracker.expect(200)[0]['nose'][0] == pytest.approx(SHAPE[0, 0] + 200, rel=1e-5)
    assert ids(tracker.update([person(200)], 0.1)) == [0]  # needs no image again
    assert ids(tracker.update([person(400)], 0.2, image=200)) == [0]


def test_people_expected_have_their_ids():
    tracker = sliding_tracker()
    tracker.update([person(0), person(500, missing=range(3, 18))], 0, image=0)
    assert tracker.expect(1)[0].keypoints[0, 0] == pytest.approx(SHAPE[0, 0] + 1, rel=1e-5)
    assert ids(tracker.expect(1)) == [0, None]


def test_the_image_is_asked_for():
    with pytest.raises(ValueError, match='needs the image'):
        flow_tracker().update([person(0)], 0)
    assert flow_tracker().needs_image
    assert not Tracker().needs_image


def test_lost_people_are_carried_and_found_again_while_in_the_queue():
    for absent, expected in ((2, [0]), (3, [1])):
        tracker = sliding_tracker(queue=3)
        tracker.update([person(0)], 0, image=0)
        for frame in range(absent):
            tracker.update([], frame + 1, image=300)
        assert ids(tracker.update([person(300 * (absent + 1))], 9, image=300)) == expected


def test_the_queue_counts_frames_where_the_clock_stands_still():
    tracker = sliding_tracker(queue=3)
    for frame in range(6):
        there = [person(0)] if frame % 2 == 0 else []
        assert ids(tracker.update(there, 0, image=0)) == [0] * len(there)


def test_an_older_pose_in_the_queue_speaks_for_a_person():
    whole, legs, arms = person(0), [8, 9, 10, 11, 12, 13], [2, 3, 4, 5, 6, 7]
    everything = set(range(18))
    only_legs, only_arms = person(0, missing=everything - set(legs)), person(0, missing=everything - set(arms))
    for queue, expected in ((1, [1]), (2, [0])):
        tracker = sliding_tracker(queue=queue, sure_keypoints=0)
        tracker.update([whole], 0, image=0)
        assert ids(tracker.update([only_legs], 0.1, image=0)) == [0]
        assert ids(tracker.update([only_arms], 0.2, image=0)) == expected


def test_an_id_is_given_once_a_frame_however_many_poses_the_queue_has():
    tracker = sliding_tracker(queue=4)
    for frame in range(4):
        tracker.update([person(0)], frame, image=0)
    assert sorted(ids(tracker.update([person(1), person(2)], 5, image=0))) == [0, 1]


def test_what_is_remembered_does_not_grow():
    tracker = sliding_tracker(queue=3)
    for frame in range(40):
        tracker.update([person(0), person(1000 * frame + 1000)], frame, image=0)
    assert len(tracker._current) + len(tracker._lost) <= 2 + 3
    assert max(len(track.history) for track in tracker._current) == 3


def test_reset_forgets_people_and_image():
    tracker = sliding_tracker()
    tracker.update([person(0), person(500)], 0, image=0)
    tracker.reset()
    assert tracker.expect(0) == []
    assert ids(tracker.update([person(500)], 0.1)) == [0]


def test_a_jump_back_in_time_starts_afresh():
    tracker = sliding_tracker()
    tracker.update([person(0), person(500)], 100, image=0)
    assert ids(tracker.update([person(500)], 3, image=0)) == [0]


def test_nobody_is_expected_after_a_jump_back_in_time():
    for stamp, count in ((99.6, 1), (3, 0), (None, 1)):
        tracker = sliding_tracker()
        tracker.update([person(0)], 100, image=0)
        assert len(tracker.expect(0, stamp)) == count
        assert ids(tracker.update([person(0)], stamp or 101)) == [0]  # looks at the image no more


def test_similarity_by_hand():
    here, there = person(0), person(4, missing=[0])
    area = np.prod(np.trunc(here.keypoints[:, :2]).max(axis=0) - np.trunc(here.keypoints[:, :2]).min(axis=0) + 1)
    sigmas = np.array(here.skeleton.sigmas)[1:]
    for tolerance in (1, 3):
        each = np.exp(-16 / (2 * area * (2 * tolerance * sigmas) ** 2))
        found = FlowSimilarity(tolerance)([here], [there])[0, 0]
        assert found == pytest.approx(each.sum() / 18, rel=0.02)  # the moved box may be a pixel wider
    assert FlowSimilarity()([here], [here])[0, 0] == 1
    assert FlowSimilarity()([], [here]).shape == (0, 1)


def test_a_fragment_is_less_of_a_person():
    whole, fragment = person(0), person(0, missing=range(3, 18))
    assert FlowSimilarity()([whole], [whole, fragment]).tolist() == [[1, 3 / 18]]


def test_boxes_of_propagated_keypoints_by_hand():
    keypoints = np.full((18, 3), np.nan)
    keypoints[:4] = [(100, 50, 0.9), (140, 150, 0.7), (120, 250, 0.5), (900, 900, 0.39)]
    boxes, scores = propagated_boxes([Pose(keypoints, 1), person(0, keypoint=0.3)])
    np.testing.assert_allclose(boxes, [[97, 35, 46, 230]])
    np.testing.assert_allclose(scores, [0.7])
    assert propagated_boxes([])[0].shape == (0, 4)


def test_detected_and_propagated_boxes_are_joined():
    seen, hidden, faint = person(0, keypoint=0.95), person(500, keypoint=0.6), person(900, keypoint=0.45)
    x, y, width, height = seen.bbox
    detected = np.array([[x - 3, y - 3, width + 6, height + 6], [300, 0, 50, 90], [700, 0, 50, 90]])
    boxes, scores = joined_boxes(detected, np.array([0.6, 0.8, 0.4]), [seen, hidden, faint])
    np.testing.assert_allclose(boxes[:2], detected[[1, 0]])
    np.testing.assert_allclose(boxes[2], propagated_boxes([hidden])[0][0])
    np.testing.assert_allclose(scores, [0.8, 0.6, 0.6], rtol=1e-6)


def test_detections_may_count_from_another_score_on_than_propagated_boxes():
    faint, weak = person(0, keypoint=0.45), np.array([[700, 0, 50, 90]])
    for least, count in ((0.5, 0), (0.3, 1)):
        _, scores = joined_boxes(weak, np.array([0.4]), [faint], Propagation(min_detection_score=least))
        assert scores.tolist() == [0.4] * count


def test_a_box_of_some_keypoints_is_no_second_person_where_that_is_wanted():
    x, y, width, height = person(0).bbox
    detected = np.array([[x - 20, y - 20, width + 40, height + 40], [x, y, 12, 12]])  # the small one is detected too
    legs = person(0, missing=set(range(18)) - {8, 9, 10})
    published, _ = joined_boxes(detected, np.ones(2), [legs])
    np.testing.assert_allclose(published[:2], detected)
    np.testing.assert_allclose(published[2:], propagated_boxes([legs])[0])
    whole, _ = joined_boxes(detected, np.ones(2), [legs], Propagation(inside=0.9))
    np.testing.assert_allclose(whole, detected)
    beside, _ = joined_boxes(detected + [300, 0, 0, 0], np.ones(2), [legs], Propagation(inside=0.9))
    assert len(beside) == 3


def test_without_a_detector_people_are_their_own_boxes():
    boxes, scores = joined_boxes(np.empty((0, 4)), np.empty(0), [person(0), person(500)])
    assert boxes.shape == (2, 4)
    assert scores.tolist() == [1, 1]


@pytest.mark.parametrize(
    ('make', 'sentence'),
    [
        (lambda: FlowSettings(queue=0), 'queue must be 1 frame or more'),
        (lambda: FlowSimilarity(0), 'tolerance must be above 0'),
        (lambda: Propagation(overlap=0), 'overlap above 0'),
        (lambda: Propagation(inside=1), 'inside must be above 0 and below 1, or None'),
        (lambda: flow_tracker(FlowSettings(threshold=0)), 'threshold must be above 0'),
    ],
)
def test_senseless_settings_are_refused(make, sentence):
    with pytest.raises(SettingsError, match=sentence):
        make()
