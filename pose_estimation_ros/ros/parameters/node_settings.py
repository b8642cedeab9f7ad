"""The parameters of `pose_node`: those of the table of settings, and the node's own. Imports nothing of ROS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import Setting, setting, settings_of
from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.settings_table import (
    SharedSetting,
    check_given,
    chosen,
    learner_arguments,
    shared_settings,
)
from pose_estimation_ros.methods.systems import SYSTEMS

LOADED_SEPARATELY = ('method', 'weights')
"""Settings that are not arguments of a learner's constructor."""
SECONDS = (0, 3600)
parameter_name = attrgetter('parameter_name')
"""How the node calls a setting, such as base_height."""


@dataclass(frozen=True)
class NodeSettings:
    """The values of all parameters; `depth.window` is `depth_window`, and so on."""

    model: Mapping[str, Any] = field(default_factory=dict)
    """Values of the table of settings by parameter, such as base_height; see `parameters_of`."""
    track: bool = setting(True, 'Assign ids that persist from frame to frame; a change resets the tracks.', live=True)
    smooth: bool = setting(True, 'Smooth the keypoints of tracked people; a change resets the tracks.', live=True)
    image_transport: str = setting(
        'raw', 'Subscribe to `image` (raw) or to `image/compressed` (compressed).', choices=('raw', 'compressed')
    )
    annotate: bool = setting(True, 'Publish `~/image_annotated` while it has subscribers.', live=True)
    max_rate: float = setting(0.0, 'Maximum processing rate in Hz; 0 for no limit.', range=(0, 1000), live=True)
    max_frame_age: float = setting(
        0.0, 'Age in seconds above which frames are dropped; 0 for no limit.', range=SECONDS, live=True
    )
    stall_timeout: float = setting(
        5.0, 'Seconds without a frame until a warning explains why; 0 for no warning.', range=SECONDS, live=True
    )
    lazy: bool = setting(True, 'Pause while no output has a subscriber.', live=True)
    boxes_enabled: bool = setting(
        False, 'Take people from `detections` (vision_msgs/Detection2DArray) of another node; for top-down methods.',
        parameter='boxes.enabled',
    )  # fmt: skip
    boxes_class_id: str = setting(
        'person', 'Class of the detections to use; empty for all.', parameter='boxes.class_id'
    )
    boxes_max_age: float = setting(
        0.5, 'Maximum difference in seconds between the stamps of image and detections.',
        range=(0, 10), parameter='boxes.max_age',
    )  # fmt: skip
    depth_enabled: bool = setting(
        False, 'Subscribe to depth images and publish people in 3D.', parameter='depth.enabled'
    )
    depth_window: int = setting(
        5, 'Width in pixels of the window around each keypoint whose median depth is taken.',
        range=(1, 15), step=2, live=True, parameter='depth.window',
    )  # fmt: skip
    depth_slop: float = setting(
        0.05, 'Maximum difference in seconds between the stamps of image and depth image.',
        range=(0, 1), parameter='depth.slop',
    )  # fmt: skip
    hri_enabled: bool = setting(
        False, 'Publish people as REP-155 bodies; needs hri_msgs and `track`.', parameter='hri.enabled'
    )
    autostart: bool = setting(True, 'Configure and activate at start; otherwise wait for a lifecycle manager.')
    explicit: frozenset[str] = field(default=frozenset(), compare=False)
    """Parameters that the user set; the others follow the method."""

    @property
    def method(self) -> str:
        """Name of the system that runs."""
        return str(self.model['method'])

    def __getitem__(self, parameter: str) -> Any:
        """Return the value of a parameter."""
        return self.values()[parameter]

    def values(self) -> dict[str, Any]:
        """Return the values by parameter."""
        own = {each.parameter_name: getattr(self, each.name) for each in settings_of(NodeSettings)}
        return {**self.model, **own}


def parameters_of(method: Any) -> dict[str, Setting]:
    """Return every parameter with its default and limits for a method; the default method stands in for no method."""
    return _parameters_of(method if isinstance(method, str) and method in SYSTEMS else DEFAULT_METHOD)


