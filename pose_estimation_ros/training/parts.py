"""The objects of one training, and how they are put together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from torch import nn

from pose_estimation_ros.methods.method import Method, Objective, Preprocessing
from pose_estimation_ros.training.callbacks.checkpoints import Checkpoints
from pose_estimation_ros.training.callbacks.clock import Clock
from pose_estimation_ros.training.callbacks.ema import MovingAverage
from pose_estimation_ros.training.callbacks.journal import Journal
from pose_estimation_ros.training.callbacks.pictures import PictureLog
from pose_estimation_ros.training.callbacks.progress import ProgressBar
from pose_estimation_ros.training.callbacks.stopping import StopOnRequest
from pose_estimation_ros.training.distillation.hints import Hints
from pose_estimation_ros.training.items import Items, Pictures, Transform
from pose_estimation_ros.training.loader import EpochSampler, Loader, Stream
from pose_estimation_ros.training.module import PoseModule
from pose_estimation_ros.training.places import Places
from pose_estimation_ros.training.processes import Processes
from pose_estimation_ros.training.schedules import MakeSchedule
from pose_estimation_ros.training.settings import Settings
from pose_estimation_ros.training.validation import Validation, Validator


@dataclass(frozen=True, eq=False)
class Subject:
    """What is trained, towards what, on what."""

    method: Method
    network: nn.Module
    """Trained in place."""
    objective: Objective
    pictures: Pictures
    """In the method's skeleton."""
    transform: Transform
    """To network inputs of one size."""
    lr_schedule: MakeSchedule | None = None
    """A user's own in the place of the settings'."""
    preprocessing: Preprocessing | None = None
    """How pictures are normalised, where not as the method does."""
    hints: Hints | None = None
    """A teacher's layers to learn besides."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What loggers tell of it besides the settings, such as the network's options; nested as it may be."""


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What came of a training."""

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
    """Milliseconds a batch by part, images_per_second, waiting_share."""
    stopped: bool
    """Whether it was asked to end early."""


@dataclass(frozen=True)
class Plan:
    """How long a training is."""

    stream: Stream
    steps: int
    """Optimiser steps until the end, from the very beginning."""

    @classmethod
    def of(cls, pictures: int, settings: Settings) -> 'Plan':
        """Make the plan for so many pictures; raises SettingsError where they make no batch."""
        trainer = settings.trainer
        stream = Stream(pictures, trainer.batch_size, trainer.batches_per_iter, settings.seed)
        ends = [trainer.max_epochs * stream.steps]
        if trainer.max_steps:
            ends.append(trainer.max_steps)
        if trainer.limit_batches:
            ends.append(max(1, trainer.limit_batches // trainer.batches_per_iter))
        return cls(stream, min(ends))


@dataclass(frozen=True, eq=False)
class Parts:
    """The objects of one training, which know each other."""

    module: PoseModule
    loader: Loader
    clock: Clock
    journal: Journal
    checkpoints: Checkpoints
    stopping: StopOnRequest
    average: MovingAverage | None
    validator: Validator | None
    pictures: PictureLog | None
    progress: ProgressBar | None

    @classmethod
    def make(
        cls,
        subject: Subject,
        settings: Settings,
        places: Places,
        plan: Plan,
        processes: Processes,
        validation: Validation | None,
        stop: Callable[[], bool],
    ) -> 'Parts':
        on, telling = settings.trainer, settings.logging
        items = Items(subject.pictures, subject.transform, subject.objective, settings.seed)
        sampler = EpochSampler(plan.stream, processes.rank, processes.world)
        loader = Loader(items, sampler, on.num_workers, pinned=processes.accelerator == 'cuda')
        schedule = subject.lr_schedule or settings.schedule
        preprocessing = subject.preprocessing or subject.method.preprocessing
        network, objective = subject.network, subject.objective
        module = PoseModule(network, objective, preprocessing, settings.optimizer, schedule, plan.steps, subject.hints)
        trial = bool(on.limit_batches)
        clock = Clock(loader, on.batch_size, synchronise=trial and processes.accelerator == 'cuda')
        journal = Journal(clock, telling.log_after, on.batch_size, settings.first_iteration)
        checkpoints = Checkpoints(places, on.checkpoint_after, on.keep_checkpoints, plan.steps, journal)
        average = MovingAverage(network, on.ema_decay) if on.ema_decay else None
        stopping = StopOnRequest(stop, checkpoints)
        validator = None
        if validation:
            after, last, shown = on.val_after, plan.steps, telling.progress
            validator = Validator(validation, after, last, journal, checkpoints, stopping, shown)
        if validator and average:
            validator.network = average.network
        drawn = telling.pictures_after
        pictures = PictureLog(items, subject.method, places.pictures, drawn, journal) if drawn else None
        progress = ProgressBar(journal, plan.steps) if telling.progress else None
        return cls(
            module, loader, clock, journal, checkpoints, stopping, average, validator, pictures, progress
        )  # fmt: skip

    @property
    def callbacks(self) -> list[Any]:
        """In the order in which they act after a batch: what is saved must have happened."""
        order = [self.clock, self.average, self.journal, self.pictures, self.validator, self.checkpoints]
        return [callback for callback in (*order, self.progress, self.stopping) if callback is not None]

    def result(self, trainer: Trainer) -> TrainingResult:
        """Return what came of it."""
        network = self.module.network
        if self.average:
            network.load_state_dict(self.average.network.state_dict())
        return TrainingResult(
            network=network.cpu().eval(),
            iteration=self.journal.iteration(trainer),
            losses=self.journal.losses,
            evaluations=self.validator.results if self.validator else [],
            checkpoints=self.checkpoints.written,
            timings=self.clock.summary(),
            stopped=self.stopping.stopped,
        )
