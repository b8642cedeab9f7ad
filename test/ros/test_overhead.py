"""How what the processes noted is joined; test/apps/test_benchmark.py runs the whole."""

import time
from dataclasses import asdict

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import Friend, until
from sensor_msgs.msg import Image, PointCloud2

from pose_estimation_ros.core.files import write_json
from pose_estimation_ros.inference.pipeline import Timings
from pose_estimation_ros.ros.nodes.frame_times import FrameTimes
from pose_estimation_ros.ros.nodes.inputs import sensor_profile
from pose_estimation_ros.ros.trials.overhead import PARTS, joined
from pose_estimation_ros.ros.trials.overhead_parts import SKELETONS, WARM_UP, Plan, Recorder

PLAN = Plan({}, width=64, height=48, frames=4, rate=10.0)


def noted(lost=()):
    """A camera at 10 Hz whose publish() takes 3 ms; the node is called 5 ms after the stamp, and has 20 ms of work."""
    sent, heard, recorder = [], [], Recorder()
    for number in range(WARM_UP + PLAN.frames):
        stamp, at = 1e9 + number / 10, 50 + number / 10
        sent.append({'stamp': stamp, 'at': at, 'publish_ms': 3.0})
        if number in lost:
            continue
        recorder.arrived()
        ends = [0.005, 0.004, 0.0055, 0.0056, 0.0256, 0.0266, 0.0276]
        recorder.processed(Timings(2, 16, 1), 0.03, 2, FrameTimes(stamp, *(at + end for end in ends)))
        heard.append({'stamp': stamp, 'at': at + 0.03})
    return sent, {'rows': recorder.rows, 'counts': {**recorder.snapshot().counts, 'busy': 2}}, heard


def test_parts_of_the_way():
    row = joined([18.0, 18.0, 30.0], *noted())
    assert [row[name] for name in ('sent', 'processed', 'dropped', 'lost')] == [4, 4, 2, 0]
    expected = {
        'age_p50_ms': 30, 'publish_ms': 3, 'transport_ms': 2, 'queue_ms': 0, 'wait_ms': 0.5, 'convert_ms': 0.1,
        'total_ms': 19, 'forward_ms': 16, 'track_ms': 1, 'send_ms': 1, 'back_ms': 2.4, 'bare_ms': 18,
        'own_ms': 3.6, 'overhead_ms': 4.6, 'people': 2,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-3)


def test_images_that_do_not_arrive():
    row = joined([18.0], *noted(lost=range(WARM_UP + PLAN.frames)))
    assert (row['processed'], row['lost']) == (0, WARM_UP + PLAN.frames)
    assert {row[name] for name in ('age_p50_ms', 'own_ms', 'overhead_ms', 'forward_ms')} == {None}
    assert (row['publish_ms'], row['bare_ms']) == (3.0, 18.0)


def test_images_are_the_same_in_every_process():
    first, second = PLAN.images(), PLAN.images()
    assert first[0].shape == (48, 64, 3)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_no_image_counts_before_somebody_listens_to_the_node(run, ros, tmp_path):
    """Or else the node pauses, and a late listener leaves nothing to be measured."""
    plan = Plan({}, width=64, height=48, frames=4, rate=30.0)
    write_json(tmp_path / 'plan.json', asdict(plan))
    friend = Friend('', listen=False)
    try:
        friend.listen(Image, '/image', sensor_profile(100))
        camera = run('-m', PARTS, 'camera', tmp_path / 'plan.json', tmp_path / 'camera.json')
        until(lambda: friend.node.count_publishers('/image') == 2, 'the camera')  # the friend's own is the other
        time.sleep(1.5)
        assert not friend.heard['/image']
        friend.listen(PointCloud2, SKELETONS)
        assert camera.code() == 0, camera.output
        assert len(friend.heard['/image']) > WARM_UP
    finally:
        friend.stop()
