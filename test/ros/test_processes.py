"""The programs as processes of their own, over the middleware."""

import importlib.util
import json
import signal
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from ros_fakes import make_image
from ros_graph import REPOSITORY, Friend, header, until
from sensor_msgs.msg import CompressedImage

from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner

NODE = ('-m', 'pose_estimation_ros.ros.nodes.pose_node')
FAKE = ('test/ros/ros_fakes.py',)
SLOW_LOADING_S = 3


def ros_args(**values):
    given = (f'{name.replace("__", ".")}:={json.dumps(value)}' for name, value in values.items())
    return ['--ros-args', *(word for each in given for word in ('-p', each))]


@pytest.fixture
def friend(ros):
    friend = Friend('')
    yield friend
    friend.stop()


def connected(friend):
    until(friend.camera.get_subscription_count, 'a subscription to images')
    until(lambda: friend.node.count_publishers('/pose_node/skeletons'))


def answered(friend, image, seconds):
    """Send until an answer comes: two processes need a moment to find each other in both directions."""

    def comes():
        friend.send(image, seconds)
        time.sleep(0.1)
        return friend.skeletons

    until(comes, 'an answer')
    return friend.skeletons[0]


def test_image_in_skeletons_out_as_the_learner_says(run, friend, assets):
    weights = assets / 'weights' / 'lwop_omz.onnx'
    image = read_image(sorted((assets / 'coco').rglob('*.jpg'))[0])
    image = image[:300, :400]  # best effort without the profile for large images
    run(*NODE, *ros_args(model_path=str(weights), track=False))
    connected(friend)
    message = answered(friend, image, 12.25)
    assert message.header == header(12.25)
    learner = LightweightOpenPoseLearner(device='auto')
    learner.load(weights)
    expected = learner.infer(image, track=False)
    assert message.height == len(expected)
    for found, pose in zip(friend.poses, expected, strict=True):
        np.testing.assert_allclose(found.keypoints, pose.keypoints, atol=1e-3)


def test_nobody_and_somebody(run, friend):
    run(*FAKE, *ros_args(model_path='fake.onnx'))
    connected(friend)
    assert answered(friend, make_image(0), 3.5).height == 0
    until(lambda: friend.statuses)
    friend.explained('frames arrive, no people detected')
    assert friend.ask(make_image(2), 4.5).height == 2
    assert friend.skeletons[-1].header.stamp.sec == 4


def test_lifecycle_over_services(run, friend):
    run(*FAKE, *ros_args(model_path='fake.onnx', autostart=False))
    assert friend.state() == 'unconfigured'
    for _ in range(2):
        assert friend.change('configure')
        assert friend.change('activate')
        connected(friend)
        friend.skeletons.clear()
        answered(friend, make_image(1), 2.0)
        assert not friend.set(model_path='other.onnx').successful
        assert friend.set(max_persons=1).successful
        assert friend.change('deactivate')
        assert friend.change('cleanup')
    assert friend.state() == 'unconfigured'


def test_remapped_and_renamed(run, ros):
    friend = Friend('/front', name='people')
    process = run(*FAKE, *ros_args(model_path='fake.onnx'), '-r', '__ns:=/robot', '-r', '__node:=people',
                  '-r', 'image:=/front/image', '-r', '/robot/people/skeletons:=/front/people/skeletons')  # fmt: skip
    friend.target = '/robot/people'
    try:
        until(friend.camera.get_subscription_count)
        answered(friend, make_image(1), 2.0)
        friend.explained('1 person seen')
    finally:
        friend.stop()
    assert 'Traceback' not in process.output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('busy', [False, True])
def test_signals_end_it_cleanly(run, friend, number, busy):
    process = run(*FAKE, *(['--slow=1'] if busy else []), *ros_args(model_path='fake.onnx', lazy=False))
    connected(friend)
    if busy:  # an image is in work, and another waits
        until(lambda: friend.value('received') not in (None, '0') or friend.send(make_image(1)) is None)
        friend.send(make_image(1))
    process.signal(number)
    assert process.code() == 0, process.output
    assert 'Traceback' not in process.output
    assert '[ERROR]' not in process.output


@pytest.mark.slow
def test_ctrl_c_twice(run, friend):
    process = run(*FAKE, '--slow=1', *ros_args(model_path='fake.onnx', lazy=False))
    connected(friend)
    until(lambda: friend.value('received') not in (None, '0') or friend.send(make_image(1)) is None)
    friend.send(make_image(1))
    process.signal(signal.SIGINT)
    time.sleep(0.2)
    process.signal(signal.SIGINT)
    assert process.code() == 0, process.output
    assert 'Traceback' not in process.output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_while_the_model_loads(run, ros, number):
    process = run(*FAKE, f'--slow-load={SLOW_LOADING_S}', *ros_args(model_path='fake.onnx'))
    process.says('making')
    process.signal(number)
    assert process.code() == 0, process.output
    assert 'Traceback' not in process.output


def test_signals_before_it_is_configured(run, friend):
    process = run(*FAKE, *ros_args(autostart=False))
    assert friend.state() == 'unconfigured'
    process.signal(signal.SIGINT)
    assert process.code() == 0, process.output


