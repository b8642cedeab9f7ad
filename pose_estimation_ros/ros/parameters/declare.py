"""The parameters on a node: declared with descriptors, read, and kept up to date as one settings object."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter as NodeParameter

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import Setting
from pose_estimation_ros.ros.parameters.node_settings import (
    DEFAULT_METHOD,
    NodeSettings,
    parameters_of,
    settings_from,
    systems_of,
)

TYPES = {
    bool: NodeParameter.Type.BOOL,
    int: NodeParameter.Type.INTEGER,
    float: NodeParameter.Type.DOUBLE,
    str: NodeParameter.Type.STRING,
}
NOT_OURS = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')
"""What ROS itself reads of the same files."""

ANYTHING = ParameterDescriptor(dynamic_typing=True)
LARGEST = 2**63 - 1
FIXED = 'read at configure, fixed until cleanup'

S = TypeVar('S', bound='Values')


class Values(Protocol):
    """Settings that know their values by parameter."""

    def values(self) -> dict[str, Any]:
        """Return the values."""


def descriptor(parameter: Setting, fixed: str = FIXED) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows.

    Numbers may be given without a point (`max_rate: 30`) and for texts (`source: 0`), hence the dynamic typing of
    floats and texts; the settings check.
    """
    live = 'may change while active' if parameter.live else fixed
    systems = systems_of(parameter)
    described = ParameterDescriptor(
        name=parameter.name,
        type=TYPES[parameter.kind].value,
        description=parameter.text,
        additional_constraints='; '.join(filter(None, (parameter.allowed, systems and f'only {systems}', live))),
        dynamic_typing=parameter.kind in (float, str),
    )
    if parameter.range is not None and parameter.kind is float:
        low, high = map(float, parameter.range)
        described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    elif parameter.range is not None:
        low, high = (int(min(limit, LARGEST)) for limit in parameter.range)
        described.integer_range = [IntegerRange(from_value=low, to_value=high, step=parameter.step or 1)]
    return described


def declare_all(
    node: Node, table: Mapping[str, Setting], fixed: str = FIXED, renamed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Declare parameters and return the values that the user has set, right or wrong; wrong ones get their default.

    Types and ranges come after the values: ROS would stop at the first wrong one. `renamed` has earlier names of some
    parameters: values that the node was started with under those names count, with a warning.
    """
    defaults = {name: parameter.default for name, parameter in table.items()}
    for name, old in (renamed or {}).items():
        if old in _overrides(node):
            defaults[name] = node.declare_parameter(old, defaults[name], ANYTHING).value
            node.get_logger().warning(f'the parameter {old} is now {name}; use the new name')
    for name, default in defaults.items():
        if not node.has_parameter(name):
            node.declare_parameter(name, default, ANYTHING)
    values = {name: node.get_parameter(name).value for name in table}
    for name, parameter in table.items():
        default = NodeParameter(name, value=parameter.default).get_parameter_value()
        node.set_descriptor(name, descriptor(parameter, fixed), default)
    started_with = set(_overrides(node))
    return {name: value for name, value in values.items() if name in started_with or value != table[name].default}


def declare(node: Node) -> NodeSettings:
    """Declare the parameters of `pose_node` on a node and return what it was started with.

    `method` comes first, since it decides the defaults of others. All are declared even where some values are wrong, so
    that the node can be asked about them; SettingsError names every wrong value.
    """
    method: Any = node.declare_parameter('method', DEFAULT_METHOD, ANYTHING).value
    return settings_from(declare_all(node, parameters_of(method)))


def unknown_parameters(node: Node) -> list[str]:
    """Return a sentence for each value that the node was given and nobody declared, such as a misspelt one."""
    sentences = []
    for name in _overrides(node):
        if not node.has_parameter(name) and not name.startswith(NOT_OURS):
            close = difflib.get_close_matches(name, list(node.get_parameters_by_prefix('')), 1)
            hint = f'; did you mean {close[0]}?' if close else ''
            sentences.append(f'there is no parameter {name}, its value is ignored{hint}')
    return sentences


def _overrides(node: Node) -> Iterable[str]:
    """Return the names of the values that a node was started with; rclpy has no public way."""
    names: Iterable[str] = getattr(node, '_parameter_overrides', {})
    return names


class LiveSettings(Generic[S]):
    """The settings of a node as they are now, one frozen object that every accepted change replaces as a whole.

    `change` returns the settings with some values changed, or raises SettingsError for those that are refused;
    `on_change` is called with the settings before and after.
    """

    def __init__(
        self,
        node: Node,
        settings: S,
        change: Callable[[S, dict[str, Any]], S],
        on_change: Callable[[S, S], None] = lambda old, new: None,
    ) -> None:
        self.current = settings
        self._node, self._is_following = node, False
        self._change, self._on_change = change, on_change
        # Before Iron there is no post-set callback: the change is applied while it is checked.
        self._has_afterwards = hasattr(node, 'add_post_set_parameters_callback')
        node.add_on_set_parameters_callback(self._check)
        if self._has_afterwards:
            node.add_post_set_parameters_callback(self._take)

    def _check(self, parameters: list['NodeParameter[Any]']) -> SetParametersResult:
        if self._is_following:
            return SetParametersResult(successful=True)
        try:
            self._changed(parameters)
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if not self._has_afterwards:
            self._take(parameters)
        return SetParametersResult(successful=True)

    def _changed(self, parameters: list['NodeParameter[Any]']) -> S:
        known = self.current.values()
        return self._change(self.current, {each.name: each.value for each in parameters if each.name in known})

    def _take(self, parameters: list['NodeParameter[Any]']) -> None:
        if self._is_following:
            return
        old, self.current = self.current, self._changed(parameters)
        if self.current != old:
            self._on_change(old, self.current)
        # Parameters that nobody has set follow the method.
        just_set = {each.name for each in parameters}
        others = {name: value for name, value in self.current.values().items() if name not in just_set}
        other = {name: value for name, value in others.items() if self._node.get_parameter(name).value != value}
        if other:
            self._is_following = True  # these are not the user's
            try:
                self._node.set_parameters([NodeParameter(name, value=value) for name, value in other.items()])
            finally:
                self._is_following = False
