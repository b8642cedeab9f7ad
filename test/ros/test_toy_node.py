"""The toy system (test/toy_system) in the node, over the middleware."""

import json
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import REPOSITORY, Friend, until
from toy_system.learner import ToyLearner

from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople

PATHS = f'{REPOSITORY}:{REPOSITORY / "test"}'


@pytest.fixture
def friend(ros):
    friend = Friend('')
    yield friend
    friend.stop()


def sent(friend, image):
    """Send an image and wait a little: two processes need a moment to find each other in both directions."""
    friend.send(image)
    time.sleep(0.1)


def test_the_node_answers_as_its_learner_and_takes_its_parameters(run, friend, tmp_path):
    learner = ToyLearner(device='cpu', toy_channels=4)
    learner.init_model()
    learner.save(tmp_path / 'model')
    image = SyntheticPeople(1, (96, 80), (1, 1)).sample(0).image
    values = {'method': 'toy', 'model_path': str(tmp_path / 'model'), 'track': False}
    values |= {'toy_shift': 1.5, 'base_height': 128}
    words = [word for name, value in values.items() for word in ('-p', f'{name}:={json.dumps(value)}')]
    run('-m', 'toy_system', 'node', '--ros-args', *words, PYTHONPATH=PATHS)
    until(friend.camera.get_subscription_count, 'a subscription to images')
    until(lambda: friend.node.count_publishers('/pose_node/skeletons'))
    until(lambda: friend.skeletons or sent(friend, image), 'an answer')
    learner.tune(base_height=128, toy_shift=1.5)
    (expected,) = learner.infer(image, track=False)
    np.testing.assert_allclose(friend.poses[0].keypoints, expected.keypoints, atol=1e-3)
    assert friend.set(toy_shift=3.0).successful
    friend.ask(image)
    moved = friend.poses[0].keypoints - expected.keypoints
    np.testing.assert_allclose(np.nanmax(moved, axis=0), [1.5, 0, 0], atol=1e-3)
    assert not friend.set(toy_shift=11.0).successful
