"""Boxes in the published message, which is built from its definition; and what is said where it is not installed."""

import sys

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.ros.messages.detections import detection_type, encode_detections


def someone(identity=None):
    keypoints = np.full((18, 3), np.nan)
    keypoints[:3] = [(10, 20, 0.5), (30.5, 60, 0.7), (15, 25, 0.6)]
    return Pose(keypoints, 12.5, id=identity)


@pytest.mark.slow
def test_boxes_of_people(installed):
    header = Header(frame_id='camera')
    header.stamp.sec = 3
    message = encode_detections([someone(4), someone()], header)
    read = deserialize_message(serialize_message(message), detection_type())
    assert read.header == header
    assert [one.id for one in read.detections] == ['4', '']
    for one in read.detections:
        assert one.header == header
        assert (one.bbox.center.position.x, one.bbox.center.position.y, one.bbox.center.theta) == (20.25, 40, 0)
        assert (one.bbox.size_x, one.bbox.size_y) == (20.5, 40)
        [result] = one.results
        assert result.hypothesis.class_id == 'person'
        assert result.hypothesis.score == pytest.approx(0.6)


@pytest.mark.slow
def test_nobody(installed):
    assert serialize_message(encode_detections([], Header()))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    assert detection_type() is None
    with pytest.raises(SettingsError, match='apt install ros-jazzy-vision-msgs'):
        encode_detections([someone()], Header())
