"""REP-155: names, messages, and topics that come and go with people, over the real middleware."""

import re
import sys
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.ros.messages.hri import BodyNames, BodyPublisher, body_id, roi_message, skeleton_message

SIZE = (640, 480)
PATIENCE_S = 20


def someone(identity=None, skeleton=OPENPOSE_18):
    """Keypoint k is at (10 k, 20 k) with score k / 20."""
    places = np.arange(len(skeleton))[:, None] * [10, 20, 0.05]
    return Pose(places, 9.0, skeleton, identity)


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(context=context)
    made = rclpy.create_node('hri_test', context=context)
    yield made
    made.destroy_node()
    context.try_shutdown()


class Listener:
    """Hears what is said on topics, in a node of its own."""

    def __init__(self, node, **topics):
        self.node = rclpy.create_node('hri_listener', context=node.context)
        self.executor = SingleThreadedExecutor(context=node.context)
        self.executor.add_node(self.node)
        self.heard = {name: [] for name in topics}
        for name, kind in topics.items():
            topic = f'/humans/bodies/{name.replace("__", "/")}'
            self.node.create_subscription(kind, topic, self.heard[name].append, 10)

    def until(self, condition, act=lambda: None):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, 'nothing came'
            act()
            self.executor.spin_once(timeout_sec=0.05)


def body_topics(node):
    return {name for name, _ in node.get_topic_names_and_types() if re.fullmatch('/humans/bodies/.*/.*', name)}


def test_names_are_stable_different_and_fit_for_topics():
    names = [body_id(track) for track in range(50000)]
    assert names[7] == body_id(7)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch('body_[a-z]{5}', name) for name in names)


def test_names_do_not_come_again_after_a_reset():
    names = BodyNames()
    before = [names(track) for track in (0, 1, 1, 0)]
    assert before == [body_id(0), body_id(1), body_id(1), body_id(0)]
    names.reset()
    after = [names(track) for track in (0, 1)]
    assert not set(after) & set(before)
    assert after == [names(track) for track in (0, 1)]
    names.reset()
    names.reset()
    assert names(0) not in [*before, *after]


@pytest.mark.slow
def test_keypoints_go_by_name(installed):
    from hri_msgs.msg import Skeleton2D

    message = skeleton_message(someone(), Header(frame_id='camera'), SIZE)
    assert message.header.frame_id == 'camera'
    for name in ('nose', 'neck', 'left_wrist', 'left_eye', 'right_eye', 'left_ear', 'right_ear'):
        place = OPENPOSE_18.index(name)
        point = message.skeleton[getattr(Skeleton2D, name.upper())]
        assert point.x == pytest.approx((10 * place + 0.5) / 640)
        assert point.y == pytest.approx((20 * place + 0.5) / 480)
        assert point.c == pytest.approx(place / 20)
    assert OPENPOSE_18.index('left_eye') != Skeleton2D.LEFT_EYE  # as that is where one goes wrong


@pytest.mark.slow
def test_what_a_skeleton_lacks_has_no_confidence(installed):
    from hri_msgs.msg import Skeleton2D

    pose = someone(skeleton=COCO_17)
    keypoints = pose.keypoints.copy()
    keypoints[COCO_17.index('left_hip')] = np.nan
    message = skeleton_message(Pose(keypoints, 1.0, COCO_17), Header(), SIZE)
    for place in (Skeleton2D.NECK, Skeleton2D.LEFT_HIP):
        point = message.skeleton[place]
        assert (point.x, point.y, point.c) == (0, 0, 0)
    assert message.skeleton[Skeleton2D.RIGHT_ANKLE].c == pytest.approx(0.8)


@pytest.mark.slow
def test_boxes_are_normalised_and_stay_in_the_image(installed):
    message = roi_message(someone(), Header(frame_id='camera'), SIZE)
    assert [message.xmin, message.ymin] == pytest.approx([0.5 / 640, 0.5 / 480])
    assert [message.xmax, message.ymax] == pytest.approx([170.5 / 640, 340.5 / 480])
    assert message.c == pytest.approx(np.arange(18).mean() / 20)
    assert message.header.frame_id == 'camera'
    keypoints = np.full((18, 3), np.nan)
    keypoints[:2] = [(-50, -50, 1), (700, 500, 1)]
    message = roi_message(Pose(keypoints, 1.0), Header(), SIZE)
    assert [message.xmin, message.ymin, message.xmax, message.ymax] == [0, 0, 1, 1]


@pytest.mark.slow
def test_people_are_heard(installed, node):
    from hri_msgs.msg import IdsList, NormalizedRegionOfInterest2D, Skeleton2D

    name, header = body_id(3), Header(frame_id='camera')
    header.stamp.sec = 5
    topics = {'tracked': IdsList, f'{name}__skeleton2d': Skeleton2D, f'{name}__roi': NormalizedRegionOfInterest2D}
    listener = Listener(node, **topics)
    publisher = BodyPublisher(node)
    poses = [someone(3), someone(None), someone(8)]
    listener.until(lambda: all(listener.heard.values()), lambda: publisher.publish(poses, header, SIZE))
    assert publisher.has_subscribers
    assert listener.heard['tracked'][-1].ids == [body_id(3), body_id(8)]
    assert all(messages[-1].header == header for messages in listener.heard.values())
    for kind, message in (('skeleton2d', skeleton_message), ('roi', roi_message)):
        sent = message(poses[0], header, SIZE)
        assert serialize_message(listener.heard[f'{name}__{kind}'][-1]) == serialize_message(sent)
    publisher.reset()
    listener.until(lambda: listener.heard['tracked'][-1].ids == [])
    assert listener.heard['tracked'][-1].header == header


@pytest.mark.slow
def test_topics_come_and_go_with_people(installed, node):
    publisher = BodyPublisher(node, kept_frames=2)
    assert body_topics(node) == set()
    publisher.publish([someone(0), someone(1)], Header(), SIZE)
    both = {f'/humans/bodies/{body_id(track)}/{kind}' for track in (0, 1) for kind in ('skeleton2d', 'roi')}
    assert body_topics(node) == both
    for _ in range(2):  # missed for a moment
        publisher.publish([someone(0)], Header(), SIZE)
        assert body_topics(node) == both
    publisher.publish([someone(0), someone(1)], Header(), SIZE)
    for _ in range(3):
        publisher.publish([someone(0)], Header(), SIZE)
    assert body_topics(node) == {topic for topic in both if body_id(0) in topic}
    publisher.reset()
    assert body_topics(node) == set()
    publisher.publish([someone(0)], Header(), SIZE)
    assert not body_topics(node) & both  # another person, though the track counts from 0 again
    publisher.destroy()
    assert not [name for name, _ in node.get_topic_names_and_types() if name.startswith('/humans')]


@pytest.mark.slow
def test_many_people_leave_nothing_behind(installed, node):
    publisher = BodyPublisher(node, kept_frames=0)
    before = len(list(node.publishers))
    for track in range(100):
        publisher.publish([someone(track), someone(track + 1)], Header(), SIZE)
    publisher.publish([], Header(), SIZE)
    assert len(list(node.publishers)) == before


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'hri_msgs', None)
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    with pytest.raises(SettingsError, match='hri_msgs is not installed; sudo apt install ros-humble-hri-msgs'):
        BodyPublisher(None)
