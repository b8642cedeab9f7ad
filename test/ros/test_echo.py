import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

import rclpy
from ros_fakes import make_image, poses_in
from ros_graph import REPOSITORY, Spinner, header, until
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String

from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, MPII_16, SKELETONS
from pose_estimation_ros.data.skeleton_cloud import BrokenSkeletonsError
from pose_estimation_ros.ros.messages.skeleton_messages import (
    decode_skeletons,
    description_message,
    encode_skeletons,
    read_description,
    skeleton_of_width,
)
from pose_estimation_ros.ros.nodes import skeleton_listener
from pose_estimation_ros.ros.nodes.echo import DEFAULT_TOPIC, as_line, as_text, silence
from pose_estimation_ros.ros.nodes.outputs import reliable
from pose_estimation_ros.ros.nodes.skeleton_listener import SkeletonListener

MODULE = ('-m', 'pose_estimation_ros.ros.nodes.echo')
POSES = [pose.with_id(number) for number, pose in enumerate(poses_in(make_image(2)))]
MESSAGE = encode_skeletons(POSES, header(12.25))


@pytest.fixture
def publish(ros):
    """Function that publishes a message again and again, until the test ends."""
    node = rclpy.create_node('speaker')
    spinner, stop, threads = Spinner(node), threading.Event(), []

    def start(message=MESSAGE, topic=DEFAULT_TOPIC, profile=10):
        publisher = node.create_publisher(type(message), topic, profile)

        def repeat():
            while not stop.wait(0.05):
                publisher.publish(message)

        threads.append(threading.Thread(target=repeat))
        threads[-1].start()
        return publisher

    yield start
    stop.set()
    for thread in threads:
        thread.join()
    spinner.stop()


def test_text():
    text = as_text(MESSAGE, POSES)
    assert text.startswith('12.250 camera: 2 people\npose 0, score')
    assert text.count('missing') == 2
    assert as_text(MESSAGE, []) == '12.250 camera: 0 people'


def test_json():
    line = as_line(MESSAGE, POSES)
    assert '\n' not in line
    message = json.loads(line)
    assert (message['stamp'], message['frame_id']) == (12.25, 'camera')
    assert [pose['id'] for pose in message['poses']] == [0, 1]
    assert message['poses'][1]['keypoints'][3] == [1003.0, 6.0, 0.5]
    assert message['poses'][0]['keypoints'][17] is None
    assert json.loads(as_line(MESSAGE, []))['poses'] == []


def test_untracked_people():
    (pose,) = json.loads(as_line(MESSAGE, poses_in(make_image(1))))['poses']
    assert pose['id'] is None


@pytest.mark.parametrize('arguments', [[], ['--json']])
def test_once(run, publish, arguments):
    publish()
    process = run(*MODULE, '--once', *arguments)
    assert process.code() == 0
    poses = decode_skeletons(MESSAGE)
    expected = as_line(MESSAGE, poses) if arguments else as_text(MESSAGE, poses)
    assert '\n'.join(process.lines) == expected


def test_topic_and_ros_arguments(run, publish):
    publish(topic='/robot/people/skeletons')
    assert run(*MODULE, '/robot/people/skeletons', '--once').code() == 0
    renamed = run(*MODULE, '--once', '--ros-args', '-r', f'{DEFAULT_TOPIC}:=/robot/people/skeletons')
    assert renamed.code() == 0
    assert '2 people' in renamed.output


def test_silence_is_explained(run, publish):
    publish(String(), topic='/chatter')
    nobody, other = run(*MODULE, '/nowhere', '--json'), run(*MODULE, '/chatter')
    until(lambda: 'no publisher on /nowhere; is the node running' in nobody.output, 20)
    until(
        lambda: '/chatter carries std_msgs/msg/String; skeletons are a sensor_msgs/msg/PointCloud2' in other.output, 20
    )
    assert 'nothing has come on /a from 2 publishers' in silence('/a', ['sensor_msgs/msg/PointCloud2'] * 2)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals(run, publish, number):
    publisher = publish()
    process = run(*MODULE, '--json')
    until(lambda: publisher.get_subscription_count() and len(process.lines) > 2)
    process.signal(number)
    assert process.code() == 0
    assert all(json.loads(line)['stamp'] == 12.25 for line in process.lines)


def test_reader_that_leaves(publish):
    """As in `echo | head -1`."""
    publish()
    with subprocess.Popen(
        [sys.executable, *MODULE, '--json'],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        log = [line for line in process.stderr.read().splitlines() if not line.startswith('[WARN]')]
        assert log == []


def people_of(skeleton):
    return Pose(np.column_stack([np.arange(len(skeleton)), np.ones((len(skeleton), 2))]), 1.0, skeleton)


@pytest.mark.parametrize('described', [True, False])
def test_other_skeletons(run, publish, described):
    """As the node describes them, or by their number of keypoints where nobody does, as in a bag."""
    made_up = replace(COCO_17, name='cyclops', keypoints=('eye', *COCO_17.keypoints[1:])) if described else MPII_16
    topic = '/others/skeletons'
    if described:
        publish(description_message(made_up), '/others/skeleton_description', reliable(1, latched=True))
    publish(encode_skeletons([people_of(made_up)], header(1.0), made_up), topic)
    echo = run(*MODULE, topic, '--once')
    assert echo.code() == 0, echo.output
    assert '\n'.join(echo.lines) == as_text(MESSAGE, [people_of(made_up)]).replace('12.250', '1.000')
    assert made_up.abbreviations[3] in echo.output


def test_without_a_description_only_the_first_message_is_kept_waiting(publish, monkeypatch):
    monkeypatch.setattr(skeleton_listener, 'PATIENCE_S', 0.4)
    listener, taken = rclpy.create_node('listener'), []
    SkeletonListener(listener, DEFAULT_TOPIC, lambda message, poses: taken.append(poses))
    spinner = Spinner(listener)
    try:
        publish()
        until(lambda: taken, 'the first')
        monkeypatch.setattr(skeleton_listener, 'PATIENCE_S', 1e9)
        before = len(taken)
        until(lambda: len(taken) > before + 3, 'more of them')
        assert {len(poses) for poses in taken} == {len(taken[0])}
    finally:
        spinner.stop()


def test_descriptions_are_read_back():
    for skeleton in SKELETONS.values():
        assert read_description(description_message(skeleton)) is skeleton
    for text in ('', 'no JSON', '[]', '{"name": "openpose_18"}', '{"name": "x", "keypoints": 3}'):
        with pytest.raises(BrokenSkeletonsError, match='not a skeleton description'):
            read_description(String(data=text))
    with pytest.raises(BrokenSkeletonsError, match='no skeleton of 3 keypoints'):
        skeleton_of_width(3)


def test_another_cloud_is_told(run, publish):
    publish(PointCloud2(header=header(1.0), height=1, width=3))
    process = run(*MODULE)
    process.says('[ERROR]')
    process.signal(signal.SIGINT)
    assert process.code() == 0
    assert 'Traceback' not in process.output


def test_help_and_wrong_arguments(run):
    help_ = run(*MODULE, '--help')
    assert help_.code() == 0
    assert '--once' in help_.output
    wrong = run(*MODULE, '--twice')
    assert wrong.code() == 2
    assert '--twice' in wrong.output
