"""A bag played into the node gives the people that the command `bag` finds in it without ROS."""

import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('rosbags', reason='needs the extra [bag]')

from rclpy.serialization import deserialize_message, serialize_message
from ros_graph import Friend, header, until
from sensor_msgs.msg import Image, PointCloud2
from test_processes import NODE, ros_args

from pose_estimation_ros.apps.cli import main
from pose_estimation_ros.data.bags.messages import Message, Topic
from pose_estimation_ros.data.bags.reading import open_bag
from pose_estimation_ros.data.bags.skeleton_topics import SKELETONS
from pose_estimation_ros.data.bags.writing import written_bag
from pose_estimation_ros.ros.messages.image_conversion import from_bgr
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

CAMERA = Topic('/camera/image_raw', 'sensor_msgs/msg/Image')
BACKEND = 'onnxruntime'
START_S, RATE, FRAMES = 1_700_000_000, 15, 12


@pytest.fixture(scope='session')
def weights(assets):
    path = assets / 'weights' / 'lwop_omz.onnx'
    if not path.exists():
        pytest.skip(f'{path} is not there')
    return path


@pytest.fixture(scope='session')
def bag(tmp_path_factory):
    """Two people walk past a camera that was there long ago; recorded 5 ms after each stamp."""
    path = tmp_path_factory.mktemp('recorded') / 'walk'
    video = SyntheticVideo(4, SceneSettings(width=320, height=240, people=2, fps=RATE), frames=FRAMES)
    with written_bag(path, 'mcap') as writer:
        for number, frame in enumerate(video):
            image = from_bgr(frame.image, header(START_S + number / RATE, 'lens'))
            recorded_ns = START_S * 10**9 + number * 10**9 // RATE + 5_000_000
            writer.add(Message(CAMERA, recorded_ns, serialize_message(image)))
    return path


@pytest.fixture(scope='session', params=['similarity', 'flow'])
def tracker(request):
    return request.param


@pytest.fixture(scope='session')
def offline(bag, weights, tracker, tmp_path_factory):
    """What the command writes beside the images, as ROS reads it."""
    new = tmp_path_factory.mktemp('offline') / 'walk'
    options = ['--weights', weights, '--backend', BACKEND, '--device', 'cpu', '--tracker', tracker]
    assert main(['bag', *map(str, [bag, '--output', new, *options])]) == 0
    with open_bag(new) as reader:
        found = [bytes(each.data) for each in reader.messages() if each.topic.name == SKELETONS.name]
    clouds = [deserialize_message(data, PointCloud2) for data in found]
    assert len(clouds) == FRAMES
    assert len(identities(clouds)) >= 2  # or else the tests below say little
    return clouds


def identities(clouds):
    return {pose.id for cloud in clouds for pose in decode_skeletons(cloud)}


class Player:
    """Plays the images of a bag as `ros2 bag play` does: the bytes as they are, as far apart as they were recorded.

    The node keeps only the newest image, so that a slow machine would leave some out: where the people of the last
    image are still to come, the next one waits.
    """

    def __init__(self, friend):
        self._skeletons = friend.skeletons
        self._camera = friend.node.create_publisher(Image, CAMERA.name, 10)

    def connect(self):
        """Send grey images until one is answered: the node and the listener have found each other then."""
        until(self._camera.get_subscription_count, 'a subscription to images')
        nobody = from_bgr(np.full((240, 320, 3), 128, np.uint8), header(1))

        def comes():
            self._camera.publish(nobody)
            time.sleep(0.1)
            return self._skeletons

        until(comes, 'an answer')
        assert not identities(self._skeletons)

    def play(self, bag):
        """Return the answers, one an image."""
        answers, played_until = [], time.monotonic()
        with open_bag(bag) as reader:
            before_ns = None
            for message in reader.messages():
                played_until += (message.stamp_ns - (before_ns or message.stamp_ns)) * 1e-9
                before_ns = message.stamp_ns
                time.sleep(max(0, played_until - time.monotonic()))
                answers.append(self._answer(bytes(message.data)))
        return answers

    def _answer(self, data):
        sent = deserialize_message(data, Image).header
        before = len(self._skeletons)
        self._camera.publish(data)
        until(lambda: any(each.header == sent for each in self._skeletons[before:]), f'an answer to {sent.stamp}')
        [answer] = [each for each in self._skeletons[before:] if each.header == sent]
        return answer


@pytest.fixture
def player(run, weights, tracker):
    """Of bags, beside a node that is a process of its own."""
    friend = Friend('')
    options = ros_args(model_path=str(weights), backend=BACKEND, device='cpu', max_frame_age=0.0, tracker=tracker)
    run(*NODE, *options, '-r', f'image:={CAMERA.name}')
    player = Player(friend)
    try:
        player.connect()
        yield player
    finally:
        friend.stop()


def assert_same(found, expected):
    """Stamps, layout, ids and keypoints of messages."""
    assert [each.header for each in found] == [each.header for each in expected]
    for cloud, wanted in zip(found, expected, strict=True):
        assert (cloud.height, cloud.width, cloud.fields) == (wanted.height, wanted.width, wanted.fields)
        poses, others = decode_skeletons(cloud), decode_skeletons(wanted)
        assert [pose.id for pose in poses] == [pose.id for pose in others]
        for pose, other in zip(poses, others, strict=True):
            np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=1e-3)


@pytest.mark.slow
def test_a_bag_played_into_the_node_gives_what_the_command_writes(bag, offline, player):
    assert_same(player.play(bag), offline)


@pytest.mark.slow
def test_played_again_it_gives_the_same_people_with_the_same_ids(bag, offline, player):
    first, again = player.play(bag), player.play(bag)
    assert_same(again, first)
    assert_same(again, offline)
