"""How a network is trained: frozen values that recipes fill in, and what the recipes of all tasks have in common.

Imports no torch.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, setting

LOG = logging.getLogger(__name__)

NOT_NEGATIVE = (0, math.inf)
POSITIVE = (1, math.inf)


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimiser; the task decides on groups of parameters with learning rates and decays of their own."""

    kind: Literal['adam', 'adamw', 'sgd'] = setting('adam', 'adam, adamw (decoupled weight decay) or sgd.')
    lr: float = setting(1e-3, 'Learning rate. Methods may train some parameters at published multiples of it.', above=0)
    weight_decay: float = setting(0.0, 'Weight decay of the parameters that have one.', range=NOT_NEGATIVE)
    momentum: float = setting(0.0, 'Momentum of sgd.', range=NOT_NEGATIVE, below=1)
    nesterov: bool = setting(False, 'Nesterov momentum for sgd.')
    clip_norm: float = setting(0.0, 'Maximum norm of all gradients together; 0 does not clip.', range=NOT_NEGATIVE)
    frozen: tuple[str, ...] = setting(
        (),
        'Modules of the network that are not trained, such as model.stem; training is faster without their gradients.',
    )

    def __post_init__(self) -> None:
        check_settings(self, 'optimizer.')
        sgd = self.kind == 'sgd'
        require(sgd or not self.momentum, f'optimizer.momentum is a setting of sgd, optimizer.kind is {self.kind}')
        require(
            not self.nesterov or (sgd and self.momentum > 0),
            f'optimizer.nesterov needs kind sgd and a momentum above 0, got {self.kind} and {self.momentum}',
        )


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate changes."""

    kind: Literal['multistep', 'cosine', 'constant'] = setting(
        'multistep',
        'multistep lowers the rate when each epoch of milestones begins; cosine warms up and then falls to'
        ' final_factor at the last step; constant warms up and stays.',
    )
    milestones: tuple[int, ...] = setting(
        (), 'Epochs, counted from 0, at the beginning of which multistep lowers the rate.'
    )
    gamma: float = setting(0.1, 'Factor by which multistep lowers the rate.', above=0)
    warmup_steps: int = setting(0, 'Optimiser steps of linear warm-up; not for multistep.', range=NOT_NEGATIVE)
    final_factor: float = setting(0.01, 'Share of the rate that cosine ends with.', range=(0, 1))

    def __post_init__(self) -> None:
        check_settings(self, 'schedule.')
        rising = list(self.milestones) == sorted(set(self.milestones))
        require(rising, f'schedule.milestones must be rising epochs, got {self.milestones}')
        if self.kind == 'multistep':
            require(not self.warmup_steps, 'schedule.warmup_steps is for cosine and constant, got multistep')


@dataclass(frozen=True)
class TrainerSettings:
    """Length, batches, device, and what is kept."""

    max_epochs: int = setting(100, 'Number of epochs.', range=POSITIVE)
    max_steps: int = setting(
        0, 'Maximum number of optimiser steps, even if epochs are left; 0 for no limit.', range=NOT_NEGATIVE
    )
    limit_batches: int = setting(0, 'For a trial: maximum number of batches; 0 for no limit.', range=NOT_NEGATIVE)
    batch_size: int = setting(32, 'Batch size over all processes together.', range=POSITIVE)
    batches_per_iter: int = setting(
        1, 'Batches whose gradients are accumulated before each optimiser step.', range=POSITIVE
    )
    num_workers: int = setting(
        8, 'Loader processes for each training process; 0 loads in the training process itself.', range=NOT_NEGATIVE
    )
    device: Literal['auto', 'cpu', 'cuda'] = setting('auto', 'Device; auto takes a GPU if there is one.')
    precision: Literal['fp32', 'bf16', 'fp16'] = setting(
        'fp32', 'Precision of the forward pass; weights, losses and the optimiser stay fp32.'
    )
    sync_batchnorm: bool = setting(False, 'Synchronise batch norms over all processes.')
    ema_decay: float = setting(
        0.0,
        'Decay of the exponential moving average of the weights that is validated and saved, such as 0.999; 0 for'
        ' none.',
        range=NOT_NEGATIVE,
        below=1,
    )
    checkpoint_after: int = setting(5000, 'Optimiser steps between checkpoints; 0 writes none.', range=NOT_NEGATIVE)
    keep_checkpoints: int = setting(0, 'Number of newest checkpoints that are kept; 0 keeps all.', range=NOT_NEGATIVE)
    val_after: int = setting(
        5000,
        'Optimiser steps between validations, and once at the end; 0 validates at the end alone.',
        range=NOT_NEGATIVE,
    )

    def __post_init__(self) -> None:
        check_settings(self, 'trainer.')


@dataclass(frozen=True)
class LoggingSettings:
    """What is logged."""

    log_after: int = setting(100, 'Optimiser steps between entries of losses, learning rate and speed.', range=POSITIVE)
    images_after: int = setting(
        0, 'Optimiser steps between images of ground truth and prediction; 0 draws none.', range=NOT_NEGATIVE
    )
    pictures_after: int | None = setting(None, 'Earlier name of images_after.')
    tensorboard: bool = setting(True, 'Write TensorBoard files into logs/.')
    flush_secs: int = setting(30, 'Seconds between flushes of the TensorBoard files.', range=POSITIVE)
    mlflow: str = setting('', 'A folder or the address of a server to log to with MLflow; empty for none.')
    experiment: str = setting('default', 'Name of the MLflow experiment.')
    progress: bool = setting(True, 'Show progress bars.')

    def __post_init__(self) -> None:
        move_old_setting(self, 'pictures_after', 'images_after', 'logging.')
        check_settings(self, 'logging.')


@dataclass(frozen=True)
class EngineSettings:
    """All of a training but for its task."""

    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    seed: int = 0
    first_iteration: int = 0
    """Number of the iteration before the first, for a training that continues from another's weights."""


