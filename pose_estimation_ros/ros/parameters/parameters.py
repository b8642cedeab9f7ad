"""The parameters of `pose_node`: one table for declaration, config/pose_node.yaml and docs/parameters.md.

Imports nothing of ROS. `python -m pose_estimation_ros.ros.parameters.parameter_texts` updates both files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.backends.backend import BACKENDS
from pose_estimation_ros.learners.create import takes
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.ros.parameters.parameter import Parameter, Value
from pose_estimation_ros.tracking.trackers import DEFAULT_TRACKER, TRACKERS

PARAMETERS = (
    Parameter('method', 'lightweight_openpose', 'Published system to run.', choices=tuple(SYSTEMS)),
    Parameter(
        'model_path', '',
        'A saved folder, a published .pth, an .onnx or an OpenVINO .xml; empty: the model that comes with the package.',
    ),
    Parameter(
        'backend', 'auto', 'What runs the network; auto takes the fastest that is installed.',
        choices=('auto', *BACKENDS),
    ),
    Parameter(
        'device', 'auto', 'Where the network runs; auto takes a GPU if there is one, cuda insists on it.',
        pattern=r'auto|cpu|cuda(:\d+)?', expected='auto, cpu, cuda, cuda:N',
    ),
    Parameter('half_precision', False, 'Calculate in fp16: faster on GPUs.'),
    Parameter('mobilenet_use_stride', False, 'Only for .pth files: stride 16 instead of 8, faster and less accurate.'),
    Parameter(
        'num_refinement_stages', -1, 'Refinement stages to keep of a .pth; -1: as many as the weights have.',
        range=(-1, 10),
    ),
    Parameter('backbone', '', 'Backbone that the weights are for; empty: what they say themselves.'),
    Parameter(
        'base_height', 256, 'Rows that pictures are scaled to: more sees smaller people and is slower.',
        dynamic=True, range=(128, 1080),
    ),
    Parameter(
        'first_pass_height', 360, 'Only for two-pass methods: rows of the pass that finds where people are.',
        dynamic=True, range=(128, 1080),
    ),
    Parameter(
        'second_pass_height', 540,
        'Only for two-pass methods: of the pass that looks there; it shows people 0.37 times as tall.',
        dynamic=True, range=(128, 1080),
    ),
    Parameter(
        'regions', 'people',
        'Only for two-pass methods: as many regions as people need, or the published single box for everybody.',
        choices=('people', 'published'),
    ),
    Parameter(
        'newcomers_interval', 5,
        'Only for two-pass methods: with `track`, the first pass looks for newcomers on every so many pictures.',
        range=(1, 1000),
    ),
    Parameter('upsample_ratio', 4, 'Keypoint positions tried per map cell.', dynamic=True, range=(1, 16)),
    Parameter('keypoint_threshold', 0.1, 'Least score of a keypoint.', dynamic=True, range=(0, 1)),
    Parameter('person_threshold', 0.2, 'Least mean score of a person.', dynamic=True, range=(0, 1)),
    Parameter('min_keypoints', 3, 'Least keypoints of a person.', dynamic=True, range=(1, 18)),
    Parameter('max_persons', 0, 'The best so many people only; 0: all.', dynamic=True, range=(0, 1000)),
    Parameter('track', True, 'Give people ids that last; a change forgets everybody.', dynamic=True),
    Parameter(
        'tracker', DEFAULT_TRACKER,
        'How people are known again: by near keypoints, as published, or by optical flow (fast people or robots).',
        choices=tuple(TRACKERS),
    ),
    Parameter('smooth', True, 'Smooth keypoints of tracked people; a change forgets everybody.', dynamic=True),
    Parameter(
        'image_transport', 'raw', 'Subscribe to `image` (raw) or to `image/compressed` (compressed).',
        choices=('raw', 'compressed'),
    ),
    Parameter('annotate', True, 'Draw skeletons for `~/image_annotated` while somebody subscribes.', dynamic=True),
    Parameter('max_rate', 0.0, 'Frames per second to process at most; 0: no limit.', dynamic=True, range=(0, 1000)),
    Parameter(
        'max_frame_age', 0.0, 'Seconds after which a frame is too old to be processed; 0: never.',
        dynamic=True, range=(0, 3600),
    ),
    Parameter(
        'stall_timeout', 5.0, 'Seconds without a frame until a warning says why; 0: no warning.',
        dynamic=True, range=(0, 3600),
    ),
    Parameter('lazy', True, 'Pause while nobody subscribes to any output.', dynamic=True),
    Parameter(
        'detector', '', 'Only for top-down methods: an ONNX file of the YOLOX family that finds people.',
    ),
    Parameter('detector_score_threshold', 0.3, 'Only with `detector`: least score of its boxes.', range=(0, 1)),
    Parameter(
        'detector_nms_threshold', 0.45,
        'Only with `detector`: IoU above which the less sure of two of its boxes is left out.', range=(0, 1),
    ),
    Parameter(
        'boxes.enabled', False,
        'Only for top-down methods: take people from `detections` (vision_msgs/Detection2DArray) of another node.',
    ),
    Parameter('boxes.class_id', 'person', 'Class of the detections that count; empty: all of them.'),
    Parameter('boxes.max_age', 0.5, 'Seconds by which stamps of picture and detections may differ.', range=(0, 10)),
    Parameter('depth.enabled', False, 'Subscribe to depth and publish people in 3D.'),
    Parameter(
        'depth.window', 5, 'Width of the window of depth pixels whose median counts, around each keypoint.',
        dynamic=True, range=(1, 15), step=2,
    ),
    Parameter('depth.slop', 0.05, 'Seconds by which stamps of image and depth may differ.', range=(0, 1)),
    Parameter('hri.enabled', False, 'Publish REP-155 bodies; needs hri_msgs and `track`.'),
    Parameter('autostart', True, 'Configure and activate on its own; otherwise wait for a lifecycle manager.'),
)  # fmt: skip
DETECTOR_THRESHOLDS = {'detector_score_threshold': 'score_threshold', 'detector_nms_threshold': 'nms_threshold'}
"""By what the detector calls them."""
HEIGHTS = ('base_height', 'first_pass_height', 'second_pass_height')
BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


@dataclass(frozen=True)
class NodeSettings:
    """The parameters' values, checked; see the table for each. `depth.window` is `depth_window`, and so on."""

    method: str
    model_path: str
    backend: str
    device: str
    half_precision: bool
    mobilenet_use_stride: bool
    num_refinement_stages: int
    backbone: str
    base_height: int
    first_pass_height: int
    second_pass_height: int
    regions: str
    newcomers_interval: int
    upsample_ratio: int
    keypoint_threshold: float
    person_threshold: float
    min_keypoints: int
    max_persons: int
    track: bool
    tracker: str
    smooth: bool
    image_transport: str
    annotate: bool
    max_rate: float
    max_frame_age: float
    stall_timeout: float
    lazy: bool
    detector: str
    detector_score_threshold: float
    detector_nms_threshold: float
    boxes_enabled: bool
    boxes_class_id: str
    boxes_max_age: float
    depth_enabled: bool
    depth_window: int
    depth_slop: float
    hri_enabled: bool
    autostart: bool

    def values(self) -> dict[str, Value]:
        """Return the values by the parameters' names."""
        return {parameter.name: getattr(self, parameter.field) for parameter in PARAMETERS}


