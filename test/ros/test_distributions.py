"""What older distributions lack, as far as it shows on this one."""

import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import REPOSITORY

HUMBLE = """
import importlib, pkgutil
import rclpy.client, rclpy.lifecycle, rclpy.parameter, rclpy.publisher, rclpy.service, rclpy.subscription, rclpy.task
import pose_estimation_ros.ros

def refuse(cls, types):
    raise TypeError("'type' object is not subscriptable")

rclpy_classes = [rclpy.client.Client, rclpy.parameter.Parameter, rclpy.publisher.Publisher, rclpy.service.Service,
                 rclpy.subscription.Subscription, rclpy.task.Future]
for kind in rclpy_classes:
    kind.__class_getitem__ = classmethod(refuse)
for module in pkgutil.walk_packages(pose_estimation_ros.ros.__path__, 'pose_estimation_ros.ros.'):
    importlib.import_module(module.name)
    print(module.name.rpartition('.')[2])
"""


def test_all_is_imported_where_the_classes_of_rclpy_are_not_generic():
    """As on Humble, where an annotation such as Parameter[Any] raises when the module is imported."""
    result = subprocess.run(
        [sys.executable, '-c', HUMBLE], cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    assert {'pose_node', 'camera_node', 'echo', 'declare', 'hri'} <= set(result.stdout.split())
