"""The parameters on a node: declared with descriptors, read, and kept up to date as one settings object."""

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter as NodeParameter

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import Setting
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.ros.parameters.node_settings import (
    DEFAULT_METHOD,
    DEFAULTS,
    NodeSettings,
    changed,
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


def descriptor(parameter: Setting) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows.

    Numbers may be given without a point (`max_rate: 30`), hence the dynamic typing of floats; `settings_from` checks.
    """
    live = 'may change while active' if parameter.live else 'read at configure, fixed until cleanup'
    systems = systems_of(parameter)
    described = ParameterDescriptor(
        name=parameter.name,
        type=TYPES[parameter.kind].value,
        description=parameter.text,
        additional_constraints='; '.join(filter(None, (parameter.allowed, systems and f'only {systems}', live))),
        dynamic_typing=parameter.kind is float,
    )
    if parameter.range is not None and parameter.kind is float:
        low, high = map(float, parameter.range)
        described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    elif parameter.range is not None:
        low, high = map(int, parameter.range)
        described.integer_range = [IntegerRange(from_value=low, to_value=high, step=parameter.step or 1)]
    return described


def declare(node: Node) -> NodeSettings:
    """Declare all parameters on a node and return what it was started with.

    `method` comes first, since it decides the defaults of others. All parameters are declared even where some values
    are wrong (those get their default), so that the node can be asked about them.

    Raises:
        SettingsError: Names every wrong value.

    """
    anything = ParameterDescriptor(dynamic_typing=True)
    method: Any = node.declare_parameter('method', DEFAULT_METHOD, anything).value
    table = parameters_of(method if method in SYSTEMS else DEFAULT_METHOD)
    for parameter in table.values():
        if parameter.name != 'method':
            node.declare_parameter(parameter.name, parameter.default, anything)
    given = {name: node.get_parameter(name).value for name in table}
    # Types and ranges come after the values: ROS would stop at the first wrong one.
    for parameter in table.values():
        default = NodeParameter(parameter.name, value=parameter.default).get_parameter_value()
        node.set_descriptor(parameter.name, descriptor(parameter), default)
    explicit = frozenset(_overrides(node)) & given.keys()
    return replace(settings_from(given), explicit=explicit)


def unknown_parameters(node: Node, known: Iterable[str] = tuple(DEFAULTS)) -> list[str]:
    """Return a sentence for each value that the node was given and nobody declared, such as a misspelt one."""
    sentences = []
    for name in _overrides(node):
        if not node.has_parameter(name) and not name.startswith(NOT_OURS):
            close = difflib.get_close_matches(name, list(known), 1)
            hint = f'; did you mean {close[0]}?' if close else ''
            sentences.append(f'there is no parameter {name}, its value is ignored{hint}')
    return sentences


def _overrides(node: Node) -> Iterable[str]:
    """Return the names of the values that a node was started with; rclpy has no public way."""
    names: Iterable[str] = getattr(node, '_parameter_overrides', {})
    return names


class LiveSettings:
    """The settings of a node as they are now, one frozen object that every accepted change replaces as a whole.

    Args:
        node: Where the table was declared.
        settings: What `declare` returned.
        is_configured: Whether parameters that are read at configure are to be refused.
        on_change: Called after a change with the settings before and after it.

    """

    def __init__(
        self,
        node: Node,
        settings: NodeSettings,
        is_configured: Callable[[], bool],
        on_change: Callable[[NodeSettings, NodeSettings], None] = lambda old, new: None,
    ) -> None:
        self.current = settings
        self._node, self._is_following = node, False
        self._is_configured = is_configured
        self._on_change = on_change
        # Before Iron there is no post-set callback: the change is applied while it is checked.
        self._has_afterwards = hasattr(node, 'add_post_set_parameters_callback')
        node.add_on_set_parameters_callback(self._check)
        if self._has_afterwards:
            node.add_post_set_parameters_callback(self._take)

    def _check(self, parameters: list['NodeParameter[Any]']) -> SetParametersResult:
        if self._is_following:
            return SetParametersResult(successful=True)
        try:
            changed(self.current, _ours(parameters), self._is_configured())
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if not self._has_afterwards:
            self._take(parameters)
        return SetParametersResult(successful=True)

    def _take(self, parameters: list['NodeParameter[Any]']) -> None:
        if self._is_following:
            return
        old, self.current = self.current, changed(self.current, _ours(parameters), configured=False)
        if self.current != old:
            self._on_change(old, self.current)
        self._follow_method({parameter.name for parameter in parameters})

    def _follow_method(self, just_set: Collection[str]) -> None:
        """Set the parameters that nobody has set to the defaults of another method."""
        values = {name: value for name, value in self.current.values().items() if name not in just_set}
        other = {name: value for name, value in values.items() if self._node.get_parameter(name).value != value}
        if other:
            self._is_following = True  # these are not the user's
            try:
                self._node.set_parameters([NodeParameter(name, value=value) for name, value in other.items()])
            finally:
                self._is_following = False


def _ours(parameters: list['NodeParameter[Any]']) -> dict[str, Any]:
    return {parameter.name: parameter.value for parameter in parameters if parameter.name in DEFAULTS}
