"""How a network is trained: frozen values that recipes fill in. Imports no torch."""

import math
from dataclasses import dataclass, field
from typing import Literal

from pose_estimation_ros.core.errors import SettingsError


@dataclass(frozen=True)
class OptimizerSettings:
    """Adam, with the groups of parameters that the method's objective names."""

    lr: float = 4e-5
    """Of the backbone's convolutions; other groups learn at published multiples of it."""
    weight_decay: float = 5e-4
    """Pull of weights towards 0, for the groups that have one."""
    clip_norm: float = 0.0
    """Greatest norm of all gradients together; 0 leaves them as they are."""
    frozen: tuple[str, ...] = ()
    """Modules of the network that stay as they are, such as `model.stem`: training is faster without their
    gradients."""

    def __post_init__(self) -> None:
        require(0 < self.lr < math.inf, f'optimizer.lr must be above 0, got {self.lr}')
        require(self.weight_decay >= 0, f'optimizer.weight_decay must be 0 or more, got {self.weight_decay}')
        require(self.clip_norm >= 0, f'optimizer.clip_norm must be 0 or more, got {self.clip_norm}')


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate changes.

    `multistep` multiplies it by gamma when each epoch of `milestones` begins, as published. `cosine` warms up and
    then falls to final_factor at the last step. `constant` warms up and stays.
    """

    kind: Literal['multistep', 'cosine', 'constant'] = 'multistep'
    """multistep as published, cosine or constant."""
    milestones: tuple[int, ...] = (100, 200, 260)
    """Epochs, counted from 0, at whose beginning multistep lowers the rate."""
    gamma: float = 0.333
    """What multistep multiplies the rate by."""
    warmup_steps: int = 0
    """Optimiser steps of linear growth at the beginning; not for multistep."""
    final_factor: float = 0.01
    """What share of the rate cosine ends with."""

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
    """How long, how much at once, where, and what is kept."""

    max_epochs: int = 280
    """Epochs after which training ends."""
    max_steps: int = 0
    """Optimiser steps after which training ends even if epochs are left; 0 for no such end."""
    limit_batches: int = 0
    """For a trial: training ends after so many batches; 0 trains in earnest."""
    batch_size: int = 80
    """Pictures a batch, over all processes together."""
    batches_per_iter: int = 1
    """Batches whose gradients are added up before the optimiser steps."""
    num_workers: int = 8
    """Processes that load pictures, for each training process; 0 loads in the training process itself."""
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    """Where to train; auto takes a GPU if there is one."""
    precision: Literal['fp32', 'bf16', 'fp16'] = 'fp32'
    """Of the forward pass; weights, losses and the optimiser stay fp32."""
    sync_batchnorm: bool = False
    """Let batch norms see the batches of all processes."""
    ema_decay: float = 0.0
    """Of the moving average of the weights that is validated and saved, such as 0.999; 0 does without."""
    checkpoint_after: int = 5000
    """Optimiser steps between checkpoints; 0 writes none."""
    keep_checkpoints: int = 0
    """How many of the newest are kept; 0 keeps all."""
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
    """What is told on the way."""

    log_after: int = 100
    """Optimiser steps between entries of losses, learning rate and speed."""
    pictures_after: int = 0
    """Optimiser steps between pictures of ground truth and prediction; 0 draws none."""
    tensorboard: bool = True
    """Write TensorBoard's files into logs/."""
    flush_secs: int = 30
    """How often TensorBoard's files are brought up to date."""
    mlflow: str = ''
    """A folder or the address of a server to log to with MLflow; empty does without."""
    experiment: str = 'default'
    """Name under which MLflow files the run."""
    progress: bool = True
    """Show a bar."""

    def __post_init__(self) -> None:
        require(self.log_after >= 1, f'logging.log_after must be 1 or more, got {self.log_after}')
        require(self.pictures_after >= 0, f'logging.pictures_after must be 0 or more, got {self.pictures_after}')
        require(self.flush_secs >= 1, f'logging.flush_secs must be 1 or more, got {self.flush_secs}')


@dataclass(frozen=True)
class Settings:
    """All of a training but for what is trained on what."""

    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    seed: int = 0
    first_iteration: int = 0
    """What iterations are counted from in names and logs, for a training that goes on from another's weights."""


def require(holds: bool, message: str) -> None:
    """Raise SettingsError with the message unless it holds."""
    if not holds:
        raise SettingsError(message)
