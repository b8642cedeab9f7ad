"""The node that looks twice, as a process with its file of parameters, while images of synthetic people flow."""

import itertools
import threading

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import REPOSITORY, Friend, until

from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons
from pose_estimation_ros.ros.parameters.node_settings import learner_options, settings_from
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

NODE = ('-m', 'pose_estimation_ros.ros.nodes.pose_node', '--ros-args', '--params-file', 'config/high_resolution.yaml')
PROFILE = {'FASTDDS_DEFAULT_PROFILES_FILE': str(REPOSITORY / 'config' / 'fastdds.xml')}
PERIOD_S = 0.1
NEAR_PIXELS = 8


@pytest.fixture(scope='module')
def frames():
    """Two seconds of people, each 90 to 160 pixels tall."""
    scene = SceneSettings(width=640, height=360, people=2, person_height=(0.25, 0.45), fps=1 / PERIOD_S)
    return list(SyntheticVideo(4, scene, frames=20))


@pytest.fixture
def friend(ros):
    friend = Friend('')
    yield friend
    friend.stop()


@pytest.fixture
def flowing(friend, frames):
    """Function that has a camera send the frames, over and over under ever later stamps, until the test ends."""
    ended, threads = threading.Event(), []

    def send():
        for number in itertools.count():
            if ended.wait(PERIOD_S):
                return
            friend.send(frames[number % len(frames)].image, 100 + number * PERIOD_S)

    def start():
        threads.append(threading.Thread(target=send, daemon=True))
        threads[0].start()

    yield start
    ended.set()
    for thread in threads:
        thread.join()


def frame_of(message, frames):
    """The frame that a message is about."""
    seconds = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
    return frames[round((seconds - 100) / PERIOD_S) % len(frames)]


def started(run, assets, **parameters):
    values = {'model_path': assets / 'weights' / 'lwop_omz.onnx', 'backend': 'onnxruntime', **parameters}
    words = (word for name, value in values.items() for word in ('-p', f'{name}:={value}'))
    return run(*NODE, *words, **PROFILE)


def nearest(pose, people):
    """Median distance in pixels of a pose's keypoints to those of the person whom they fit best."""
    return min(np.nanmedian(np.linalg.norm((pose.keypoints - each.keypoints)[:, :2], axis=1)) for each in people)


@pytest.mark.slow
def test_people_of_a_video_come_out_with_ids_that_last(run, friend, flowing, frames, assets):
    process = started(run, assets)
    flowing()
    until(lambda: len([message for message in friend.skeletons if message.height]) >= 10, 'ten answers')
    last = friend.skeletons[-5:]
    poses = [decode_skeletons(message) for message in last]
    for message, several in zip(last, poses, strict=True):
        assert any(nearest(pose, frame_of(message, frames).people) < NEAR_PIXELS for pose in several)
    ids = [{pose.id for pose in several} - {None} for several in poses]
    assert set.intersection(*ids), ids
    friend.explained('people seen')
    assert friend.value('method') == 'high_resolution'
    assert 'there is no parameter' not in process.output


@pytest.mark.slow
def test_heights_change_while_images_flow(run, friend, flowing, frames, assets):
    """From then on answers are those of a learner that was made with the new heights, and they are other ones."""
    started(run, assets, track=False, first_pass_height=200, second_pass_height=200)
    flowing()
    until(lambda: friend.skeletons, 'an answer')
    learners = {}
    for heights in ((200, 200), (200, 480), (300, 480)):
        names = ('first_pass_height', 'second_pass_height')
        result = friend.set(**dict(zip(names, heights, strict=True)))
        assert result.successful, result.reason
        learners[heights] = learner_of(assets, **dict(zip(names, heights, strict=True)))
        before = len(friend.skeletons)
        until(lambda before=before: len(friend.skeletons) > before + 3, 'answers')  # two may have been on their way
        message = friend.skeletons[-1]
        image = frame_of(message, frames).image
        found = {key: keypoints_of(each.infer(image, track=False)) for key, each in learners.items()}
        mine = keypoints_of(decode_skeletons(message))
        fitting = {key for key, keypoints in found.items() if same(mine, keypoints)}
        assert fitting == {heights}, f'answers of {fitting}, not of {heights} alone'


def learner_of(assets, **heights):
    path = assets / 'weights' / 'lwop_omz.onnx'
    values = {'method': 'high_resolution', 'backend': 'onnxruntime', 'model_path': str(path), **heights}
    learner = create_learner('high_resolution', **learner_options(settings_from(values)))
    learner.load(path)
    return learner


def keypoints_of(poses):
    return np.array([pose.keypoints for pose in poses])


def same(some, others):
    return some.shape == others.shape and np.allclose(some, others, atol=1e-2, equal_nan=True)


@pytest.mark.slow
def test_what_cannot_change_is_refused_and_images_go_on(run, friend, flowing, assets):
    started(run, assets)
    flowing()
    until(lambda: friend.skeletons, 'an answer')
    for values, reason in [
        ({'base_height': 300}, 'high_resolution has no base_height'),
        ({'first_pass_height': 100}, 'first_pass_height'),
        ({'first_pass_height': 256, 'regions': 'published'}, 'regions cannot change while the node is configured'),
    ]:
        result = friend.set(**values)
        assert not result.successful
        assert reason in result.reason
    before = len(friend.skeletons)
    until(lambda: len(friend.skeletons) > before + 1, 'answers')


@pytest.mark.slow
def test_one_box_for_everybody_over_the_node(run, friend, flowing, assets):
    started(run, assets, regions='published')
    flowing()
    until(lambda: any(message.height for message in friend.skeletons), 'people')
    seen = next(message for message in friend.skeletons if message.height)
    people = decode_skeletons(seen)
    assert len(people) == seen.height
    assert max(len(person.found) for person in people) >= 8, 'somebody, not a few stray points'
