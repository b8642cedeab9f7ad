"""The node as a process of its own, so that nobody else's memory is counted."""

from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_fakes import make_image
from ros_graph import Friend, until
from test_processes import FAKE, answered, connected, ros_args

MOST_BYTES = 20e6
"""Kept frames would be 8000 times 9216 bytes."""


@pytest.mark.slow
def test_ten_thousand_frames(run, ros):
    """One after the other, and memory stays flat."""
    friend = Friend('')
    try:
        process = run(*FAKE, *ros_args(model_path='fake.onnx'))
        connected(friend)
        image = make_image(1)
        answered(friend, image, 1.0)
        work(friend, image, 2000)
        before = resident(process.pid)
        work(friend, image, 8000)
        assert resident(process.pid) - before < MOST_BYTES
    finally:
        friend.stop()


def work(friend, image, count):
    for number in range(count):
        friend.skeletons.clear()
        friend.send(image, 10.0 + number / 30)
        until(lambda: friend.skeletons, 'an answer')


def resident(pid):
    """Bytes of memory that a process occupies."""
    return int(Path(f'/proc/{pid}/statm').read_text().split()[1]) * 4096
