"""Validation of the weights that would be used.

Lightning's validation loop is not used: a validation here runs inference over images of any size, is shared by
processes without duplicates, stops at a signal with a checkpoint, and resumes by running again.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from tqdm import tqdm

from pose_estimation_ros.training.callbacks.checkpoints import Checkpoints, StopOnRequest
from pose_estimation_ros.training.callbacks.ema import MovingAverage
from pose_estimation_ros.training.callbacks.logs import LossLog
from pose_estimation_ros.training.callbacks.steps import StepCallback, due
from pose_estimation_ros.training.module import evaluating
from pose_estimation_ros.training.settings import EngineSettings
from pose_estimation_ros.training.task import Batch, Task

LOG = logging.getLogger(__name__)


class _Interrupted(Exception):  # noqa: N818  # ends a loop, nothing is wrong
    """A validation was asked to stop."""


class Validator(StepCallback):
    """Validates every `val_after` steps and at the last step."""

    state_key = 'validator'

    def __init__(
        self,
        task: Task,
        settings: EngineSettings,
        last: int,
        average: MovingAverage | None,
        losses: LossLog,
        checkpoints: Checkpoints,
        stopping: StopOnRequest,
    ) -> None:
        assert task.validation is not None
        self.results: list[dict[str, float]] = []
        """Scores by name, with their iteration."""
        self._validation, self._unit = task.validation, task.unit
        self._after, self._shown, self._last = settings.trainer.val_after, settings.logging.progress, last
        self._network: nn.Module = average.network if average else task.network
        self._losses, self._checkpoints, self._stopping = losses, checkpoints, stopping
        self._pending = False  # the last validation that was due has been interrupted

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if self._pending:
            self._validate(trainer)

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        if due(trainer.global_step, self._after, self._last):
            self._validate(trainer)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._pending and not self._stopping.stopped:  # resumed after the last step
            self._validate(trainer)

    def _validate(self, trainer: Trainer) -> None:
        self._losses.flush(trainer)  # stops at NaN, rather than score it
        parts = self._parts(trainer)
        self._pending = None in parts
        if self._pending:
            self._stopping.stop(trainer)
            return
        scores = self._validation.score([result for (result,) in parts])
        iteration = self._losses.iteration(trainer)
        # Published tags where names may have any characters, short names elsewhere.
        tagged = {self._validation.tag(name): value for name, value in scores.items()}
        for logger in trainer.loggers:
            logger.log_metrics(tagged if isinstance(logger, TensorBoardLogger) else scores, step=iteration)
        result = {**scores, 'iteration': float(iteration)}
        self.results.append(result)
        best = min if getattr(self._validation, 'lower_is_better', False) else max
        if best(self.results, key=lambda each: next(iter(each.values()))) is result:
            self._checkpoints.write_best(trainer)
        if trainer.is_global_zero:
            LOG.info('iteration %d: %s', iteration, ', '.join(f'{name} {value:.3f}' for name, value in scores.items()))

    def _parts(self, trainer: Trainer) -> list[Any]:
        """Return each process's results in a tuple, None for one that was stopped early."""
        world, part = trainer.world_size, None
        if world > 1:  # the batch norms' statistics of the first process, which are saved; parameters are alike
            with torch.no_grad():
                for buffer in self._network.buffers():
                    torch.distributed.broadcast(buffer, src=0)
        with evaluating(self._network), contextlib.suppress(_Interrupted):
            hidden = not (self._shown and trainer.is_global_zero)
            part = (self._validation.run(self._network, trainer.global_rank, world, partial(self._progress, hidden)),)
        if world == 1:
            return [part]
        parts = [None] * world
        torch.distributed.all_gather_object(parts, part)
        return parts

    def _progress(self, hidden: bool, items: Sequence[Any]) -> Iterator[Any]:
        with tqdm(total=len(items), desc='validating', unit=self._unit, leave=False, disable=hidden) as bar:
            for item in items:
                if self._stopping.requested():
                    raise _Interrupted
                yield item
                bar.update()

    def state_dict(self) -> dict[str, Any]:
        return {'results': self.results, 'owed': self._pending}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.results = state_dict['results']
        self._pending = state_dict.get('owed', False)
