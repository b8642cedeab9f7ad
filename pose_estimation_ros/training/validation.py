"""How good a network is, asked now and then; what counts as good is told from above."""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from pose_estimation_ros.training.checkpoints import Checkpoints
from pose_estimation_ros.training.journal import Journal
from pose_estimation_ros.training.modes import evaluating
from pose_estimation_ros.training.steps import Steps, due

LOG = logging.getLogger(__name__)


class Validation(Protocol):
    """Scores networks on pictures that they are not trained on, by one process or several."""

    def run(self, network: nn.Module, rank: int, world: int) -> Any:
        """Return what the process of number `rank` of `world` finds in its share of the pictures; to be pickled."""

    def score(self, parts: Sequence[Any]) -> dict[str, float]:
        """Return numbers by name, the most telling first and greater for better, from what all processes found."""

    def tag(self, name: str) -> str:
        """Return what the published logs call a number."""


class Validator(Callback):
    """Validates the weights that would be used, every so many steps and at the last one."""

    state_key = 'validator'

    def __init__(
        self, validation: Validation, after: int, last: int, journal: Journal, checkpoints: Checkpoints
    ) -> None:
        self.results: list[dict[str, float]] = []
        """Scores by name, with the iteration that they are of."""
        self.network: nn.Module | None = None
        """Where not the trained one is validated, but one that follows it."""
        self._validation, self._after, self._last = validation, after, last
        self._journal, self._checkpoints = journal, checkpoints
        self._steps = Steps()

    @property
    def best(self) -> dict[str, float] | None:
        """The best result so far by its first score."""
        return max(self.results, key=_first_score) if self.results else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps.begin(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not self._steps.made_one(trainer) or not due(trainer.global_step, self._after, self._last):
            return
        self._journal.flush(trainer)  # stops at NaN, rather than score it
        network: nn.Module = self.network or pl_module.network  # type: ignore[assignment]
        scores = self._validated(network, trainer)
        iteration = self._journal.iteration(trainer)
        self._log(trainer, scores, iteration)
        result = {**scores, 'iteration': float(iteration)}
        self.results.append(result)
        if self.best is result:
            self._checkpoints.write_best(trainer)
        if trainer.is_global_zero:
            LOG.info('iteration %d: %s', iteration, ', '.join(f'{name} {value:.3f}' for name, value in scores.items()))

    def _validated(self, network: nn.Module, trainer: Trainer) -> dict[str, float]:
        if trainer.world_size > 1:
            _take_statistics_of_first(network)
        with evaluating(network):
            part = self._validation.run(network, trainer.global_rank, trainer.world_size)
        parts = [part]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, part)
        return self._validation.score(parts)

    def _log(self, trainer: Trainer, scores: dict[str, float], iteration: int) -> None:
        """Log under published tags where names may have any characters, under short names elsewhere."""
        tagged = {self._validation.tag(name): value for name, value in scores.items()}
        for logger in trainer.loggers:
            logger.log_metrics(tagged if isinstance(logger, TensorBoardLogger) else scores, step=iteration)

    def state_dict(self) -> dict[str, Any]:
        return {'results': self.results}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.results = state_dict['results']


@torch.no_grad()
def _take_statistics_of_first(network: nn.Module) -> None:
    """Give all processes the batch norms' statistics of the first one, which are saved; parameters are alike."""
    for buffer in network.buffers():
        torch.distributed.broadcast(buffer, src=0)


def _first_score(result: dict[str, float]) -> float:
    return next(iter(result.values()))
