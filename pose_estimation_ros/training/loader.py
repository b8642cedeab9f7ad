"""Batches in an order set by seed and epoch, for any number of workers and resumable at any batch."""

import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError
from pose_estimation_ros.training.settings import EngineSettings, TrainerSettings
from pose_estimation_ros.training.task import Batch, TrainingData

Key = tuple[int, int, int]
"""Seed, epoch and index: all that a sample depends on."""


@dataclass(frozen=True)
class BatchOrder:
    """Which samples make up which batch of which epoch."""

    samples: int
    batch_size: int
    """Over all processes."""
    batches_per_step: int
    seed: int
    unit: str = 'sample'

    @classmethod
    def of(cls, samples: int, settings: EngineSettings, unit: str) -> 'BatchOrder':
        """Return the order of a training; raises SettingsError if there are too few samples for a step."""
        return cls(samples, settings.trainer.batch_size, settings.trainer.batches_per_iter, settings.seed, unit)

    def __post_init__(self) -> None:
        if not self.samples:
            raise SettingsError(f'there are no {self.unit}s to train on; check the paths of the training data')
        if not self.steps:
            raise SettingsError(
                f'{self.samples} {self.unit}s do not fill one step of {self.samples_per_step} (trainer.batch_size times'
                ' batches_per_iter); lower one of these'
            )

    @property
    def samples_per_step(self) -> int:
        """Samples whose gradients make up one optimiser step."""
        return self.batch_size * self.batches_per_step

    @property
    def batches(self) -> int:
        """Batches of an epoch: only whole steps, since a smaller one would give its samples more weight."""
        return self.steps * self.batches_per_step

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch."""
        return self.samples // self.samples_per_step

    def total_steps(self, trainer: TrainerSettings) -> int:
        """Return the optimiser steps of a whole training, resumed or not."""
        limit = trainer.limit_batches and max(1, trainer.limit_batches // self.batches_per_step)
        return min(filter(None, (trainer.max_epochs * self.steps, trainer.max_steps, limit)))

    def indices(self, epoch: int) -> list[int]:
        """Return the samples of an epoch."""
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.samples)
        return [int(index) for index in shuffled[: self.batches * self.batch_size]]

    def state(self) -> dict[str, int]:
        """Return what decides the order, by the names that checkpoints use."""
        sizes = {'batch_size': self.batch_size, 'batches_per_iter': self.batches_per_step}
        return {'pictures': self.samples, **sizes, 'seed': self.seed}


class EpochSampler(Sampler[list[Key]]):
    """The batches of one process, from any batch of any epoch on."""

    def __init__(self, order: BatchOrder, rank: int = 0, world: int = 1) -> None:
        if order.batch_size % world:
            raise SettingsError(f'trainer.batch_size {order.batch_size} must be a multiple of the {world} processes')
        self.order = order
        self.epoch = self.first_batch = 0
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        """Return the batches of a whole epoch, wherever it is resumed."""
        return self.order.batches

    def __iter__(self) -> Iterator[list[Key]]:
        indices, size = self.order.indices(self.epoch), self.order.batch_size
        for batch in range(self.first_batch, self.order.batches):
            own = indices[batch * size : (batch + 1) * size][self._rank :: self._world]
            yield [(self.order.seed, self.epoch, index) for index in own]

    @property
    def sampler(self) -> 'EpochSampler':
        """Return itself: this is where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of another epoch; Lightning calls this before each."""
        if epoch != self.epoch:
            self.epoch, self.first_batch = epoch, 0


@dataclass(frozen=True)
class Failed:
    """Stands for an item, or a batch, that could not be made: a worker's own exception would arrive garbled."""

    error: PoseEstimationError


class Items(Dataset[Any]):
    """Training data by keys."""

    def __init__(self, data: TrainingData) -> None:
        self._data = data

    def __getitem__(self, key: Key) -> Batch | Failed:
        try:
            inputs, targets = self._data.item(key[2], np.random.default_rng(key))
        except PoseEstimationError as error:
            return Failed(error)
        return Batch(inputs, list(targets), np.array(key))  # type: ignore[arg-type]


def collate(items: Sequence[Batch | Failed]) -> Batch | Failed:
    """Stack items, or pass on the first failure among them."""
    failed = [item for item in items if isinstance(item, Failed)]
    batch: Batch | Failed = failed[0] if failed else default_collate(list(items))
    return batch


class Loader(DataLoader[Batch]):
    """Loads batches, and measures how long training waits for them."""

    def __init__(self, data: TrainingData, sampler: EpochSampler, workers: int, pinned: bool) -> None:
        self.position = sampler
        self.waited = 0.0
        """Seconds."""
        self._delivered = 0
        super().__init__(
            Items(data),
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=pinned,
            worker_init_fn=start_worker,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            generator=torch.Generator(),  # or starting an epoch would draw from the generator that networks use
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self._delivered = 0
        iterator = super().__iter__()
        while True:
            start = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - start
            if batch is None:
                return
            if isinstance(batch, Failed):
                raise batch.error
            self._delivered += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return the position; Lightning keeps it in checkpoints."""
        position = self.position
        epoch, batch = position.epoch, position.first_batch + self._delivered
        epoch, batch = (epoch + 1, 0) if batch >= len(self) else (epoch, batch)
        return {'epoch': epoch, 'batch': batch, 'stream': position.order.state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a position; raises SettingsError if the order of samples would differ."""
        own, saved = self.position.order.state(), state['stream']
        other = [f'{name} was {saved.get(name)}, is {own[name]}' for name in own if saved.get(name) != own[name]]
        if other:
            raise SettingsError(f'cannot resume with other batches: {", ".join(other)}; restore the earlier values')
        self.position.epoch, self.position.first_batch = state['epoch'], state['batch']


def start_worker(worker: int) -> None:
    """Use one thread, and leave signals to the training process, which still needs the batches of its last step."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The first is ignored, which is to the whole group of processes; the next one ends a worker that hangs.
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))
