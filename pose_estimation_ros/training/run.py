"""The one function that trains."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger

from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.training.batchnorm import CpuBatchNormSync
from pose_estimation_ros.training.callbacks.checkpoints import PublishedContainer
from pose_estimation_ros.training.callbacks.loggers import make_loggers
from pose_estimation_ros.training.parts import Parts, Plan, Subject, TrainingResult
from pose_estimation_ros.training.places import Places
from pose_estimation_ros.training.processes import Processes
from pose_estimation_ros.training.settings import Settings, TrainerSettings
from pose_estimation_ros.training.validation import Validation

__all__ = ['Plan', 'Subject', 'TrainingResult', 'require_device', 'train']

PRECISIONS = {'fp32': '32-true', 'bf16': 'bf16-mixed', 'fp16': '16-mixed'}


def train(
    subject: Subject,
    settings: Settings,
    places: Places | Path,
    validation: Validation | None = None,
    resume: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train a network and return what came of it.

    Args:
        subject: What is trained.
        settings: How.
        places: Where results go; a folder means checkpoints/, logs/ and pictures/ in it.
        validation: What scores the network on the way.
        resume: A checkpoint of the same training to go on from.
        stop: Asked at every step; once true, training ends with a checkpoint.

    Raises:
        SettingsError: Settings, pictures and processes do not go together.
        WeightsError: The checkpoint cannot be gone on from.
        TrainingError: The loss is no number any more.
        OutputError: A result cannot be written.

    """
    places = Places.under(places) if isinstance(places, Path) else places
    processes = Processes.here(settings.trainer.device)
    require_device(settings.trainer, processes)
    plan = Plan.of(len(subject.pictures), settings)
    parts = Parts.make(subject, settings, places, plan, processes, validation, stop)
    with _quiet():
        loggers: list[Logger] = []
        if processes.rank == 0:
            parameters = {**asdict(settings), **subject.parameters}
            loggers = make_loggers(settings.logging, places.logs, parameters, resumed=resume is not None)
        trainer = _trainer(settings, processes, parts, plan.steps, places, loggers)
        try:
            trainer.fit(parts.module, parts.loader, ckpt_path=resume, weights_only=True)
        except SystemExit as error:
            if error.code == 1:  # Lightning's answer to a second Ctrl-C
                raise KeyboardInterrupt from error
            raise
    return parts.result(trainer)


def _trainer(
    settings: Settings, processes: Processes, parts: Parts, steps: int, places: Places, loggers: list[Logger]
) -> Trainer:
    on = settings.trainer
    plugins: list[Any] = [PublishedContainer(settings.first_iteration)]
    synchronised = on.sync_batchnorm and processes.world > 1
    if synchronised and processes.accelerator == 'cpu':
        plugins.append(CpuBatchNormSync())
        synchronised = False
    return Trainer(
        accelerator=processes.accelerator,
        devices=processes.local_world,
        num_nodes=processes.world // processes.local_world,
        strategy='ddp' if processes.world > 1 else 'auto',
        precision=PRECISIONS[on.precision],  # type: ignore[arg-type]
        max_epochs=-1,
        max_steps=steps,
        accumulate_grad_batches=on.batches_per_iter,
        gradient_clip_val=settings.optimizer.clip_norm or None,
        sync_batchnorm=synchronised,
        callbacks=parts.callbacks,
        plugins=plugins,
        logger=loggers,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=make_folder(places.checkpoints.parent),
    )


def require_device(settings: TrainerSettings, processes: Processes) -> None:
    """Raise BackendError where the settings ask for what is not here."""
    if processes.accelerator == 'cuda' and not torch.cuda.is_available():
        raise BackendError('trainer.device is cuda, but torch finds no GPU here; set it to cpu')
    if settings.precision == 'fp16' and processes.accelerator == 'cpu':
        raise BackendError('trainer.precision fp16 needs a GPU; on the CPU use bf16 or fp32')


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from giving advice on settings that are as they are on purpose."""
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
