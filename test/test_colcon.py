"""The package builds, installs and is tested the way ROS users do it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NAME = 'pose_estimation_ros'
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BIN / 'colcon').exists(), reason='colcon is not installed in this environment'),
]


def bash(workspace: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in `workspace` as on a machine where nothing else is sourced."""
    inherited = ('AMENT', 'COLCON', 'CMAKE', 'PYTHON', 'PYTEST', 'ROS_')
    environment = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
    environment['PATH'] = f'{BIN}{os.pathsep}{environment["PATH"]}'
    return subprocess.run(
        ['bash', '-c', command],
        cwd=workspace,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope='module')
def workspace(tmp_path_factory, copy_tree):
    """A workspace with the package built in it; its tests are replaced by a single one."""
    folder = tmp_path_factory.mktemp('workspace')
    source = copy_tree(folder / 'src' / NAME)
    shutil.rmtree(source / 'test')
    (source / 'test').mkdir()
    (source / 'test' / 'test_one.py').write_text(f'def test_one():\n    import {NAME}\n')
    result = bash(folder, 'colcon build --event-handlers console_direct+')
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_installs_where_ros_looks(workspace):
    prefix = workspace / 'install' / NAME
    assert (prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / NAME).is_file()
    assert (prefix / 'share' / NAME / 'package.xml').is_file()
    assert list(prefix.glob(f'lib/python3*/site-packages/{NAME}/py.typed'))


def test_installed_command_runs(workspace):
    command = workspace / 'install' / NAME / 'lib' / NAME / 'pose_estimation'
    result = bash(workspace, f'source install/setup.bash && cd / && {command} --help')
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'usage' in result.stdout.lower()


def test_what_ros2_run_and_the_launch_files_start_is_installed(workspace):
    programs = workspace / 'install' / NAME / 'lib' / NAME
    assert {path.name for path in programs.iterdir()} >= {'pose_node', 'camera_node', 'echo', 'pose_estimation'}
    assert all(os.access(path, os.X_OK) for path in programs.iterdir())
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    result = bash(workspace, f'source install/setup.bash && cd / && python3 -m {NAME}.ros.nodes.wait_until_active')
    assert result.returncode == 2, result.stdout + result.stderr
    assert 'one name of a lifecycle node is needed' in result.stderr
    result = bash(workspace, f'source install/setup.bash && cd / && {programs / "echo"} --help')
    assert '--once' in result.stdout, result.stdout + result.stderr


def test_sourcing_finds_the_installed_package(workspace):
    code = f'import {NAME}; print({NAME}.__file__)'
    result = bash(workspace, f"source install/setup.bash && cd / && python -c '{code}'")
    assert result.stdout.startswith(str(workspace / 'install')), result.stdout + result.stderr


def test_colcon_test_finds_the_tests(workspace):
    result = bash(workspace, 'colcon test --event-handlers console_direct+ && colcon test-result --all')
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == 'Summary: 1 test, 0 errors, 0 failures, 0 skipped'
