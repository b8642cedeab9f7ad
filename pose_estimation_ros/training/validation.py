"""How good a network is, asked now and then; what counts as good is told from above."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from tqdm import tqdm

from pose_estimation_ros.training.callbacks.checkpoints import Checkpoints
from pose_estimation_ros.training.callbacks.journal import Journal
from pose_estimation_ros.training.callbacks.stopping import StopOnRequest
from pose_estimation_ros.training.modes import evaluating
from pose_estimation_ros.training.steps import Steps, due

LOG = logging.getLogger(__name__)

Item = TypeVar('Item')


class BrokenOffError(Exception):
    """A validation was asked to end; never leaves this package's engine."""


@dataclass(frozen=True)
class BrokenOff:
    """Comes in the place of a part that a process did not complete."""


@dataclass(frozen=True)
class Watch:
    """Goes through the pictures of a validation under a bar, and breaks off where training is to end."""

    asked: Callable[[], bool] = lambda: False
    """Whether to break off; asked before each picture."""
    shown: bool = False

    def over(self, pictures: Iterable[Item], total: int) -> Iterator[Item]:
        """Yield the pictures, of which there are `total`; raises BrokenOffError once asked to end."""
        with tqdm(total=total, desc='validating', unit='image', leave=False, disable=not self.shown) as bar:
            for picture in pictures:
                if self.asked():
                    raise BrokenOffError
                yield picture
                bar.update()


class Validation(Protocol):
    """Scores networks on pictures that they are not trained on, by one process or several."""

    def run(self, network: nn.Module, rank: int, world: int, watch: Watch) -> Any:
        """Return what the process of number `rank` of `world` finds in its share of the pictures; to be pickled.

        It goes through them by `watch.over`.
        """

    def score(self, parts: Sequence[Any]) -> dict[str, float]:
        """Return numbers by name, the most telling first and greater for better, from what all processes found."""

    def tag(self, name: str) -> str:
        """Return what the published logs call a number."""


class Validator(Callback):
    """Validates the weights that would be used, every so many steps and at the last one."""

    state_key = 'validator'

    def __init__(
        self,
        validation: Validation,
        after: int,
        last: int,
        journal: Journal,
        checkpoints: Checkpoints,
        stopping: StopOnRequest,
        progress: bool,
    ) -> None:
        self.results: list[dict[str, float]] = []
        """Scores by name, with the iteration that they are of."""
        self.network: nn.Module | None = None
        """Where not the trained one is validated, but one that follows it."""
        self._validation, self._after, self._last = validation, after, last
        self._journal, self._checkpoints, self._stopping = journal, checkpoints, stopping
        self._progress = progress
        self._owed = False  # the last validation that was due has been broken off
        self._steps = Steps()

    @property
    def best(self) -> dict[str, float] | None:
        """The best result so far by its first score."""
        return max(self.results, key=_first_score) if self.results else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps.begin(trainer)
        if self._owed:
            self._validate(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self._steps.made_one(trainer) and due(trainer.global_step, self._after, self._last):
            self._validate(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._owed and not self._stopping.stopped:  # gone on with after the last step
            self._validate(trainer, pl_module)

    def _validate(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._journal.flush(trainer)  # stops at NaN, rather than score it
        network: nn.Module = self.network or pl_module.network  # type: ignore[assignment]
        scores = self._scores(network, trainer)
        self._owed = scores is None
        if scores is None:
            self._stopping.end(trainer)
            return
        iteration = self._journal.iteration(trainer)
        self._log(trainer, scores, iteration)
        result = {**scores, 'iteration': float(iteration)}
        self.results.append(result)
        if self.best is result:
            self._checkpoints.write_best(trainer)
        if trainer.is_global_zero:
            LOG.info('iteration %d: %s', iteration, ', '.join(f'{name} {value:.3f}' for name, value in scores.items()))

    def _scores(self, network: nn.Module, trainer: Trainer) -> dict[str, float] | None:
        """Return what all processes together score, None where one was asked to end before it was done."""
        if trainer.world_size > 1:
            _take_statistics_of_first(network)
        watch = Watch(self._stopping.asked, self._progress and trainer.is_global_zero)
        part: Any = BrokenOff()
        with evaluating(network), contextlib.suppress(BrokenOffError):
            part = self._validation.run(network, trainer.global_rank, trainer.world_size, watch)
        parts = [part]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, part)
        return None if any(isinstance(each, BrokenOff) for each in parts) else self._validation.score(parts)

    def _log(self, trainer: Trainer, scores: dict[str, float], iteration: int) -> None:
        """Log under published tags where names may have any characters, under short names elsewhere."""
        tagged = {self._validation.tag(name): value for name, value in scores.items()}
        for logger in trainer.loggers:
            logger.log_metrics(tagged if isinstance(logger, TensorBoardLogger) else scores, step=iteration)

    def state_dict(self) -> dict[str, Any]:
        return {'results': self.results, 'owed': self._owed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.results = state_dict['results']
        self._owed = state_dict.get('owed', False)


@torch.no_grad()
def _take_statistics_of_first(network: nn.Module) -> None:
    """Give all processes the batch norms' statistics of the first one, which are saved; parameters are alike."""
    for buffer in network.buffers():
        torch.distributed.broadcast(buffer, src=0)


def _first_score(result: dict[str, float]) -> float:
    return next(iter(result.values()))
