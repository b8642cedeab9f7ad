"""Launch is no package of pip: the files are executed against stand-ins that keep what they are given.

What the files name is looked up in the repository. Where the real launch is importable they run on it as well.
"""

import ast
import importlib.util
import os
import re
import runpy
import subprocess
import sys
import types
import xml.etree.ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest
import setuptools

from pose_estimation_ros.ros.parameters.camera_settings import CAMERA_PARAMETERS
from pose_estimation_ros.ros.parameters.node_settings import DEFAULTS

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted((REPOSITORY / 'launch').glob('*.launch.py'))
NAME = 'pose_estimation_ros'
KNOWN = {
    'launch': {'Action', 'LaunchContext', 'LaunchDescription'},
    'launch.actions': {
        'DeclareLaunchArgument', 'ExecuteProcess', 'IncludeLaunchDescription', 'OpaqueFunction',
        'RegisterEventHandler', 'SetEnvironmentVariable', 'Shutdown',
    },
    'launch.conditions': {'IfCondition'},
    'launch.event_handlers': {'OnProcessExit'},
    'launch.events.process': {'ProcessExited'},
    'launch.launch_description_sources': {'PythonLaunchDescriptionSource'},
    'launch.substitutions': {'EnvironmentVariable', 'LaunchConfiguration', 'PathJoinSubstitution'},
    'launch_ros.actions': {'Node'},
    'launch_ros.parameter_descriptions': {'ParameterValue'},
    'launch_ros.substitutions': {'FindPackageShare'},
}  # fmt: skip
"""What there is of launch since Humble, as far as it is used here."""


@dataclass(frozen=True)
class Made:
    """Something that a launch file made: the name of its class and the arguments."""

    kind: str
    args: tuple
    kwargs: dict

    def parts(self):
        """Everything within, itself included."""
        yield self
        yield from within([self.args, self.kwargs])