@cache
def _parameters_of(method: str) -> dict[str, Setting]:
    found = [each.of(method) for each in shared_settings().values()] + list(settings_of(NodeSettings))
    return {each.parameter_name: each.as_parameter() for each in found if each.parameter_name}


def shared_setting_of(parameter: Setting) -> SharedSetting | None:
    """Return the row of the table of settings; None for a parameter of a node alone."""
    return next((each for each in shared_settings().values() if each.first.parameter_name == parameter.name), None)


def systems_of(parameter: Setting) -> str:
    """Return the systems that have a parameter; '' if all do."""
    shared = shared_setting_of(parameter)
    return shared.systems if shared else ''


DEFAULT_METHOD = next(iter(SYSTEMS))
DEFAULTS = {name: each.default for name, each in parameters_of(DEFAULT_METHOD).items()}
"""By parameter, of the default method."""


def check_values(table: Mapping[str, Setting], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the right values by parameter, defaults for missing ones, and what is wrong with the others."""
    faults = [f'there is no parameter {name}' for name in values if name not in table]
    checked: dict[str, Any] = {}
    for name, each in table.items():
        try:
            checked[name] = each.checked(values.get(name, each.default), name)
        except SettingsError as error:
            faults.append(str(error))
    return checked, faults


def settings_from(values: Mapping[str, Any]) -> NodeSettings:
    """Check the values that were set, by parameter; the others have the method's defaults.

    Raises SettingsError that lists every wrong value and every unknown parameter.
    """
    checked, faults = check_values(parameters_of(values.get('method')), values)
    if checked.get('hri.enabled') and checked.get('track') is False:
        faults.append('hri.enabled requires track, since bodies are identified by their ids')
    if checked.get('boxes.enabled') and checked.get('detector'):
        faults.append('boxes.enabled and detector contradict each other; leave one of them out')
    if faults:
        raise SettingsError('; '.join(faults))
    own = {each.name: checked.pop(each.parameter_name) for each in settings_of(NodeSettings)}
    return NodeSettings(checked, explicit=frozenset(values), **own)


def changed(settings: NodeSettings, values: Mapping[str, Any], configured: bool) -> NodeSettings:
    """Return the settings with some values changed; raises SettingsError, changing nothing, if one is not allowed.

    Parameters that are read at configure may not change while the node is configured: it would have no effect. With
    the method, the defaults of parameters that nobody has set change.
    """
    before = settings.values()
    after = settings_from({**{name: before[name] for name in settings.explicit}, **values})
    if configured:
        fixed = [name for name, each in parameters_of(settings.method).items() if not each.live]
        if different := [name for name in fixed if before[name] != after[name]]:
            raise SettingsError(
                f'{", ".join(different)} cannot change while the node is configured; deactivate it, clean it up, set, '
                'then configure and activate it again'
            )
        check_given(after.method, _chosen(after), parameter_name)
    return after


def _chosen(settings: NodeSettings) -> dict[str, Any]:
    """Return what the user has chosen for the learner's constructor, by argument."""
    parameters = parameters_of(settings.method)
    names = {name: each.first.parameter_name for name, each in shared_settings().items()}
    own = {name: each for name, each in names.items() if each and name not in LOADED_SEPARATELY}
    values = {name: settings.model[each] for name, each in own.items()}
    return chosen(values, {name: parameters[each].default for name, each in own.items()})


def learner_options(settings: NodeSettings) -> dict[str, Any]:
    """Return the arguments of the learner's constructor.

    Raises SettingsError where a parameter is set that the method does not have, or has no effect without another.
    """
    path = settings['model_path']
    return learner_arguments(settings.method, _chosen(settings), parameter_name, Path(path) if path else None)


def live_options(settings: NodeSettings) -> dict[str, Any]:
    """Return the settings that may change while the learner runs, by constructor argument."""
    return {
        name: settings.model[each.first.parameter_name]
        for name, each in shared_settings().items()
        if settings.method in each.settings and each.of(settings.method).live
    }


def load_learner(settings: NodeSettings) -> Learner:
    """Return the learner of the settings with its model loaded; raises SettingsError or WeightsError."""
    learner = create_learner(settings.method, **learner_options(settings))
    learner.load(settings['model_path'] or None)
    learner.tune(**live_options(settings))  # also where the model declares others: parameters say what runs
    return learner
