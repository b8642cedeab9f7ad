"""The one function that trains, whatever the task is."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from torch import nn

from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.training.callbacks.checkpoints import Checkpoints, PublishedContainer, StopOnRequest
from pose_estimation_ros.training.callbacks.ema import MovingAverage
from pose_estimation_ros.training.callbacks.loggers import make_loggers
from pose_estimation_ros.training.callbacks.logs import ImageLog, LossLog, ProgressBar, StartLog
from pose_estimation_ros.training.callbacks.step_timer import StepTimer
from pose_estimation_ros.training.callbacks.validation import Validator
from pose_estimation_ros.training.folders import TrainingFolders
from pose_estimation_ros.training.loader import BatchOrder, EpochSampler, Loader
from pose_estimation_ros.training.module import TaskModule
from pose_estimation_ros.training.optimizers import MakeSchedule
from pose_estimation_ros.training.processes import CpuBatchNormSync, Processes
from pose_estimation_ros.training.settings import EngineSettings, TrainerSettings
from pose_estimation_ros.training.task import Task

PRECISIONS = {'fp32': '32-true', 'bf16': 'bf16-mixed', 'fp16': '16-mixed'}


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The outcome of a training."""

    network: nn.Module
    """With the weights to use: the moving average if there is one."""
    iteration: int
    losses: Mapping[str, list[float]]
    """By the published names, one value for each iteration of this run."""
    evaluations: list[dict[str, float]]
    """Scores and their `iteration`, those before a resumption included."""
    checkpoints: list[Path]
    """Written by this run and still there, the newest last."""
    timings: dict[str, float]
    """Milliseconds a batch by part, samples a second, share of waiting."""
    stopped: bool
    """Whether it was asked to end early."""


def train(
    task: Task,
    settings: EngineSettings,
    folders: TrainingFolders | Path,
    resume: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    lr_schedule: MakeSchedule | None = None,
) -> TrainingResult:
    """Train a task's network in place.

    Args:
        task: What is trained.
        settings: How.
        folders: Where results go; one folder means checkpoints/, logs/ and images/ in it.
        resume: A checkpoint of the same training to resume from.
        stop: Called at every step; once it returns true, training ends with a checkpoint.
        lr_schedule: A user's own schedule, replacing that of the settings.

    Raises:
        SettingsError: Settings, data and processes do not fit together.
        WeightsError: The checkpoint cannot be resumed from.
        TrainingError: The loss is not finite any more.
        OutputError: A result cannot be written.

    """
    folders = TrainingFolders.under(folders) if isinstance(folders, Path) else folders
    processes = Processes.here(settings.trainer.device)
    require_device(settings.trainer, processes)
    run = _Run(task, settings, folders, processes, stop)
    module = TaskModule(task, settings.optimizer, lr_schedule or settings.schedule, run.steps)
    with _quiet():
        loggers: list[Logger] = []
        if processes.rank == 0:
            parameters = {**asdict(settings), **task.parameters}
            loggers = make_loggers(settings.logging, folders.logs, parameters, resumed=resume is not None)
        trainer = Trainer(
            **_trainer_options(settings, processes),
            max_steps=run.steps,
            callbacks=run.callbacks,
            logger=loggers,
            default_root_dir=make_folder(folders.checkpoints.parent),
        )
        try:
            trainer.fit(module, run.loader, ckpt_path=resume, weights_only=True)
        except SystemExit as error:
            if error.code == 1:  # Lightning's answer to a second Ctrl-C
                raise KeyboardInterrupt from error
            raise
    return run.result(trainer, module.network)


class _Run:
    """The objects of one training, which know each other."""

    def __init__(
        self,
        task: Task,
        settings: EngineSettings,
        folders: TrainingFolders,
        processes: Processes,
        stop: Callable[[], bool],
    ) -> None:
        trainer, logging, cuda = settings.trainer, settings.logging, processes.accelerator == 'cuda'
        order = BatchOrder.of(len(task.data), settings, task.unit)
        self.steps = steps = order.total_steps(trainer)
        sampler = EpochSampler(order, processes.rank, processes.world)
        self.loader = Loader(task.data, sampler, trainer.num_workers, pinned=cuda)
        synchronise = bool(trainer.limit_batches) and cuda
        self._timer = StepTimer(self.loader, trainer.batch_size, task.unit, synchronise)
        self._losses = losses = LossLog(self._timer, logging.log_after, settings.first_iteration)
        self._checkpoints = Checkpoints(folders, trainer.checkpoint_after, trainer.keep_checkpoints, steps, losses)
        self._stopping = StopOnRequest(stop, self._checkpoints)
        self._average = MovingAverage(task.network, trainer.ema_decay) if trainer.ema_decay else None
        self._validator = None
        if task.validation is not None:
            self._validator = Validator(task, settings, steps, self._average, losses, self._checkpoints, self._stopping)
        images = ImageLog(folders.images, logging.images_after, losses) if logging.images_after else None
        start = StartLog(folders, task, settings.seed, bool(logging.images_after))
        progress = ProgressBar(losses, steps, task.unit) if logging.progress else None
        # In the order in which they act after a batch: what is saved must have happened.
        acting: list[Callback | None] = [self._timer, self._average, losses, images, self._validator, self._checkpoints]
        self.callbacks = [each for each in (*acting, start, progress, self._stopping) if each is not None]

    def result(self, trainer: Trainer, network: nn.Module) -> TrainingResult:
        if self._average:
            network.load_state_dict(self._average.network.state_dict())
        return TrainingResult(
            network=network.cpu().eval(),
            iteration=self._losses.iteration(trainer),
            losses=self._losses.losses,
            evaluations=self._validator.results if self._validator else [],
            checkpoints=self._checkpoints.written,
            timings=self._timer.summary(),
            stopped=self._stopping.stopped,
        )


def _trainer_options(settings: EngineSettings, processes: Processes) -> dict[str, Any]:
    """Return the options of Lightning's trainer that settings and processes decide, and what it must leave to us."""
    trainer, several = settings.trainer, processes.world > 1
    plugins: list[Any] = [PublishedContainer(settings.first_iteration)]
    synchronised = trainer.sync_batchnorm and several
    if synchronised and processes.accelerator == 'cpu':
        plugins.append(CpuBatchNormSync())
        synchronised = False
    return {
        'accelerator': processes.accelerator,
        'devices': processes.local_world,
        'num_nodes': processes.world // processes.local_world,
        'strategy': 'ddp' if several else 'auto',
        'precision': PRECISIONS[trainer.precision],
        'max_epochs': -1,
        'accumulate_grad_batches': trainer.batches_per_iter,
        'gradient_clip_val': settings.optimizer.clip_norm or None,
        'sync_batchnorm': synchronised,
        'plugins': plugins,
        'use_distributed_sampler': False,
        'enable_checkpointing': False,
        'enable_progress_bar': False,
        'enable_model_summary': False,
        'limit_val_batches': 0,
    }


def require_device(settings: TrainerSettings, processes: Processes) -> None:
    """Raise BackendError where the settings ask for a device that is missing."""
    if processes.accelerator == 'cuda' and not torch.cuda.is_available():
        raise BackendError('trainer.device is cuda, but torch finds no GPU here; set it to cpu')
    if settings.precision == 'fp16' and processes.accelerator == 'cpu':
        raise BackendError('trainer.precision fp16 needs a GPU; on the CPU use bf16 or fp32')


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice on settings that are as they are on purpose."""
    logger = logging.getLogger('lightning.pytorch')
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', module='lightning')
            warnings.filterwarnings('ignore', message='.*does not have many workers.*')
            yield
    finally:
        logger.setLevel(level)
