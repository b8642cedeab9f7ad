"""The constructor arguments that all learners share: of training, of the input, and of the backend."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.methods.method import Preprocessing

MULTISCALE = (0.5, 1.0, 1.5, 2.0)

Init = TypeVar('Init', bound=Callable[..., None])


@dataclass(frozen=True)
class TrainingSettings:
    """How `fit` and `eval` work; `Learner` says what each field is."""

    lr: float = 1e-3
    epochs: int = 100
    batch_size: int = 32
    lr_schedule: str | Callable[[Any], Any] = ''
    checkpoint_after_iter: int = 5000
    checkpoint_load_iter: int = 0
    val_after: int = 5000
    log_after: int = 100
    batches_per_iter: int = 1
    experiment_name: str = 'default'
    num_workers: int = 8
    weights_only: bool = True
    output_name: str = 'detections.json'
    scales: tuple[float, ...] = (1.0,)
    visualize: bool = False

    def __post_init__(self) -> None:
        for name in ('lr', 'epochs', 'batch_size', 'batches_per_iter', 'val_after', 'log_after'):
            self._require(name, getattr(self, name) > 0, 'above 0')
        for name in ('checkpoint_after_iter', 'checkpoint_load_iter', 'num_workers'):
            self._require(name, getattr(self, name) >= 0, '0 or more')
        self._require('scales', bool(self.scales) and min(self.scales) > 0, 'scales above 0')
        schedule = self.lr_schedule
        self._require('lr_schedule', callable(schedule) or not str(schedule).strip(), 'a function of the optimizer')

    def _require(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise SettingsError(f'{name} must be {expected}, got {getattr(self, name)!r}')


SHARED_ARGUMENTS: dict[str, Any] = {
    'device': 'cuda',
    'temp_path': 'temp',
    'decoding': None,
    'tracker': None,
    'half_precision': False,
    **{name: None if name == 'scales' else value for name, value in vars(TrainingSettings()).items()},
    **{name: getattr(BackendSettings(), name) for name in ('backend', 'precision', 'providers', 'threads')},
    'channels_last': False,
    'require_device': False,
}
"""Arguments that all learners have, and their defaults; `Learner` documents them."""


def records_explicit(init: Init) -> Init:
    """Let a constructor know which arguments its caller passed: their names are in `self.explicit` before it runs.

    The published constructors have defaults of their own, and a weights file may declare other values: explicit
    arguments override the file, defaults do not. A constructor with `**shared` has SHARED_ARGUMENTS as well.
    """
    signature = _with_shared(inspect.signature(init))

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        self.explicit = frozenset(signature.bind(self, *args, **kwargs).arguments) - {'self'}
        init(self, *args, **kwargs)

    wrapped.__signature__ = signature  # type: ignore[attr-defined]
    return wrapped  # type: ignore[return-value]


def _with_shared(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature with the shared arguments that it lacks in the place of `**shared`."""
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    if len(own) == len(signature.parameters):
        return signature
    missing = [name for name in SHARED_ARGUMENTS if name not in signature.parameters]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=SHARED_ARGUMENTS[name]) for name in missing
    ]
    return signature.replace(parameters=[*own, *shared])


def training_settings(arguments: Mapping[str, Any]) -> TrainingSettings:
    """Return training settings from constructor arguments; without `multiscale` and `scales` the only scale is 1."""
    names = {field.name for field in fields(TrainingSettings)} & arguments.keys() - {'scales'}
    scales = MULTISCALE if arguments.get('multiscale') else tuple(arguments.get('scales') or (1.0,))
    return TrainingSettings(scales=scales, **{name: arguments[name] for name in names})


def backend_settings(arguments: Mapping[str, Any]) -> BackendSettings:
    """Return the backend settings from constructor arguments by name."""
    half = arguments.get('half_precision', False)
    return BackendSettings(
        backend=arguments.get('backend', 'auto'),
        device=arguments.get('device', 'cuda'),
        precision='fp16' if half else arguments.get('precision', 'fp32'),
        providers=tuple(arguments.get('providers', ())),
        threads=arguments.get('threads', 0),
        channels_last=arguments.get('channels_last', False),
        half_on_gpu_only=half,
        may_fall_back=not arguments.get('require_device', False),
    )


def normalisation(published: Preprocessing, arguments: Mapping[str, Any]) -> Preprocessing:
    """Return a method's preprocessing, changed by the published arguments that are present."""
    fields_of_arguments = {'img_mean': 'mean', 'img_scale': 'scale', 'pad_value': 'pad_value'}
    changes = {
        field: _three_numbers(name, arguments[name]) for name, field in fields_of_arguments.items() if name in arguments
    }
    channel_order = arguments.get('channel_order', published.channel_order)
    return replace(published, channel_order=channel_order, **changes)


def _three_numbers(name: str, value: float | Sequence[float]) -> tuple[float, float, float]:
    """Return one number thrice, or three as they are; raises SettingsError for other counts."""
    values = [float(value)] * 3 if isinstance(value, int | float) else [float(each) for each in value]
    if len(values) != 3:
        raise SettingsError(f'{name} must be one number or three, got {len(values)}')
    return values[0], values[1], values[2]
