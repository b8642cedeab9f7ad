"""The options with which every command chooses a method, its weights and where it runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import Namespace
from jsonargparse.typing import ClosedUnitInterval, NonNegativeInt, PositiveInt

from pose_estimation_ros.apps.options.option_words import told_as_options
from pose_estimation_ros.apps.options.parser import add_flag
from pose_estimation_ros.apps.options.person_options import add_person_options, person_options
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.models.embedded import embedded_model
from pose_estimation_ros.models.folder import find_model
from pose_estimation_ros.tracking.trackers import DEFAULT_TRACKER, TRACKERS

if TYPE_CHECKING:
    from pose_estimation_ros.learners.learner import Learner

CALLED = {'mobilenet_use_stride': 'stride', 'num_refinement_stages': 'stages'}
"""Options that learners have under another name."""
TWO_PASS_OPTIONS = ('first_pass_height', 'second_pass_height', 'regions', 'newcomers_interval')


def add_model_options(parser: Any) -> None:
    """Add what chooses the model, and what tunes it."""
    model = parser.add_argument_group('model')
    model.add_argument('--method', default='lightweight_openpose', help='Published system to run.')
    model.add_argument(
        '--weights', type=str | None,
        help='A saved folder, a published .pth, .onnx or .xml file. [the model that comes with the package]',
    )  # fmt: skip
    model.add_argument(
        '--backend', type=Literal['auto', 'torch', 'onnxruntime', 'openvino'], default='auto',
        help='What runs the network; auto takes the fastest that is installed and says which.',
    )  # fmt: skip
    model.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N.')
    model.add_argument(
        '--precision', type=Literal['fp32', 'fp16', 'bf16'], default='fp32',
        help='Of calculation; an int8 model stays int8.',
    )  # fmt: skip
    model.add_argument('--providers', type=str | None, help="ONNX Runtime's execution providers, comma-separated.")
    model.add_argument('--threads', type=NonNegativeInt, default=0, help='CPU threads; 0 leaves it to the backend.')
    model.add_argument('--height', type=PositiveInt | None, help='Rows that pictures are scaled to. [256]')
    add_two_pass_options(parser)
    model.add_argument(
        '--stride', type=Literal[8, 16] | None,
        help='Of a mobilenet .pth; 16 halves the maps: faster, less accurate. [what the file says, or 8]',
    )  # fmt: skip
    model.add_argument(
        '--stages',
        type=NonNegativeInt | None,
        help='Refinement stages to keep of a .pth; all that it has if not given.',
    )
    add_flag(model, '--trust-weights', 'Read a .pth that needs more than tensors. It can run any code: own files only.')
    add_person_options(parser)
    tuning = parser.add_argument_group('decoding')
    tuning.add_argument(
        '--decode', type=str | None,
        help='lightweight_openpose: fast, reference (published demo) or evaluation (published COCO evaluation). [fast]',
    )  # fmt: skip
    tuning.add_argument('--upsample-ratio', type=PositiveInt, default=4, help='Keypoint positions tried per map cell.')
    tuning.add_argument(
        '--keypoint-threshold', type=ClosedUnitInterval | None,
        help='Least height of a peak. [0.1; simple_baseline: 0.2, and 0 in `evaluate`]',
    )  # fmt: skip
    tuning.add_argument(
        '--min-keypoints', type=PositiveInt | None, help='Least keypoints of a person. [3; simple_baseline: 1]',
    )  # fmt: skip
    tuning.add_argument('--max-persons', type=NonNegativeInt | None, help='Best so many people only; 0 for all.')


def add_tracker_option(parser: Any) -> None:
    """Add what chooses how people are known again from frame to frame."""
    parser.add_argument(
        '--tracker', type=Literal['similarity', 'published', 'flow'], default=DEFAULT_TRACKER,
        help='How people are known again: near keypoints, as published, or optical flow (fast people, moving cameras).',
    )  # fmt: skip


def add_two_pass_options(parser: Any) -> None:
    """Add what only --method high_resolution takes."""
    passes = parser.add_argument_group('high_resolution')
    passes.add_argument(
        '--first-pass-height', type=PositiveInt | None, help='Rows of the pass that finds where people are. [360]'
    )
    passes.add_argument(
        '--second-pass-height', type=PositiveInt | None,
        help='Of the pass that looks there: it shows people 0.37 times as tall as this. [540]',
    )  # fmt: skip
    passes.add_argument(
        '--regions', type=Literal['people', 'published'] | None,
        help='As many as people need, or the published single box for everybody. [people]',
    )  # fmt: skip
    passes.add_argument(
        '--newcomers-interval', type=PositiveInt | None, metavar='N',
        help='In videos the first pass looks for newcomers on every Nth picture. [5]',
    )  # fmt: skip


def of_one_pass(settings: Namespace) -> Namespace:
    """Return a copy in which nothing is asked for that only --method high_resolution takes."""
    changed = Namespace(settings)  # type: ignore[no-untyped-call]
    for name in TWO_PASS_OPTIONS:
        changed[name] = None
    return changed


@told_as_options()
def make_learner(settings: Namespace) -> 'Learner':
    """Return a learner with its weights loaded, as the common options say."""
    from pose_estimation_ros.learners.create import create_learner

    learner = create_learner(settings.method, **learner_options(settings))
    learner.load(settings.weights, trust=settings.trust_weights)
    return learner


def learner_options(settings: Namespace) -> dict[str, Any]:
    """Return a learner's constructor's arguments; raises SettingsError for an option that is for other methods."""
    from pose_estimation_ros.learners.create import given_options, takes

    if settings.height is not None and settings.method == 'high_resolution':
        raise SettingsError(
            '--height is for methods of one pass; high_resolution has --first-pass-height and --second-pass-height'
        )
    if settings.regions == 'published' and settings.newcomers_interval is not None:
        raise SettingsError(
            '--newcomers-interval is for regions of people: with --regions published every picture is looked at anew;'
            ' leave one of them out'
        )
    decoding = {
        name: getattr(settings, name)
        for name in ('keypoint_threshold', 'min_keypoints', 'max_persons')
        if getattr(settings, name) is not None
    }
    if settings.height is not None and not takes(settings.method, 'base_height'):
        raise SettingsError(f'{settings.method} has no --height: its crops have the size that the network is for')
    wanted = {
        'backend': settings.backend,
        'device': settings.device,
        'precision': settings.precision,
        'providers': settings.providers.split(',') if settings.providers else None,
        'threads': settings.threads,
        'base_height': settings.height,
        'mobilenet_use_stride': _use_stride(settings),
        'num_refinement_stages': settings.stages,
        **{name: settings[name] for name in TWO_PASS_OPTIONS},
        'decode': settings.decode,
        'decoding': decoding,
        'require_device': True,
        'tracker': TRACKERS[settings.tracker]() if 'tracker' in settings else None,
        **person_options(settings),
    }
    _refuse_foreign(settings.method, wanted)
    return given_options(settings.method, wanted)


def _refuse_foreign(method: str, wanted: Mapping[str, Any]) -> None:
    """Raise SettingsError, in the command line's words, where options are for other methods."""
    from pose_estimation_ros.learners.create import takes
    from pose_estimation_ros.methods.systems import SYSTEMS

    foreign = [name for name, value in wanted.items() if value is not None and not takes(method, name)]
    if foreign and method in SYSTEMS:
        options = ', '.join('--' + CALLED.get(name, name).replace('_', '-') for name in foreign)
        raise SettingsError(f'{method} has no {options}; leave it out, or choose another --method')


def weights_of(settings: Namespace) -> Path:
    """Return the model that is meant: the embedded one unless another is named, in torch's form where needed."""
    if settings.weights is not None:
        return Path(settings.weights)
    return embedded_model(settings.method, torch=settings.backend == 'torch')


def _use_stride(settings: Namespace) -> bool | None:
    """Return None where the model's own description decides. Published checkpoints have none; they are for stride 8."""
    from pose_estimation_ros.learners.create import takes

    if settings.stride is not None:
        return bool(settings.stride == 16)
    if not takes(settings.method, 'mobilenet_use_stride'):
        return None
    file = find_model(weights_of(settings))
    return False if file.kind == 'pth' and 'network' not in file.metadata else None
