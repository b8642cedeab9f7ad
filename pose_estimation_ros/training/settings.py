"""How a network is trained: frozen values that recipes fill in. Imports no torch."""

import math
from dataclasses import dataclass, field
from typing import Literal

from pose_estimation_ros.core.errors import SettingsError


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimiser; the task decides on groups of parameters with learning rates and decays of their own."""

    kind: Literal['adam', 'adamw', 'sgd'] = 'adam'
    """adam, adamw (decoupled weight decay) or sgd."""
    lr: float = 4e-5
    """Learning rate. Methods may train some parameters at published multiples of it."""
    weight_decay: float = 5e-4
    """Weight decay of the parameters that have one."""
    momentum: float = 0.0
    """Momentum of sgd."""
    nesterov: bool = False
    """Nesterov momentum for sgd."""
    clip_norm: float = 0.0
    """Maximum norm of all gradients together; 0 does not clip."""
    frozen: tuple[str, ...] = ()
    """Modules of the network that are not trained, such as `model.stem`; training is faster without their
    gradients."""

    def __post_init__(self) -> None:
        require(0 < self.lr < math.inf, f'optimizer.lr must be above 0, got {self.lr}')
        require(self.weight_decay >= 0, f'optimizer.weight_decay must be 0 or more, got {self.weight_decay}')
        require(0 <= self.momentum < 1, f'optimizer.momentum must be 0 or more and below 1, got {self.momentum}')
        require(self.clip_norm >= 0, f'optimizer.clip_norm must be 0 or more, got {self.clip_norm}')
        sgd = self.kind == 'sgd'
        require(sgd or not self.momentum, f'optimizer.momentum is a setting of sgd, optimizer.kind is {self.kind}')
        require(
            not self.nesterov or (sgd and self.momentum > 0),
            f'optimizer.nesterov needs kind sgd and a momentum above 0, got {self.kind} and {self.momentum}',
        )


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate changes.

    `multistep` multiplies it by gamma when each epoch of `milestones` begins, as published. `cosine` warms up and
    then falls to final_factor at the last step. `constant` warms up and stays.
    """

    kind: Literal['multistep', 'cosine', 'constant'] = 'multistep'
    """multistep as published, cosine or constant."""
    milestones: tuple[int, ...] = (100, 200, 260)
    """Epochs, counted from 0, at the beginning of which multistep lowers the rate."""
    gamma: float = 0.333
    """Factor by which multistep lowers the rate."""
    warmup_steps: int = 0
    """Optimiser steps of linear warm-up; not for multistep."""
    final_factor: float = 0.01
    """Share of the rate that cosine ends with."""

    def __post_init__(self) -> None:
        rising = list(self.milestones) == sorted(set(self.milestones))
        require(rising, f'schedule.milestones must be rising epochs, got {self.milestones}')
        require(self.gamma > 0, f'schedule.gamma must be above 0, got {self.gamma}')
        require(self.warmup_steps >= 0, f'schedule.warmup_steps must be 0 or more, got {self.warmup_steps}')
        require(0 <= self.final_factor <= 1, f'schedule.final_factor must be from 0 to 1, got {self.final_factor}')
        if self.kind == 'multistep':
            require(not self.warmup_steps, 'schedule.warmup_steps is for cosine and constant, got multistep')


@dataclass(frozen=True)
class TrainerSettings:
    """Length, batches, device, and what is kept."""

    max_epochs: int = 280
    """Number of epochs."""
    max_steps: int = 0
    """Maximum number of optimiser steps, even if epochs are left; 0 for no limit."""
    limit_batches: int = 0
    """For a trial: maximum number of batches; 0 for no limit."""
    batch_size: int = 80
    """Batch size over all processes together."""
    batches_per_iter: int = 1
    """Batches whose gradients are accumulated before each optimiser step."""
    num_workers: int = 8
    """Loader processes for each training process; 0 loads in the training process itself."""
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    """Device; auto takes a GPU if there is one."""
    precision: Literal['fp32', 'bf16', 'fp16'] = 'fp32'
    """Of the forward pass; weights, losses and the optimiser stay fp32."""
    sync_batchnorm: bool = False
    """Synchronise batch norms over all processes."""
    ema_decay: float = 0.0
    """Decay of the exponential moving average of the weights that is validated and saved, such as 0.999; 0 for
    none."""
    checkpoint_after: int = 5000
    """Optimiser steps between checkpoints; 0 writes none."""
    keep_checkpoints: int = 0
    """Number of newest checkpoints that are kept; 0 keeps all."""
    val_after: int = 5000
    """Optimiser steps between validations, and once at the end; 0 validates at the end alone."""

    def __post_init__(self) -> None:
        for name in ('max_epochs', 'batch_size', 'batches_per_iter'):
            require(getattr(self, name) >= 1, f'trainer.{name} must be 1 or more, got {getattr(self, name)}')
        for name in ('max_steps', 'limit_batches', 'num_workers', 'checkpoint_after', 'keep_checkpoints', 'val_after'):
            require(getattr(self, name) >= 0, f'trainer.{name} must be 0 or more, got {getattr(self, name)}')
        require(0 <= self.ema_decay < 1, f'trainer.ema_decay must be 0 or more and below 1, got {self.ema_decay}')


@dataclass(frozen=True)
class LoggingSettings:
    """What is logged."""

    log_after: int = 100
    """Optimiser steps between entries of losses, learning rate and speed."""
    pictures_after: int = 0
    """Optimiser steps between images of ground truth and prediction; 0 draws none."""
    tensorboard: bool = True
    """Write TensorBoard files into logs/."""
    flush_secs: int = 30
    """Seconds between flushes of the TensorBoard files."""
    mlflow: str = ''
    """A folder or the address of a server to log to with MLflow; empty for none."""
    experiment: str = 'default'
    """Name of the MLflow experiment."""
    progress: bool = True
    """Show progress bars."""

    def __post_init__(self) -> None:
        require(self.log_after >= 1, f'logging.log_after must be 1 or more, got {self.log_after}')
        require(self.pictures_after >= 0, f'logging.pictures_after must be 0 or more, got {self.pictures_after}')
        require(self.flush_secs >= 1, f'logging.flush_secs must be 1 or more, got {self.flush_secs}')


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


def require(holds: bool, message: str) -> None:
    """Raise SettingsError with the message unless it holds."""
    if not holds:
        raise SettingsError(message)
