import math
import threading

import pytest

from pose_estimation_ros.inference.pipeline import Timings
from pose_estimation_ros.ros.nodes.dropping import DropReason
from pose_estimation_ros.ros.nodes.frame_times import FrameTimes
from pose_estimation_ros.ros.nodes.statistics import WINDOW_S, Statistics


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def statistics(clock):
    return Statistics(clock)


def test_nothing_yet(statistics, clock):
    clock.now += 3
    seen = statistics.snapshot()
    assert (seen.input_hz, seen.output_hz, seen.people, seen.published) == (0, 0, 0, 0)
    assert seen.counts == seen.lost == {}
    assert math.isnan(seen.age_p50)
    assert math.isnan(seen.age_p95)
    assert all(math.isnan(value) for value in seen.stages_ms.values())
    assert seen.silent_for == 3


def test_rates(statistics, clock):
    for number in range(20):
        clock.now += 0.1
        statistics.arrived()
        if number % 2:
            statistics.processed(Timings(1, 2, 3), 0.02, 4)
    seen = statistics.snapshot()
    assert seen.input_hz == pytest.approx(10)
    assert seen.output_hz == pytest.approx(5)
    assert seen.counts == {'received': 20, 'processed': 10}
    assert (seen.people, seen.published, seen.silent_for) == (4, 10, 0)


def test_medians_and_ages(statistics):
    for number in range(1, 101):
        statistics.processed(Timings(number, 2, 3), number / 100, 0)
    seen = statistics.snapshot()
    pipeline = {'preprocess_ms': 50.5, 'forward_ms': 2, 'decode_ms': 3, 'total_ms': 55.5}
    assert {stage: seen.stages_ms[stage] for stage in pipeline} == pipeline
    assert seen.age_p50 == pytest.approx(0.505)
    assert seen.age_p95 == pytest.approx(0.9505)


def test_what_the_node_itself_costs(statistics):
    times = {'received': 10.0, 'free': 10.5, 'started': 10.501, 'converted': 10.503}
    frame_times = FrameTimes(stamp=1.0, **times, inferred=10.5095, tracked=10.5105, published=10.512)
    statistics.processed(Timings(1, 2, 3), 0.1, 0, frame_times)
    costs = {'queue_ms': 500, 'wait_ms': 1, 'convert_ms': 2, 'track_ms': 1, 'publish_ms': 1.5, 'overhead_ms': 6}
    seen = statistics.snapshot().stages_ms
    assert {name: seen[name] for name in costs} == pytest.approx(costs)
    statistics.reset()
    assert all(math.isnan(value) for value in statistics.snapshot().stages_ms.values())


def test_images_without_a_stamp_have_no_age(statistics):
    statistics.processed(Timings(1, 2, 3), math.nan, 0)
    assert math.isnan(statistics.snapshot().age_p50)
    statistics.processed(Timings(1, 2, 3), 0.5, 0)
    assert statistics.snapshot().age_p50 == 0.5


def test_rates_forget_counts_do_not(statistics, clock):
    for _ in range(3):
        statistics.arrived()
        statistics.dropped(DropReason.BUSY)
        statistics.processed(Timings(1, 2, 3), 0.1, 2)
        clock.now += 0.1
    clock.now += WINDOW_S
    seen = statistics.snapshot()
    assert (seen.input_hz, seen.output_hz, seen.published, seen.lost) == (0, 0, 0, {})
    assert seen.counts == {'received': 3, 'busy': 3, 'processed': 3}
    assert math.isnan(seen.age_p50)
    assert seen.silent_for == pytest.approx(WINDOW_S + 0.1)


def test_losses_by_reason(statistics, clock):
    for reason in (DropReason.BUSY, DropReason.BUSY, DropReason.BROKEN):
        statistics.dropped(reason)
    clock.now += WINDOW_S - 1
    statistics.dropped(DropReason.STALE)
    assert statistics.snapshot().lost == {'busy': 2, 'broken': 1, 'stale': 1}
    clock.now += 2
    assert statistics.snapshot().lost == {'stale': 1}


def test_two_results_at_one_moment_have_no_rate(statistics):
    statistics.processed(Timings(1, 2, 3), 0, 0)
    statistics.processed(Timings(1, 2, 3), 0, 0)
    assert statistics.snapshot().output_hz == 0


def test_reset(statistics, clock):
    statistics.arrived()
    statistics.dropped(DropReason.BUSY)
    statistics.processed(Timings(1, 2, 3), 0, 5)
    clock.now += 9
    statistics.reset()
    seen = statistics.snapshot()
    assert (seen.counts, seen.lost, seen.people, seen.silent_for) == ({}, {}, 0, 0)


def test_memory_is_bounded(statistics, clock):
    for _ in range(10000):
        clock.now += 0.01
        statistics.arrived()
        statistics.dropped(DropReason.BUSY)
        statistics.processed(Timings(1, 2, 3), 0, 0)
    kept = [len(each) for each in (statistics._arrivals, statistics._results, statistics._losses)]
    assert max(kept) <= WINDOW_S / 0.01 + 1


def test_threads_lose_no_count():
    statistics = Statistics()

    def work():
        for _ in range(1000):
            statistics.arrived()
            statistics.dropped(DropReason.BUSY)
            statistics.snapshot()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statistics.snapshot().counts == {'received': 3000, 'busy': 3000}
