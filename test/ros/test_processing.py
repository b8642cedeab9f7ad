"""One message at a time, with small fakes around the processor."""

import math
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time
from ros_fakes import FakeLearner, make_image, poses_in
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from pose_estimation_ros.ros.messages.image_conversion import Converter, from_bgr
from pose_estimation_ros.ros.nodes.frame_times import ReceivedMessage
from pose_estimation_ros.ros.nodes.processing import (
    FAILURES_IN_A_ROW,
    FrameProcessor,
    ProcessorContext,
    seconds,
)
from pose_estimation_ros.ros.nodes.statistics import Statistics
from pose_estimation_ros.ros.parameters.node_settings import changed, settings_from


class Outputs:
    def __init__(self):
        self.listened, self.published, self.forgot = True, [], 0

    def wanted(self, annotate=True):
        return self.listened

    def publish(self, observation, settings):
        self.published.append(observation)

    def forget_people(self):
        self.forgot += 1


class Logger:
    def __init__(self):
        self.errors, self.warnings, self.infos = [], [], []

    def error(self, text):
        self.errors.append(text)

    def warning(self, text, throttle_duration_sec=0.0):
        self.warnings.append(text)

    def info(self, text):
        self.infos.append(text)


class Bench:
    """A processor and everything around it."""

    def __init__(self, **settings):
        self.learner, self.outputs, self.logger = FakeLearner(), Outputs(), Logger()
        self.statistics, self.given_up, self.now, self.ending = Statistics(), 0, 100.0, False
        context = ProcessorContext(
            learner=self.learner,
            outputs=self.outputs,
            converter=Converter('built-in', 'test'),
            statistics=self.statistics,
            depth=None,
            logger=self.logger,
            now=lambda: self.now,
            on_too_many_failures=self.on_too_many_failures,
            is_ending=lambda: self.ending,
        )
        self.processor = FrameProcessor(context, settings_from(settings))

    def on_too_many_failures(self):
        self.given_up += 1

    def set(self, **values):
        self.processor.settings = changed(self.processor.settings, values, configured=False)

    def send(self, people=1, stamp=99.5, shift=0, **fields):
        whole, part = divmod(stamp, 1)
        header = Header(stamp=Time(sec=int(whole), nanosec=int(part * 1e9)), frame_id='camera')
        message = from_bgr(make_image(people, shift=shift), header)
        for name, value in fields.items():
            setattr(message, name, value)
        self.processor(ReceivedMessage(message, time.perf_counter()))
        return message

    @property
    def counts(self):
        return self.statistics.snapshot().counts

    @property
    def poses(self):
        return self.outputs.published[-1].poses

    def fail(self, error):
        def hurdle(image):
            raise error

        self.learner.hurdle = hurdle


@pytest.fixture
def bench():
    return Bench()


def test_boxes_of_another_node_go_to_the_learner_with_the_images_header():
    class Buffer:
        def boxes(self, header):
            self.header = header
            return 'where people are'

    bench, buffer = Bench(), Buffer()
    bench.send(1)
    assert bench.learner.boxes is None
    bench.processor._context.boxes = buffer
    message = bench.send(1)
    assert bench.learner.boxes == 'where people are'
    assert buffer.header == message.header


def test_an_image_becomes_people(bench):
    message = bench.send(2)
    (seen,) = bench.outputs.published
    assert seen.header is message.header
    np.testing.assert_array_equal(seen.image, make_image(2))
    assert [pose.id for pose in seen.poses] == [0, 1]
    assert seen.points is None
    assert bench.counts == {'processed': 1}
    assert bench.statistics.snapshot().age_p50 == 0.5
    assert bench.statistics.snapshot().people == 2


def test_nobody_is_published_too(bench):
    bench.send(0)
    assert bench.poses == []


def test_without_tracking_poses_are_the_networks(tmp_path):
    bench = Bench(track=False)
    bench.send(1)
    assert bench.poses[0].id is None
    np.testing.assert_array_equal(bench.poses[0].keypoints, poses_in(make_image(1))[0].keypoints)


def test_smoothing_goes_by_the_images_stamps(bench):
    """Someone who moves by ten pixels: the longer that takes, the less is smoothed away."""
    moved = {}
    for seconds_between in (0.01, 1.0):
        bench = Bench()
        bench.send(1, stamp=10.0)
        bench.send(1, stamp=10.0 + seconds_between, shift=10)
        moved[seconds_between] = bench.poses[0].keypoints[0, 0]
    assert 0 < moved[0.01] < moved[1.0] <= 10


def test_paused_while_nobody_listens(bench):
    bench.outputs.listened = False
    bench.send(1)
    assert bench.learner.seen == 0
    assert not bench.processor.has_subscribers
    assert bench.counts == {'paused': 1}
    bench.set(lazy=False)
    bench.send(1)
    assert bench.learner.seen == 1


@pytest.mark.parametrize(('age', 'stale'), [(0.9, False), (1.1, True), (-5.0, False)])
def test_stale_images(age, stale):
    bench = Bench(max_frame_age=1.0)
    bench.send(1, stamp=100.0 - age)
    assert bench.counts == {'stale' if stale else 'processed': 1}


