"""People whom a detector misses in one picture of a video, by real weights, real detections and real optical flow."""

import numpy as np
import pytest

from pose_estimation_ros import SimpleBaselineLearner
from pose_estimation_ros.core.boxes import NOBODY, Boxes
from pose_estimation_ros.inference.detectors.yolox import YoloxDetector
from pose_estimation_ros.tracking.flow import flow_tracker

FPS = 25
MISSED = 3
"""The frame in which the detector sees one person less."""


class Told:
    """A detector that sees what it is told."""

    def __init__(self):
        self.boxes = NOBODY

    def __call__(self, image):
        return self.boxes


@pytest.fixture(scope='module')
def detections(weights, frames):
    """Boxes of the people in the foreground of every frame, the tallest first."""
    detector = YoloxDetector(weights / 'yolox_nano.onnx', threads=1)
    found = [detector(frame) for frame in frames]
    return [each[np.argsort(-each.xywh[:, 3])[:3]] for each in found]


@pytest.fixture(scope='module')
def network(weights):
    learner = SimpleBaselineLearner(device='cpu', detector=Told(), backend='onnxruntime', threads=1)
    learner.load(weights / 'simplepose_ultralight.onnx')
    return learner


@pytest.fixture
def follower(network):
    """A learner that follows people by flow; `see` shows it a frame and says what its detector sees there."""
    network.reset()
    network.tracker = flow_tracker()
    network.see = lambda image, boxes, second, **options: see(network, image, boxes, second, **options)
    return network


def see(learner, image, boxes, second, **options):
    learner.pipeline().detector.boxes = boxes
    return learner.infer(image, stamp=second, smooth=False, **options)


def but_the_tallest(boxes):
    return boxes[1:]


def apart(pose, other):
    """Median distance of the keypoints that both have, as a share of the person's height."""
    distances = np.linalg.norm(pose.keypoints[:, :2] - other.keypoints[:, :2], axis=1)
    return np.nanmedian(distances) / other.bbox[3]


def nearest(poses, other):
    return min((apart(pose, other), pose.id) for pose in poses) if poses else (np.inf, None)


def test_somebody_whom_the_detector_misses_in_one_frame_is_still_found(follower, frames, detections):
    identities = set()
    for number, (frame, boxes) in enumerate(zip(frames, detections, strict=True)):
        (wanted,) = follower.infer(frame, track=False, boxes=boxes[:1])
        poses = follower.see(frame, but_the_tallest(boxes) if number == MISSED else boxes, number / FPS)
        distance, identity = nearest(poses, wanted)
        assert distance < 0.05, f'frame {number}'
        assert len(poses) == 3
        identities.add(identity)
    assert len(identities) == 1, 'it is the same person all along'


def test_other_trackers_look_where_the_detector_says_and_nowhere_else(follower, frames, detections):
    follower.tracker = type(follower.tracker)()
    counts = []
    for number, (frame, boxes) in enumerate(zip(frames, detections, strict=True)):
        counts.append(len(follower.see(frame, but_the_tallest(boxes) if number == MISSED else boxes, number / FPS)))
    assert counts == [2 if number == MISSED else 3 for number in range(len(frames))]


def test_boxes_that_are_given_are_detections_like_others(follower, frames, detections):
    for number, boxes in enumerate((detections[0], but_the_tallest(detections[1]), NOBODY)):
        assert len(follower.infer(frames[number], stamp=number / FPS, smooth=False, boxes=boxes)) == 3


def test_what_the_node_does_follows_people_too(follower, frames, detections):
    for number, boxes in enumerate((detections[0], NOBODY)):
        follower.pipeline().detector.boxes = boxes
        result = follower.infer_next(frames[number], stamp=number / FPS)
        poses = follower.tracker.update(result.poses, number / FPS, smooth=False, image=frames[number])
        assert [pose.id for pose in sorted(poses, key=lambda pose: pose.id)] == [0, 1, 2]
        assert result.timings.detect_ms > 0


def test_where_nobody_is_known_and_nobody_detected_the_network_has_nothing_to_do(follower, frames):
    for number in range(2):
        follower.pipeline().detector.boxes = NOBODY
        result = follower.infer_next(frames[number], stamp=number / FPS)
        assert (result.poses, result.timings.forward_ms) == ([], 0)
        assert follower.tracker.update(result.poses, number / FPS, image=frames[number]) == []


def test_nobody_is_found_where_people_have_gone(follower, frames, detections):
    follower.see(frames[0], detections[0], 0)
    assert follower.see(np.full_like(frames[0], 128), NOBODY, 1 / FPS) == []
    assert follower.see(frames[1], NOBODY, 2 / FPS) == []


@pytest.mark.parametrize(
    ('second', 'size', 'count'),
    [(1 / FPS, 1, 3), (0.9, 1, 3), (-0.2, 1, 3), (-5, 1, 0), (1.5, 1, 0), (1 / FPS, 0.5, 0)],
    ids=['next', 'late', 'out of order', 'back', 'forward', 'another size'],
)
def test_people_are_carried_to_a_picture_that_follows_and_to_no_other(
    follower, frames, detections, second, size, count
):
    follower.see(frames[0], detections[0], 0)
    height, width = (round(side * size) for side in frames[1].shape[:2])
    assert len(follower.see(frames[1][:height, :width], NOBODY, second)) == count


def test_a_gap_is_one_however_often_the_clock_is_asked(follower, frames, detections):
    for second in (0, 2, 2 + 1 / FPS):
        follower.see(frames[0], detections[0], second)
    assert len(follower.see(frames[0], NOBODY, 2 + 2 / FPS)) == 3


def test_pictures_without_stamps_follow_each_other(follower, frames, detections):
    follower.see(frames[0], detections[0], None)
    assert len(follower.see(frames[1], NOBODY, None)) == 3


def test_a_reset_forgets_whom_to_look_for(follower, frames, detections):
    follower.see(frames[0], detections[0], 0)
    follower.reset()
    assert follower.see(frames[1], NOBODY, 1 / FPS) == []


def test_single_pictures_know_nothing_of_a_video(follower, frames, detections):
    follower.see(frames[0], detections[0], 0)
    assert follower.see(frames[1], NOBODY, 1 / FPS, track=False) == []
    assert len(follower.see(frames[1], NOBODY, 2 / FPS)) == 3, 'nor does the video know of them'


def test_detections_count_as_the_detector_wants_it(follower, frames, detections):
    unsure = Boxes(detections[0].xywh, np.full(3, 0.31))
    assert len(follower.see(frames[0], unsure, 0)) == 3


def test_without_a_detector_a_picture_is_one_person_all_along(weights, frames):
    learner = SimpleBaselineLearner(device='cpu', backend='onnxruntime', threads=1, tracker=flow_tracker())
    learner.load(weights / 'simplepose_ultralight.onnx')
    for number, frame in enumerate(frames[:3]):
        assert len(learner.infer(frame[100:, 300:500], stamp=number / FPS)) == 1
