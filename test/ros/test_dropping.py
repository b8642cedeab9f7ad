"""The rate limit on synthetic times, and the rules before processing; no ROS needed."""

import random
from pathlib import Path

import pytest

from pose_estimation_ros.ros.nodes.dropping import LOST, MAX_CREDIT, DropReason, RateLimit, before_processing
from pose_estimation_ros.ros.parameters.node_settings import NodeSettings


def moments(hz, seconds, jitter=0.0, seed=0):
    """Times at which a camera's images come; `jitter` is the part of a period by which each may be off."""
    chance = random.Random(seed)
    return [1000 + (number + chance.uniform(-jitter, jitter) / 2) / hz for number in range(round(hz * seconds))]


def passed(times, rate):
    limit = RateLimit()
    return [time for time in times if limit.allows(time, rate)]


@pytest.mark.parametrize('jitter', [0, 0.3, 0.9])
@pytest.mark.parametrize(('hz', 'rate'), [(30, 15), (30, 20), (30, 29), (60, 7), (29.97, 25), (90, 60)])
def test_exact_in_the_mean(hz, rate, jitter):
    seconds = 100
    count = len(passed(moments(hz, seconds, jitter), rate))
    lost = 0.02 if jitter > 0.5 else 0.005  # wild gaps are not made good
    assert rate * seconds * (1 - lost) <= count <= rate * seconds + MAX_CREDIT


@pytest.mark.parametrize('jitter', [0, 0.3])
def test_a_camera_at_the_limit_loses_nothing_to_jitter(jitter):
    assert len(passed(moments(15, 100, jitter), 15)) >= 1498


def test_never_a_burst():
    """After a pause, and in any second."""
    times = [1000.0, 1000.01, *(1060 + number / 100 for number in range(300))]
    through = passed(times, 10)
    assert len([time for time in through if 1060 <= time < 1061]) <= 10 + MAX_CREDIT


def test_no_limit_and_changes():
    limit = RateLimit()
    assert all(limit.allows(5.0, 0) for _ in range(10))
    assert [limit.allows(5.1, 2.0) for _ in range(3)] == [True, True, False]
    assert limit.allows(5.1, 0)
    assert limit.allows(5.2, 2.0)


@pytest.mark.parametrize(
    ('age', 'max_age', 'lazy', 'subscribed', 'reason'),
    [
        (0.9, 1.0, False, False, None),
        (1.1, 1.0, False, False, DropReason.STALE),
        (-5.0, 1.0, False, False, None),
        (9.0, 0.0, True, True, None),
        (0.1, 0.0, True, False, DropReason.PAUSED),
        (9.0, 1.0, True, False, DropReason.PAUSED),
        (9.0, 1.0, True, True, DropReason.STALE),
    ],
)
def test_before_processing(age, max_age, lazy, subscribed, reason):
    settings = NodeSettings(lazy=lazy, max_frame_age=max_age)
    assert before_processing(100.0, 100.0 + age, subscribed, settings) is reason


def test_age_without_a_stamp_is_unknown():
    assert before_processing(0.0, 1000.0, True, NodeSettings(max_frame_age=1.0)) is None


def test_the_documentation_has_every_reason():
    text = (Path(__file__).parents[2] / 'docs' / 'troubleshooting.md').read_text()
    assert [reason.value for reason in LOST if f'| `{reason.value}` |' not in text] == []
