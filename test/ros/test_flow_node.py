"""The node with `tracker: flow`, over the middleware: a camera that turns, and people of whom there is no box."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import header, now, until

from pose_estimation_ros import SimpleBaselineLearner
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.inference.detectors.yolox import YoloxDetector
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons
from pose_estimation_ros.ros.parameters.node_settings import live_options, settings_from
from pose_estimation_ros.tracking.flow import flow_tracker

WARN = 30
FPS, PAN, MISSED = 30, 30, 3
CPU = {'backend': 'onnxruntime', 'device': 'cpu', 'max_frame_age': 0.0, 'smooth': False}


@pytest.fixture(scope='module')
def baseline(assets):
    return {
        'method': 'simple_baseline',
        'model_path': str(assets / 'weights' / 'simplepose_ultralight.onnx'),
        'tracker': 'flow',
        **CPU,
    }


@pytest.fixture(scope='module')
def boxes(assets, street_frames):
    """Boxes (3, 4) of the people in the foreground of every frame, the tallest first."""
    detector = YoloxDetector(assets / 'weights' / 'yolox_nano.onnx', threads=1)
    found = [detector(frame).xywh for frame in street_frames]
    return [each[np.argsort(-each[:, 3])[:3]] for each in found]


def array_of(boxes, stamp):
    """Return the boxes as another node would publish them."""
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

    message = Detection2DArray(header=header(stamp))
    for x, y, width, height in boxes.tolist():
        one = Detection2D(header=message.header)
        one.bbox.center.position.x, one.bbox.center.position.y = x + width / 2 + 0.5, y + height / 2 + 0.5
        one.bbox.size_x, one.bbox.size_y = width, height
        guess = ObjectHypothesisWithPose()
        guess.hypothesis.class_id, guess.hypothesis.score = 'person', 0.8
        one.results = [guess]
        message.detections.append(one)
    return message


class Detector:
    """Publishes boxes beside the robot's camera."""

    def __init__(self, robot):
        from vision_msgs.msg import Detection2DArray

        self._robot = robot
        self._topic = robot.node.create_publisher(Detection2DArray, 'detections', 10)
        until(self._topic.get_subscription_count, 'a subscription to detections')
        topic = robot.pose.resolve_topic_name('detections')
        until(lambda: robot.pose.count_publishers(topic), 'a publisher of detections')

    def ask(self, image, boxes, stamp):
        """Send boxes, None for no message at all, then their image; return the people's poses."""
        if boxes is not None:
            message = array_of(boxes, stamp)
            self._topic.publish(message)
            kept = self._robot.pose._boxes._messages
            until(lambda: any(each.header == message.header for each in list(kept)), 'the boxes')
        return decode_skeletons(self._robot.ask(image, stamp), COCO_17)


def test_people_keep_their_ids_where_the_camera_turns(make_robot, assets, monkeypatch, street_frames):
    monkeypatch.undo()  # the real learner
    width = street_frames[0].shape[1] - PAN * (len(street_frames) - 1)
    counts = {}
    for tracker in ('similarity', 'flow'):
        robot = make_robot(model_path=str(assets / 'weights' / 'lwop_omz.onnx'), tracker=tracker, **CPU).start()
        ids, began = set(), now()
        for number, frame in enumerate(street_frames):
            left = PAN * number
            cloud = robot.ask(np.ascontiguousarray(frame[:, left : left + width]), began + number / FPS)
            ids |= {pose.id for pose in decode_skeletons(cloud) if pose.id is not None}
        counts[tracker] = len(ids)
        robot.stop()
    assert 3 <= counts['flow'] < counts['similarity'], counts


def test_with_its_own_detector_it_answers_as_the_learner_does(make_robot, assets, street_frames, baseline):
    detector = assets / 'weights' / 'yolox_nano.onnx'
    robot = make_robot(detector=str(detector), **baseline).start()
    learner = SimpleBaselineLearner(
        device='cpu',
        backend='onnxruntime',
        detector=detector,
        tracker=flow_tracker(),
        decoding=live_options(settings_from({'method': 'simple_baseline'})),
    )
    learner.load(baseline['model_path'])
    for number, frame in enumerate(street_frames[:4]):
        stamp = 50 + number / FPS
        found = decode_skeletons(robot.ask(frame, stamp), COCO_17)
        expected = learner.infer(frame, stamp=stamp, smooth=False)
        assert [pose.id for pose in found] == [pose.id for pose in expected]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-2)


@pytest.mark.slow
def test_boxes_on_a_topic_are_taken_from_the_published_message(installed, make_robot, street_frames, baseline, boxes):
    robot = topic_robot(make_robot, {**baseline, 'track': False})
    detector = Detector(robot)
    learner = SimpleBaselineLearner(
        device='cpu', backend='onnxruntime', decoding=live_options(settings_from({'method': 'simple_baseline'}))
    )
    learner.load(baseline['model_path'])
    found = detector.ask(street_frames[0], boxes[0], 50.0)
    expected = learner.infer(street_frames[0], track=False, boxes=Boxes(boxes[0], np.full(3, 0.8)))
    assert len(found) == len(expected) == 3
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-2)
    assert len(detector.ask(street_frames[1], boxes[1][:1], 50.1)) == 1
    assert detector.ask(street_frames[2], boxes[2][:0], 50.2) == []
    assert detector.ask(street_frames[3], None, 70.0) == []
    until(lambda: robot.said('an image has no boxes: the nearest boxes are 19.800 s from the image', WARN))
    robot.explained('frames arrive without boxes of people')


@pytest.mark.slow
def test_people_without_a_box_in_one_frame_are_followed(installed, make_robot, street_frames, baseline, boxes):
    detector = Detector(topic_robot(make_robot, baseline))
    for number, frame in enumerate(street_frames[:6]):
        seen = boxes[number][1:] if number == MISSED else boxes[number]
        poses = detector.ask(frame, seen, 50 + number / FPS)
        assert sorted(pose.id for pose in poses) == [0, 1, 2], f'frame {number}'
    assert len(detector.ask(street_frames[6], boxes[6][:0], 50 + 6 / FPS)) == 3, 'nor does it take a box at all'
    assert detector.ask(street_frames[7], boxes[7][:0], 20.0) == [], 'time jumped back: nobody is known'


@pytest.mark.slow
def test_people_are_forgotten_on_demand(installed, make_robot, street_frames, baseline, boxes):
    robot = topic_robot(make_robot, baseline)
    detector = Detector(robot)
    assert len(detector.ask(street_frames[0], boxes[0], 50.0)) == 3
    assert robot.reset_tracks().success
    assert detector.ask(street_frames[1], boxes[1][:0], 50 + 1 / FPS) == []


def topic_robot(make_robot, options):
    """Return an active robot with a real learner, which takes boxes from the topic."""
    return make_robot(**{'boxes.enabled': True}, **options).start()