def settings_from(values: Mapping[str, Any]) -> NodeSettings:
    """Check values by the parameters' names, defaults standing in for those not given.

    Raises:
        SettingsError: Names every value that is wrong, and every name that is no parameter.

    """
    faults = [f'there is no parameter {name}' for name in values if name not in BY_NAME]
    checked: dict[str, Any] = {}
    for parameter in PARAMETERS:
        try:
            checked[parameter.field] = parameter.checked(values.get(parameter.name, parameter.default))
        except SettingsError as error:
            faults.append(str(error))
    faults += _contradictions(checked)
    if faults:
        raise SettingsError('; '.join(faults))
    return NodeSettings(**checked)


def _contradictions(checked: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with values, by their fields, that are right each by itself."""

    def is_set(name: str) -> bool:
        default = BY_NAME[name].default
        return bool(checked.get(BY_NAME[name].field, default) != default)

    faults = []
    if is_set('hri.enabled') and checked.get('track') is False:
        faults.append('hri.enabled needs track to be true, since bodies are told apart by their ids')
    if is_set('boxes.enabled') and is_set('detector'):
        faults.append('boxes.enabled and detector contradict each other; leave one of them out')
    if checked.get('regions') == 'published' and is_set('newcomers_interval'):
        faults.append(
            'newcomers_interval is for regions of people: with published ones every picture is looked at anew; leave'
            ' one of them out'
        )
    return faults


def changed(settings: NodeSettings, values: Mapping[str, Any], configured: bool) -> NodeSettings:
    """Return the settings with some values changed; raises SettingsError where one of them may not, and none is.

    What is read at configure may not change while the node is configured, active or not: it would have no effect.
    """
    new = settings_from({**settings.values(), **values})
    fixed = [
        each.name
        for each in PARAMETERS
        if not each.dynamic and getattr(new, each.field) != getattr(settings, each.field)
    ]
    if configured and fixed:
        raise SettingsError(
            f'{", ".join(fixed)} cannot change while the node is configured; deactivate it, clean it up, set, '
            'then configure and activate it again'
        )
    if configured:
        require_heights(new.method, [name for name in HEIGHTS if getattr(new, name) != getattr(settings, name)])
    return new


def heights_of(method: str) -> tuple[str, ...]:
    """Return the heights that a method's pictures are scaled to, by name; what looks twice has no base_height."""
    own = tuple(name for name in HEIGHTS if takes(method, name))
    return own[1:] if len(own) == len(HEIGHTS) else own


def require_heights(method: str, names: Sequence[str]) -> None:
    """Raise SettingsError where one of these heights, which somebody set, would have no effect."""
    own = heights_of(method)
    idle = [name for name in names if name not in own]
    if idle:
        raise SettingsError(f'{method} has no {", ".join(idle)}; its heights: {", ".join(own) or "none"}')
