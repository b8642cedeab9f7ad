"""Domains that nobody else uses, and what large images need in the environment."""

import os
import random
import socket

import pytest

from pose_estimation_ros.ros.nodes import middleware
from pose_estimation_ros.ros.nodes.middleware import is_free, own_domain


@pytest.mark.parametrize('participant', [0, 3])
def test_a_domain_in_use_is_left_alone(monkeypatch, participant):
    monkeypatch.setattr(random, 'sample', lambda domains, count: [99, 100])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(('127.0.0.1', 7410 + 250 * 99 + 2 * participant))
        assert not is_free(99)
        monkeypatch.setattr(middleware, 'is_free', lambda domain: domain == 100 or is_free(domain))
        assert own_domain()['ROS_DOMAIN_ID'] == '100'


def test_of_domains_that_are_all_in_use_one_is_taken(monkeypatch):
    monkeypatch.setattr(middleware, 'is_free', lambda domain: False)
    assert 1 <= int(own_domain()['ROS_DOMAIN_ID']) <= 100


def test_real_participants_are_seen(make_robot):
    make_robot()
    assert not is_free(int(os.environ['ROS_DOMAIN_ID']))


def test_the_default_middleware_is_that_also_where_the_profile_is_set(monkeypatch):
    """`benchmark --ros` compares with and without it."""
    monkeypatch.setenv('OWN', 'kept')
    for name in (middleware.PROFILE, middleware.HUMBLE_PROFILE, *middleware.MEMORY):
        monkeypatch.setenv(name, '1')
    assert set(os.environ) - set(middleware.environment_without_profile()) == {
        middleware.PROFILE, middleware.HUMBLE_PROFILE, *middleware.MEMORY
    }  # fmt: skip
    assert middleware.environment_without_profile()['OWN'] == 'kept'
    assert middleware.environment_with_profile() == {
        **os.environ, **middleware.MEMORY, middleware.PROFILE: str(middleware.fastdds_profile_path())
    }  # fmt: skip
