"""The published constructors' arguments that all learners share: of training, of the input, and where a model runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.methods.method import Preprocessing
from pose_estimation_ros.models.content import three_numbers

MULTISCALE = (0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class TrainingSettings:
    """How `fit` and `eval` work; `Learner` says what each field is."""

    lr: float
    epochs: int
    batch_size: int
    lr_schedule: str | Callable[[Any], Any]
    checkpoint_after_iter: int
    checkpoint_load_iter: int
    val_after: int
    log_after: int
    batches_per_iter: int
    experiment_name: str
    num_workers: int
    weights_only: bool
    output_name: str
    scales: tuple[float, ...]
    visualize: bool

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


def training_settings(arguments: Mapping[str, Any]) -> TrainingSettings:
    """Return what a constructor's arguments, by name, say of training; without `multiscale` and `scales` it is one."""
    names = {field.name for field in fields(TrainingSettings)} - {'scales'}
    scales = MULTISCALE if arguments.get('multiscale') else tuple(arguments.get('scales') or (1.0,))
    return TrainingSettings(scales=scales, **{name: arguments[name] for name in names})


def normalisation(published: Preprocessing, arguments: Mapping[str, Any]) -> Preprocessing:
    """Return a method's preprocessing with what the published arguments, those that there are, say of it."""
    fields_of_arguments = {'img_mean': 'mean', 'img_scale': 'scale', 'pad_value': 'pad_value'}
    given = {
        field: three_numbers(name, arguments[name]) for name, field in fields_of_arguments.items() if name in arguments
    }
    channel_order = arguments.get('channel_order', published.channel_order)
    return replace(published, channel_order=channel_order, **given)


def backend_settings(arguments: Mapping[str, Any]) -> BackendSettings:
    """Return what a constructor's arguments, by name, say of where and how a model runs."""
    return BackendSettings(
        backend=arguments['backend'],
        device=arguments['device'],
        precision='fp16' if arguments['half_precision'] else arguments['precision'],
        providers=tuple(arguments['providers']),
        threads=arguments['threads'],
        channels_last=arguments['channels_last'],
        half_on_gpu_only=arguments['half_precision'],
        may_fall_back=not arguments['require_device'],
    )