def move_old_setting(settings: Any, old: str, new: str, section: str) -> None:
    """Move a value that was given under an earlier name to the present one, with a warning."""
    if (value := getattr(settings, old)) is not None:
        LOG.warning('%s%s is now %s%s; use the new name', section, old, section, new)
        object.__setattr__(settings, new, value)
        object.__setattr__(settings, old, None)


def require(holds: bool, message: str) -> None:
    """Raise SettingsError with the message unless it holds."""
    if not holds:
        raise SettingsError(message)


@dataclass(frozen=True)
class StartSettings:
    """Initial weights of a training; random if not set."""

    backbone: str = setting('', "A published ImageNet file for the network's backbone.")
    checkpoint: str = setting(
        '', 'File of a whole network: only its weights are used, as in the published second and third steps.'
    )
    new_parts: bool = setting(
        False, 'Allow the network to have parts that the checkpoint lacks, such as more refinement stages.'
    )
    iteration: int = setting(0, 'Number of the first iteration.', range=NOT_NEGATIVE)

    def __post_init__(self) -> None:
        check_settings(self, 'start.')
        require(not (self.backbone and self.checkpoint), 'start takes a backbone or a checkpoint, not both')


@dataclass(frozen=True)
class Recipe:
    """A training as users write it down: typed values that YAML files and the command line fill in.

    Each task has a subclass with fields of its own (tasks.py).
    """

    task: str = setting('pose', 'What is trained; other tasks have other fields.')
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    start: StartSettings = field(default_factory=StartSettings)
    seed: int = setting(0, 'Seed of weights, order and augmentation.')

    @classmethod
    def defaults(cls, named: Callable[[str], str | None]) -> dict[str, Any]:
        """Return defaults by dotted name that depend on other fields; `named` returns the value given for one."""
        return {}

    @property
    def settings(self) -> EngineSettings:
        """Return what the engine needs to know."""
        require(self.seed >= 0, f'seed must be 0 or more, got {self.seed}')
        return EngineSettings(
            self.optimizer, self.schedule, self.trainer, self.logging, self.seed, self.start.iteration
        )
