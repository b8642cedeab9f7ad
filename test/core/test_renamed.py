"""Module names that users typed before the rooms changed still work, with a warning."""

import importlib
import subprocess
import sys

import pytest

OLD_AND_NEW = [
    ('inference.person_detector', 'inference.detectors.person_detector'),
    ('data.synthetic', 'synthetic'),
    ('ros.pose_node', 'ros.nodes.pose_node'),
    ('ros.camera_node', 'ros.nodes.camera_node'),
    ('ros.echo', 'ros.nodes.echo'),
    ('ros.wait_until_active', 'ros.nodes.wait_until_active'),
    ('ros.skeleton_messages', 'ros.messages.skeleton_messages'),
]
PACKAGE = 'pose_estimation_ros'


@pytest.mark.parametrize(('old', 'new'), OLD_AND_NEW)
def test_an_old_name_means_the_new_module(old, new, monkeypatch):
    if old.startswith('ros.'):
        pytest.importorskip('rclpy')
    monkeypatch.delitem(sys.modules, f'{PACKAGE}.{old}', raising=False)
    with pytest.warns(DeprecationWarning, match=f'{PACKAGE}.{old} is now {PACKAGE}.{new}'):
        imported = importlib.import_module(f'{PACKAGE}.{old}')
    assert imported is importlib.import_module(f'{PACKAGE}.{new}')


def test_an_old_program_runs_and_says_its_new_name():
    pytest.importorskip('rclpy')
    command = [sys.executable, '-m', f'{PACKAGE}.ros.pose_node', '--help']
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert 'model_path' in run.stdout
    assert f'{PACKAGE}.ros.pose_node is now {PACKAGE}.ros.nodes.pose_node' in run.stderr
