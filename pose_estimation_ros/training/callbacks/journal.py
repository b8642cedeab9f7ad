"""Losses of every step, and their way into the loggers."""

import math
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from pose_estimation_ros.core.errors import TrainingError
from pose_estimation_ros.training.callbacks.clock import Clock
from pose_estimation_ros.training.steps import Steps


class Journal(Callback):
    """Keeps the loss's parts of each step, and every so many steps logs their mean, learning rate and speed.

    Losses stay on the device until they are logged, so that a GPU is not waited for at every step. They are means
    over a step's batches and over all processes.
    """

    state_key = 'journal'

    def __init__(self, clock: Clock, log_after: int, pictures_per_batch: int, first_iteration: int) -> None:
        self.losses: dict[str, list[float]] = {}
        """Of each step of this process, by the published names."""
        self.latest: dict[str, float] = {}
        """What was logged last."""
        self._clock, self._log_after = clock, log_after
        self._pictures_per_batch, self._first_iteration = pictures_per_batch, first_iteration
        self._batches: list[Tensor] = []  # those of the step that is not complete
        self._pending: list[Tensor] = []  # steps that have not come off the device
        self._unlogged = 0
        self._since = (0.0, 0.0, 0)
        self._steps = Steps()

    def state_dict(self) -> dict[str, Any]:
        return {'first_iteration': self._first_iteration}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._first_iteration = state_dict['first_iteration']

    def iteration(self, trainer: Trainer) -> int:
        """Return the number of optimiser steps, counted from where the recipe says."""
        return self._first_iteration + trainer.global_step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps.begin(trainer)
        self._begin_interval()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        parts: dict[str, Tensor] = outputs['parts']
        if not self.losses:
            self.losses = {name: [] for name in parts}
        self._batches.append(torch.stack([parts[name] for name in self.losses]))
        if not self._steps.made_one(trainer):
            return
        self._pending.append(torch.stack(self._batches).mean(dim=0))
        self._batches = []
        if trainer.global_step % self._log_after == 0:
            self.enter(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._pending or self._unlogged:
            self.enter(trainer)

    def flush(self, trainer: Trainer) -> None:
        """Take the losses off the device; raises TrainingError where one is no number."""
        if not self._pending:
            return
        steps = torch.stack(self._pending)  # (steps, parts)
        self._pending = []
        values = trainer.strategy.reduce(steps, reduce_op='mean')
        first = self.iteration(trainer) - len(steps) + 1
        for number, row in enumerate(values.cpu().tolist()):
            for (name, losses), value in zip(self.losses.items(), row, strict=True):
                if not math.isfinite(value):
                    raise TrainingError(
                        f'{name} became {value} at iteration {first + number}; earlier checkpoints are whole: go on'
                        ' from one with a lower optimizer.lr, or set optimizer.clip_norm'
                    )
                losses.append(value)
        self._unlogged += len(steps)

    def enter(self, trainer: Trainer) -> None:
        """Hand the means since the last entry to the loggers."""
        self.flush(trainer)
        recent = {name: losses[-self._unlogged :] for name, losses in self.losses.items()}
        entry = {name: sum(losses) / len(losses) for name, losses in recent.items()}
        entry['loss'] = sum(entry.values())
        entry['lr'] = float(trainer.optimizers[0].param_groups[0]['lr'])
        self.latest = {**entry, **self._speed()}
        self._unlogged = 0
        self._begin_interval()
        log_metrics(trainer, self.latest, self.iteration(trainer))

    def _begin_interval(self) -> None:
        self._since = time.perf_counter(), self._clock.waited, self._clock.batches

    def _speed(self) -> dict[str, float]:
        start, waited, batches = self._since
        seconds = max(time.perf_counter() - start, 1e-9)
        pictures = (self._clock.batches - batches) * self._pictures_per_batch
        return {
            'images_per_second': pictures / seconds,
            'waiting_share': (self._clock.waited - waited) / seconds,
        }


def log_metrics(trainer: Trainer, values: dict[str, float], iteration: int) -> None:
    """Give numbers to every logger; loggers know by themselves which process writes."""
    for logger in trainer.loggers:
        logger.log_metrics(values, step=iteration)