def test_zero_stamp(bench):
    bench.set(max_frame_age=0.1)
    for _ in range(3):
        bench.send(1, stamp=0.0)
    assert bench.counts == {'processed': 3}
    assert len(bench.logger.warnings) == 1
    assert math.isnan(bench.statistics.snapshot().age_p50)
    assert bench.learner.resets == 0


def test_time_jumping_back(bench):
    for number in range(3):
        bench.send(1, stamp=50.0 + number, shift=100 * number)
    assert bench.poses[0].id == 2
    bench.send(1, stamp=10.0)
    assert bench.poses[0].id == 0
    assert (bench.learner.resets, bench.outputs.forgot) == (1, 1)
    bench.send(1, stamp=0.0)  # unknown is not before
    bench.send(1, stamp=10.1)
    assert bench.learner.resets == 1
    assert len(bench.logger.infos) == 1


def test_equal_stamps_are_no_jump(bench):
    for _ in range(3):
        bench.send(1, stamp=10.0)
    assert bench.learner.resets == 0
    assert bench.poses[0].id == 0


def test_settings_are_taken_up_between_images(bench):
    bench.send(1)
    bench.send(1)
    assert len(bench.learner.tunings) == 1
    bench.set(base_height=400, person_threshold=0.5)
    assert len(bench.learner.tunings) == 1
    bench.send(1)
    assert bench.learner.tunings[1] == {
        'base_height': 400, 'keypoint_threshold': 0.1, 'min_mean_score': 0.5, 'min_keypoints': 3, 'max_persons': 0,
        'upsample_ratio': 4,
    }  # fmt: skip
    assert bench.learner.resets == 0


def test_after_a_jump_in_time_everybody_is_forgotten_before_the_learner_looks(bench):
    for stamp in (99.0, 99.2, 50.0):
        bench.send(1, stamp=stamp)
    assert bench.learner.next_stamps == [
        (pytest.approx(99.0), 0),
        (pytest.approx(99.2), 0),
        (pytest.approx(50.0), 1),
    ]


@pytest.mark.parametrize('name', ['track', 'smooth'])
def test_tracking_and_smoothing_begin_anew(bench, name):
    bench.send(1)
    bench.set(**{name: False})
    bench.send(1)
    assert (bench.learner.resets, bench.outputs.forgot) == (1, 1)


def test_reset_on_demand(bench):
    bench.processor.must_reset = True
    bench.send(1)
    bench.send(1)
    assert (bench.learner.resets, bench.outputs.forgot) == (1, 1)


def test_settings_that_fail_are_tried_again(bench, monkeypatch):
    monkeypatch.setattr(bench.learner, 'tune', lambda **settings: 1 / 0)
    bench.send(1)
    assert 'ZeroDivisionError' in bench.processor.failure
    monkeypatch.undo()
    bench.send(1)
    assert len(bench.learner.tunings) == 1
    assert bench.processor.failure == ''


def test_unsupported_encoding_is_told_once_and_recovers(bench):
    for _ in range(3):
        bench.send(1, encoding='yuv444')
    (text,) = bench.logger.errors
    assert "'yuv444'" in text
    assert 'bgr8' in text
    assert "'yuv444'" in bench.processor.failure
    assert bench.counts == {'unsupported': 3}
    bench.send(1)
    assert bench.processor.failure == ''
    assert bench.given_up == 0


def test_ever_new_nonsense_is_not_remembered_for_ever(bench):
    for number in range(100):
        bench.send(1, encoding=f'nonsense {number}')
    assert len(bench.logger.errors) < 30
    assert len(bench.processor._complained) < 30


@pytest.mark.parametrize('fields', [{'data': []}, {'width': 0}, {'height': 0}, {'step': 1}])
def test_broken_images_are_counted(bench, fields):
    for _ in range(10):
        bench.send(1, **fields)
    assert bench.counts == {'broken': 10}
    assert bench.logger.errors == []
    assert 'image dropped' in bench.logger.warnings[0]
    assert bench.given_up == 0
    bench.send(1)
    assert bench.counts['processed'] == 1


def test_failures_are_told_and_end_it_after_five(bench):
    bench.fail(MemoryError('out of memory'))
    for _ in range(FAILURES_IN_A_ROW - 1):
        bench.send(1)
    assert bench.given_up == 0
    assert len(bench.logger.errors) == FAILURES_IN_A_ROW - 1
    assert bench.processor.failure == 'inference failed: MemoryError: out of memory'
    bench.send(1)
    assert bench.given_up == 1
    assert bench.processor.failure.startswith('deactivated after 5 failures in a row; inference failed')
    assert bench.counts == {'failed': 5}


def test_a_success_between_starts_the_count_anew(bench):
    for _ in range(3):
        bench.fail(RuntimeError('no'))
        for _ in range(FAILURES_IN_A_ROW - 1):
            bench.send(1)
        bench.learner.hurdle = lambda image: None
        bench.send(1)
    assert bench.given_up == 0
    assert bench.processor.failure == ''


def test_what_fails_while_ros_ends_is_no_failure(bench):
    bench.fail(RuntimeError('the context is invalid'))
    bench.ending = True
    bench.send(1)
    assert bench.logger.errors == []
    assert bench.counts == {}


def test_seconds():
    assert seconds(Time(sec=3, nanosec=500000000)) == 3.5
    assert seconds(Image().header.stamp) == 0