def within(value):
    if isinstance(value, Made):
        yield from value.parts()
    elif isinstance(value, dict):
        yield from within([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from within(part)


def maker(kind: str):
    return lambda *args, **kwargs: Made(kind, tuple(map(kept, args)), {k: kept(v) for k, v in kwargs.items()})


def kept(value):
    """Keep what an iterator yields, such as items()."""
    return list(value) if hasattr(value, '__next__') or isinstance(value, type({}.items())) else value


@pytest.fixture
def description(monkeypatch):
    """Function that executes a launch file and returns all that it makes, also what it makes later."""
    for module, names in KNOWN.items():
        stand_in = types.ModuleType(module)
        stand_in.__path__ = []
        for name in names:
            setattr(stand_in, name, maker(name))
        monkeypatch.setitem(sys.modules, module, stand_in)
    monkeypatch.setitem(sys.modules, 'launch_ros', types.ModuleType('launch_ros'))

    def execute(path: Path, **arguments: str) -> list[Made]:
        content = runpy.run_path(str(path))
        made = list(content['generate_launch_description']().parts())
        declared = {each.args[0]: each.kwargs['default_value'] for each in of(made, 'DeclareLaunchArgument')}
        context = types.SimpleNamespace(launch_configurations={**declared, **arguments})
        later = [each.kwargs['function'](context) for each in of(made, 'OpaqueFunction')]
        return [*made, *within(later)]

    return execute


def of(made, kind: str) -> list[Made]:
    return [each for each in made if each.kind == kind]


def declared(made) -> dict[str, Made]:
    return {each.args[0]: each for each in of(made, 'DeclareLaunchArgument')}


def parameter_names(node: Made) -> set[str]:
    return {name for part in node.kwargs['parameters'] if isinstance(part, dict) for name in part}


@pytest.fixture
def installed_files(monkeypatch) -> dict[str, list[str]]:
    """What setup.py installs where, and under '' the names of commands that pip puts on PATH as well."""
    arguments = {}
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(setuptools, 'setup', lambda **given: arguments.update(given))
    runpy.run_path('setup.py')
    commands = [line.partition('=')[0].strip() for line in arguments['entry_points']['console_scripts']]
    return {**dict(arguments['data_files']), '': commands}


def test_there_are_three():
    names = [path.name for path in FILES]
    assert names == ['bag_replay.launch.py', 'demo.launch.py', 'pose_estimation.launch.py']


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
class TestFile:
    def test_compiles_and_uses_of_launch_what_humble_has(self, path):
        tree = ast.parse(path.read_text(), str(path))
        compile(tree, str(path), 'exec')
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
            assert {alias.name for alias in node.names} <= KNOWN[node.module]

    def test_arguments_are_declared_and_described(self, path, description):
        made = description(path)
        names = declared(made)
        assert all(each.kwargs['description'].endswith('.') for each in names.values())
        if of(made, 'IncludeLaunchDescription'):
            names |= declared(description(REPOSITORY / 'launch/pose_estimation.launch.py'))
        used = {each.args[0] for each in of(made, 'LaunchConfiguration')}
        assert used <= set(names)

    def test_files_exist_and_are_installed(self, path, description, installed_files):
        for join in of(description(path), 'PathJoinSubstitution'):
            package, *parts = join.args[0]
            assert package == Made('FindPackageShare', (NAME,), {})
            place = '/'.join(parts)
            assert place in installed_files[f'share/{NAME}/{parts[0]}']
            assert (REPOSITORY / place).is_file()

    def test_executables_exist(self, path, description, installed_files):
        for node in of(description(path), 'Node'):
            assert node.kwargs['package'] == NAME
            assert node.kwargs['executable'] in installed_files['']

    def test_parameters_exist(self, path, description):
        for node in of(description(path, method='m', model='w.pth'), 'Node'):
            known = {'pose_node': {*DEFAULTS, 'use_sim_time'}, 'camera_node': {*CAMERA_PARAMETERS}}
            assert parameter_names(node) <= known[node.kwargs['executable']]

    def test_what_is_passed_on_is_declared_there(self, path, description):
        there = declared(description(REPOSITORY / 'launch/pose_estimation.launch.py'))
        for include in of(description(path), 'IncludeLaunchDescription'):
            assert {name for name, _ in include.kwargs['launch_arguments']} <= set(there)

    def test_runs_on_the_real_launch(self, path):
        launch = pytest.importorskip('launch.launch_description_sources', reason='launch comes with ROS only')
        pytest.importorskip('launch_ros.actions', reason='launch_ros comes with ROS only')
        source = launch.PythonLaunchDescriptionSource(str(path))
        assert source.try_get_launch_description_without_context() is not None


def test_echo_is_for_ros2_run_and_not_before_the_systems_on_path(installed_files):
    assert 'echo' not in installed_files['']
    assert installed_files[f'lib/{NAME}'] == ['scripts/echo']
    assert os.access(REPOSITORY / 'scripts/echo', os.X_OK)
    assert (REPOSITORY / 'scripts/echo').read_text().startswith('#!/usr/bin/env python3\n')


def test_package_xml_asks_for_what_is_imported():
    asked = {each.text for each in xml.etree.ElementTree.parse(REPOSITORY / 'package.xml').iter('exec_depend')}
    sources = [*(REPOSITORY / NAME / 'ros').rglob('*.py'), *FILES]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    tops = {module.partition('.')[0] for module in modules}
    optional = {'vision_msgs', 'hri_msgs'}
    used = {top for top in tops if re.fullmatch(r'rclpy|launch(_ros)?|cv_bridge|std_srvs|.*_(msgs|interfaces)', top)}
    assert used - optional <= asked
    assert not optional & asked


def test_pose_node_is_wired_as_documented(description):
    path = REPOSITORY / 'launch/pose_estimation.launch.py'
    (node,) = of(description(path), 'Node')
    assert [name for name, _ in node.kwargs['remappings']] == ['image', 'image/compressed']
    assert parameter_names(node) == {'use_sim_time'}, "arguments not given would override the file's values"
    (node,) = of(description(path, method='m', model='w.pth'), 'Node')
    assert parameter_names(node) == {'use_sim_time', 'method', 'model_path'}


def test_both_names_of_the_profile_are_set_unless_the_user_has_one(description):
    made = description(REPOSITORY / 'launch/pose_estimation.launch.py')
    variables = {each.args[0]: each.args[1] for each in of(made, 'SetEnvironmentVariable')}
    profile = maker('PathJoinSubstitution')([maker('FindPackageShare')(NAME), 'config', 'fastdds.xml'])
    for name, other in [('FASTDDS', 'FASTRTPS'), ('FASTRTPS', 'FASTDDS')]:
        value = variables[f'{name}_DEFAULT_PROFILES_FILE']
        assert value.args == (f'{name}_DEFAULT_PROFILES_FILE',)
        assert value.kwargs['default_value'].args == (f'{other}_DEFAULT_PROFILES_FILE',)
        assert value.kwargs['default_value'].kwargs == {'default_value': profile}
    assert all(each.kwargs['condition'].kind == 'IfCondition' for each in of(made, 'SetEnvironmentVariable'))


@pytest.mark.parametrize('name', ['bag_replay.launch.py', 'demo.launch.py'])
def test_environment_is_set_before_anything_starts(description, name):
    kinds = [each.kind for each in description(REPOSITORY / 'launch' / name)]
    assert kinds.index('IncludeLaunchDescription') < min(
        kinds.index(kind) for kind in ('Node', 'ExecuteProcess') if kind in kinds
    )


def test_bag_begins_when_the_node_is_active_and_all_ends_with_it(description):
    made = description(REPOSITORY / 'launch/bag_replay.launch.py')
    (handler,) = of(made, 'OnProcessExit')
    (waiting,) = of(made, 'ExecuteProcess')
    module = waiting.kwargs['cmd'][waiting.kwargs['cmd'].index('-m') + 1]
    assert importlib.util.find_spec(module) is not None
    assert waiting.kwargs['cmd'][-1] == [maker('LaunchConfiguration')('namespace'), '/pose_node']
    go_on = handler.kwargs['on_exit']
    (player,) = go_on(types.SimpleNamespace(action=waiting, returncode=0), None)
    assert player.kwargs['cmd'][:3] == ['ros2', 'bag', 'play']
    for action, code in [(waiting, 1), (player, 0), (None, 1)]:
        (end,) = go_on(types.SimpleNamespace(action=action, returncode=code), None)
        assert end.kind == 'Shutdown'


# --- the middleware's profile ---

PROFILE = REPOSITORY / 'config' / 'fastdds.xml'
ENVIRONMENT = {
    'FASTDDS_DEFAULT_PROFILES_FILE': str(PROFILE),
    'MALLOC_MMAP_THRESHOLD_': '268435456',
    'MALLOC_TRIM_THRESHOLD_': '536870912',
}
SHARED_MEMORY = Path('/dev/shm')

SENDER = """
import array, sys, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('sender')
sender = node.create_publisher(Image, 'large', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
image = Image(height=1080, width=1920, step=5760, encoding='bgr8')
image.data = array.array('B', bytes(1080 * 5760))
timer = node.create_timer(0.05, lambda: sender.publish(image))
rclpy.spin(node)
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **ENVIRONMENT, **more}


def test_launch_file_and_test_agree_on_the_environment(description):
    made = description(REPOSITORY / 'launch/pose_estimation.launch.py')
    variables = {each.args[0]: each.args[1] for each in of(made, 'SetEnvironmentVariable')}
    assert variables.keys() >= ENVIRONMENT.keys()
    for name in ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'):
        assert variables[name].kwargs['default_value'] == ENVIRONMENT[name]
        assert f'{name}={ENVIRONMENT[name]}' in PROFILE.read_text()


def test_profile_holds_several_large_images_and_reaches_other_machines():
    names = {each.tag.rpartition('}')[2]: each.text for each in xml.etree.ElementTree.parse(PROFILE).iter()}
    assert int(names['segment_size']) > 10 * 1920 * 1080 * 3
    assert set(re.findall('<type>(.*)</type>', PROFILE.read_text())) == {'SHM', 'UDPv4'}


def run(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-c', code]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(importlib.util.find_spec('rclpy') is None, reason='rclpy is not installed')
def test_profile_is_one_that_the_middleware_reads(tmp_path):
    code = 'import rclpy; rclpy.init(); rclpy.create_node("reader"); rclpy.shutdown()'
    result = run(code)
    assert result.returncode == 0, result.stderr
    assert 'XMLPARSER' not in result.stdout + result.stderr
    broken = tmp_path / 'broken.xml'
    broken.write_text(PROFILE.read_text().replace('segment_size', 'segment_sise'))
    result = run(code, FASTDDS_DEFAULT_PROFILES_FILE=str(broken))
    assert 'XMLPARSER' in result.stdout + result.stderr, 'a fault would not be noticed here'


RECEIVER = """
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('receiver')
sizes = []
qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
node.create_subscription(Image, 'large', lambda image: sizes.append(len(image.data)), qos)
for _ in range(600):
    rclpy.spin_once(node, timeout_sec=0.05)
    if len(sizes) == 20:
        break
print(len(sizes), set(sizes))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('rclpy') is None, reason='rclpy is not installed')
@pytest.mark.skipif(
    not SHARED_MEMORY.is_dir() or os.statvfs(SHARED_MEMORY).f_bavail * os.statvfs(SHARED_MEMORY).f_frsize < 2**28,
    reason='/dev/shm has less than 256 MiB free',
)
def test_large_best_effort_images_arrive_with_the_profile():
    sender = subprocess.Popen([sys.executable, '-c', SENDER], env=environment(), stderr=subprocess.DEVNULL)
    try:
        result = run(RECEIVER)
    finally:
        sender.terminate()  # killed, it would leave 64 MiB of shared memory behind
        sender.wait(30)
    assert result.stdout == '20 {6220800}\n', result.stderr