@pytest.mark.parametrize(
    ('values', 'sentences'),
    [
        ({'model_path': '/nowhere/model.onnx'}, ['/nowhere/model.onnx', 'give a saved folder']),
        ({'model_path': 'm.onnx', 'base_height': 5}, ['base_height must be a whole number from 128 to 1080, got 5']),
        ({'model_path': 'm.onnx', 'device': 'gpu', 'track': 'yes'}, ['device must be', 'track must be']),
        ({'model_path': 'm.onnx', 'hri__enabled': True, 'track': False}, ['hri.enabled requires track']),
        ({'model_path': 'm.onnx', 'method': 'guessing'}, ['method must be one of lightweight_openpose']),
    ],
)
def test_what_cannot_start_exits_1_and_says_why(run, ros, values, sentences):
    process = run(*NODE, *ros_args(**values))
    assert process.code() == 1
    for sentence in sentences:
        assert sentence in process.output
    assert 'Traceback' not in process.output


def test_another_type_on_the_topic(run, friend):
    """Raw images where compressed ones are awaited."""
    given = ros_args(model_path='fake.onnx', image_transport='compressed', stall_timeout=0.5)
    process = run(*FAKE, *given, '-r', 'image/compressed:=/image')
    status = friend.explained('/image carries sensor_msgs/msg/Image, which this node does not subscribe to')
    assert status.level == DiagnosticStatus.ERROR
    process.says('it carries sensor_msgs/msg/Image, expected sensor_msgs/msg/CompressedImage')


def test_another_type_on_the_topic_that_is_found_late(run, friend):
    """After the warning that there are no images, which did not know why."""
    process = run(*FAKE, *ros_args(model_path='fake.onnx', stall_timeout=0.2), '-r', 'image:=/other')
    process.says('it has 0 publishers')
    friend.node.create_publisher(CompressedImage, '/other', 10)
    process.says('it carries sensor_msgs/msg/CompressedImage, expected sensor_msgs/msg/Image')
    assert process.output.count('no image on /other') == 2


@pytest.mark.parametrize('content', [None, 'pose_node:\n  base_height: 300\n', '/**:\n  ros__parameters: [1, 2\n'])
def test_files_of_parameters_that_ros_cannot_read(run, ros, tmp_path, content):
    path = tmp_path / 'params.yaml'
    if content:
        path.write_text(content)
    process = run(*NODE, '--ros-args', '--params-file', path)
    assert process.code() == 1
    assert 'ROS does not take these arguments' in process.output
    assert str(path) in process.output
    assert 'Traceback' not in process.output


@pytest.mark.skipif(importlib.util.find_spec('hri_msgs') is not None, reason='hri_msgs is installed')
def test_bodies_asked_for_without_their_messages(run, ros):
    process = run(*FAKE, *ros_args(model_path='fake.onnx', hri__enabled=True))
    assert process.code() == 1
    assert 'hri_msgs is not installed; sudo apt install ros-' in process.output


@pytest.mark.slow
@pytest.mark.parametrize('reliable', [True, False])
def test_large_images_arrive_with_the_profile(run, friend, tmp_path, reliable):
    cv2.imwrite(str(tmp_path / 'large.png'), make_image(2, height=1080, width=1920))
    profile = {'FASTDDS_DEFAULT_PROFILES_FILE': str(REPOSITORY / 'config' / 'fastdds.xml')}
    run(*FAKE, *ros_args(model_path='fake.onnx'), **profile)
    run('-m', 'pose_estimation_ros.ros.nodes.camera_node', *ros_args(source=str(tmp_path), rate=10, reliable=reliable),
        **profile)  # fmt: skip
    until(lambda: len(friend.skeletons) > 20, 'answers to large images')
    assert {message.height for message in friend.skeletons} == {2}


def test_misspelt_parameters_are_told(run, friend):
    process = run(*FAKE, *ros_args(model_path='fake.onnx', base_heigth=300))
    process.says('did you mean base_height?')
    assert 'base_heigth' in process.output


def test_parameter_file(run, friend):
    process = run(*FAKE, '--ros-args', '--params-file', 'config/pose_node.yaml', '-p', 'model_path:=fake.onnx')
    connected(friend)
    assert answered(friend, make_image(2), 2.0).height == 2
    assert 'there is no parameter' not in process.output


def test_camera_node_and_echo(run, ros, assets):
    """Three programs, as a user starts them."""
    weights = assets / 'weights' / 'lwop_omz.onnx'
    run(*NODE, *ros_args(model_path=str(weights)))
    run('-m', 'pose_estimation_ros.ros.nodes.camera_node', *ros_args(width=320, height=240, frames=5, people=3, seed=2))
    echo = run('-m', 'pose_estimation_ros.ros.nodes.echo', '--once', '--json')
    assert echo.code() == 0, echo.output
    message = json.loads(echo.lines[-1])
    assert message['frame_id'] == 'camera'
    assert message['stamp'] > 1e9
    assert all(len(pose['keypoints']) == 18 for pose in message['poses'])
