"""The node with a method that looks at one person at a time, over the middleware."""

import sys

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import until

from pose_estimation_ros import SimpleBaselineLearner
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons
from pose_estimation_ros.ros.parameters.node_settings import live_options, settings_from

ERROR, WARN = 40, 30


@pytest.fixture
def street(assets):
    video = cv2.VideoCapture(str(assets / 'video' / 'street.mp4'))
    video.set(cv2.CAP_PROP_POS_FRAMES, 540)
    return video.read()[1]


def test_answers_are_the_learners_own(make_robot, assets, monkeypatch, street):
    monkeypatch.undo()  # the real learner
    weights, detector = (assets / 'weights' / name for name in ('simplepose_ultralight.onnx', 'yolox_nano.onnx'))
    options = {'method': 'simple_baseline', 'backend': 'onnxruntime', 'track': False}
    robot = make_robot(model_path=str(weights), detector=str(detector), **options).start()
    message = robot.ask(street, seconds=100)
    learner = SimpleBaselineLearner(
        device='auto',
        backend='onnxruntime',
        detector=detector,
        decoding=live_options(settings_from({'method': 'simple_baseline'})),
    )
    learner.load(weights)
    expected = learner.infer(street, track=False)
    found = decode_skeletons(message, COCO_17)
    assert len(found) == len(expected) >= 3
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-3)


def test_boxes_of_another_node_are_for_methods_that_look_at_persons(make_robot):
    robot = make_robot(**{'boxes.enabled': True})
    assert not robot.change('configure')
    until(lambda: robot.said('lightweight_openpose takes no boxes', ERROR))


def test_without_the_message_package_boxes_are_refused_at_configure(make_robot, assets, monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    weights = assets / 'weights' / 'simplepose_ultralight.onnx'
    options = {'method': 'simple_baseline', 'backend': 'onnxruntime', 'boxes.enabled': True}
    robot = make_robot(model_path=str(weights), **options)
    assert not robot.change('configure')
    until(lambda: robot.said('vision_msgs is not installed; sudo apt install ros-jazzy-vision-msgs', ERROR))


def test_without_a_detector_the_node_says_what_it_takes_images_for(make_robot, assets, monkeypatch):
    monkeypatch.undo()
    weights = assets / 'weights' / 'simplepose_ultralight.onnx'
    robot = make_robot(model_path=str(weights), method='simple_baseline', backend='onnxruntime')
    assert robot.change('configure')
    until(lambda: robot.said('the whole image is taken as one person', WARN))
