import contextlib
import itertools
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

import rclpy
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.ros.parameters.declare import LiveSettings, declare, descriptor, unknown_parameters
from pose_estimation_ros.ros.parameters.node_settings import DEFAULT_METHOD, changed, parameters_of, settings_from

CONFIG = Path(__file__).resolve().parents[2] / 'config'
DEFAULTS = settings_from({})
PARAMETERS = parameters_of(DEFAULT_METHOD)
NAMES = (f'declaring_{number}' for number in itertools.count())


@pytest.fixture(scope='module', autouse=True)
def graph():
    rclpy.init()
    yield
    rclpy.shutdown()


@pytest.fixture
def make_node():
    """Function that makes a node given these values, as `-p name:=value` or a file of parameters would."""
    with contextlib.ExitStack() as stack:

        def make(*arguments: str, **values) -> Node:
            overrides = [Parameter(name.replace('__', '.'), value=value) for name, value in values.items()]
            cli = ['--ros-args', *arguments] if arguments else None
            node = rclpy.create_node(next(NAMES), parameter_overrides=overrides, cli_args=cli)
            stack.callback(node.destroy_node)
            return node

        yield make


class Live:
    """A node with live settings, and what it was told of changes."""

    def __init__(self, node: Node, active: bool = True) -> None:
        self.node, self.active = node, active
        self.changes = []
        self.settings = LiveSettings(
            node,
            declare(node),
            lambda now, values: changed(now, values, self.active),
            lambda old, new: self.changes.append((old, new)),
        )

    def set(self, **values):
        parameters = [Parameter(name.replace('__', '.'), value=value) for name, value in values.items()]
        return self.node.set_parameters_atomically(parameters)


@pytest.fixture
def live(make_node):
    return Live(make_node())


def test_defaults(make_node):
    assert declare(make_node()) == DEFAULTS


@pytest.mark.parametrize(
    'name', ['pose_node.yaml', 'jetson.yaml', 'high_accuracy.yaml', 'high_resolution.yaml', 'higher_hrnet.yaml']
)
def test_files_are_read_by_ros(make_node, name):
    node = make_node('--params-file', str(CONFIG / name))
    settings = declare(node)
    assert (settings == DEFAULTS) == (name == 'pose_node.yaml')
    assert unknown_parameters(node) == []


def test_descriptors_say_what_the_table_says(make_node):
    node = make_node()
    declare(node)
    for parameter in PARAMETERS.values():
        found = node.describe_parameter(parameter.name)
        assert found == descriptor(parameter)
        assert found.description == parameter.text
        assert node.get_parameter(parameter.name).type_.value == found.type
        ranges = [*found.integer_range, *found.floating_point_range]
        assert [(each.from_value, each.to_value) for each in ranges] == ([parameter.range] if parameter.range else [])


def test_values_given_at_the_start(make_node):
    settings = declare(make_node(base_height=368, depth__window=7, max_rate=30, model_path='w.pth'))
    assert (settings['base_height'], settings.depth_window, settings['model_path']) == (368, 7, 'w.pth')
    assert settings.max_rate == 30.0


def test_values_from_the_command_line(make_node):
    settings = declare(make_node('-p', 'depth.enabled:=true', '-p', 'max_frame_age:=1', '-p', "device:='cpu'"))
    assert settings.depth_enabled
    assert settings.max_frame_age == 1.0
    assert settings['device'] == 'cpu'


def test_wrong_start_is_told_at_once_and_leaves_defaults(make_node):
    node = make_node(base_height=5000, device='gpu', track='yes', max_persons=3)
    with pytest.raises(SettingsError) as error:
        declare(node)
    assert '5000' in str(error.value)
    assert all(name in str(error.value) for name in ('base_height', 'device', 'track'))
    assert 'max_persons' not in str(error.value)
    assert all(node.has_parameter(name) for name in PARAMETERS)
    assert node.get_parameter('base_height').value == 256
    assert node.get_parameter('track').value is True


def test_misspelt_values_are_found(make_node):
    node = make_node(base_heigth=300, zzz=1, use_sim_time=False, qos_overrides__x=1)
    declare(node)
    misspelt, unknown = unknown_parameters(node)
    assert 'did you mean base_height?' in misspelt
    assert unknown == 'there is no parameter zzz, its value is ignored'
    node.declare_parameter('zzzz', 0)
    assert 'did you mean zzzz?' in unknown_parameters(node)[1]


def test_change(live):
    assert live.set(base_height=368, max_rate=15).successful
    assert live.settings.current == settings_from({'base_height': 368, 'max_rate': 15.0})
    assert live.changes == [(DEFAULTS, live.settings.current)]


