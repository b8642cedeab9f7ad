"""What the launch file of bags waits for."""

import signal

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import Friend, until
from test_processes import FAKE, ros_args

MODULE = ('-m', 'pose_estimation_ros.ros.nodes.wait_until_active')


def test_it_ends_when_the_node_is_active_and_not_before(run, ros):
    friend = Friend('')
    try:
        waiting = run(*MODULE, '/pose_node')
        run(*FAKE, *ros_args(model_path='fake.onnx', autostart=False))
        assert friend.change('configure')
        assert waiting._child.poll() is None
        assert friend.change('activate')
        assert waiting.code() == 0, waiting.output
    finally:
        friend.stop()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_interrupted(run, ros, number):
    friend = Friend('')
    try:
        waiting = run(*MODULE, 'nobody')
        until(lambda: 'wait_until_active' in friend.node.get_node_names())
        waiting.signal(number)
        assert waiting.code() == 1
        assert 'Traceback' not in waiting.output
    finally:
        friend.stop()


def test_wrong_arguments(run, ros):
    process = run(*MODULE)
    assert process.code() == 2
    assert 'one name of a lifecycle node' in process.output