def test_wrong_change_is_refused_whole_with_a_reason(live):
    result = live.set(base_height=368, device='gpu')
    assert not result.successful
    assert 'device must be' in result.reason
    result = live.set(max_persons=2, base_height=5000)
    assert not result.successful
    assert live.settings.current == DEFAULTS
    assert live.changes == []
    assert live.node.get_parameter('base_height').value == 256


def test_fixed_parameters_wait_until_the_node_is_not_active(live):
    result = live.set(model_path='other.pth', base_height=300)
    assert not result.successful
    assert 'model_path cannot change' in result.reason
    assert live.settings.current == DEFAULTS
    live.active = False
    assert live.set(model_path='other.pth').successful
    assert live.settings.current['model_path'] == 'other.pth'


def test_same_value_is_no_change(live):
    assert live.set(model_path='', base_height=256).successful
    assert live.changes == []


def test_numbers_may_lose_their_point_but_not_become_texts(live):
    assert live.set(keypoint_threshold=1).successful
    assert live.settings.current['keypoint_threshold'] == 1.0
    assert not live.set(keypoint_threshold='high').successful
    assert not live.set(base_height=300.0).successful
    assert not live.node.set_parameters([Parameter('max_rate', Parameter.Type.NOT_SET)])[0].successful
    assert live.node.get_parameter('max_rate').value == 0.0


def test_what_another_callback_refuses_is_not_taken(live):
    result = live.node.set_parameters_atomically(
        [Parameter('base_height', value=300), Parameter('use_sim_time', value='a text')]
    )
    assert not result.successful
    assert live.settings.current == DEFAULTS


def test_ros_own_parameters_pass(live):
    assert live.node.set_parameters([Parameter('use_sim_time', value=True)])[0].successful
    assert live.changes == []


def test_distributions_without_a_callback_for_afterwards(make_node, monkeypatch):
    monkeypatch.delattr(Node, 'add_post_set_parameters_callback')
    live = Live(make_node())
    assert live.set(base_height=368).successful
    assert live.settings.current['base_height'] == 368
    assert not live.set(base_height=300, device='gpu').successful
    assert len(live.changes) == 1


@pytest.mark.parametrize(('service', 'name'), [(SetParameters, 'set_parameters'),
                                               (SetParametersAtomically, 'set_parameters_atomically')])  # fmt: skip
def test_over_the_graph(live, make_node, service, name):
    caller = make_node()
    client = caller.create_client(service, f'/{live.node.get_name()}/{name}')
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(live.node)
    executor.add_node(caller)
    assert client.wait_for_service(20)
    values = [Parameter('base_height', value=368), Parameter('device', value='gpu')]
    future = client.call_async(service.Request(parameters=[value.to_parameter_msg() for value in values]))
    executor.spin_until_future_complete(future, 20)
    executor.shutdown()
    response = future.result()
    results = response.results if service is SetParameters else [response.result]
    assert 'device must be' in results[-1].reason
    # One by one the right ones stay; together none does.
    assert live.settings.current['base_height'] == (368 if service is SetParameters else 256)


def test_parameters_that_nobody_sets_have_the_defaults_of_the_method(make_node):
    settings = declare(make_node(method='simple_baseline', min_keypoints=5))
    assert (settings['keypoint_threshold'], settings['person_threshold'], settings['min_keypoints']) == (0.2, 0.0, 5)
    assert settings != DEFAULTS


def test_with_the_method_its_defaults_change_and_what_was_set_stays(live):
    live.active = False
    assert live.set(min_keypoints=5).successful
    assert live.set(method='simple_baseline', person_threshold=0.3).successful
    assert live.settings.current['keypoint_threshold'] == live.node.get_parameter('keypoint_threshold').value == 0.2
    assert live.node.get_parameter('person_threshold').value == 0.3
    assert live.node.get_parameter('min_keypoints').value == 5
    assert live.set(method='lightweight_openpose').successful
    assert live.settings.current['keypoint_threshold'] == live.node.get_parameter('keypoint_threshold').value == 0.1
    assert live.settings.current['person_threshold'] == 0.3


def test_values_that_were_set_to_the_defaults_stay_when_the_method_changes(make_node):
    live = Live(make_node(keypoint_threshold=0.1), active=False)
    assert live.set(person_threshold=0.2).successful
    assert live.set(method='simple_baseline').successful
    names = ('keypoint_threshold', 'person_threshold', 'min_keypoints')
    expected = [0.1, 0.2, parameters_of('simple_baseline')['min_keypoints'].default]
    assert [live.settings.current[name] for name in names] == expected
    assert [live.node.get_parameter(name).value for name in names] == expected
    assert live.set(method=DEFAULT_METHOD).successful  # what followed once follows again
    assert [live.node.get_parameter(name).value for name in names] == [0.1, 0.2, PARAMETERS['min_keypoints'].default]
