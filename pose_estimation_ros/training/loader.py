"""Loading batches in an order that can be taken up anywhere, by any number of processes."""

import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.training.items import Batch, Failed, Items, Key, collate


@dataclass(frozen=True)
class Stream:
    """What decides which picture comes when."""

    pictures: int
    batch_size: int
    """Over all processes."""
    batches_per_iter: int
    seed: int

    def __post_init__(self) -> None:
        if not self.pictures:
            raise SettingsError('there are no pictures to train on; check the paths of the training data')
        if not self.batches:
            needed = self.batch_size * self.batches_per_iter
            raise SettingsError(
                f'{self.pictures} pictures do not fill one step of {needed} (trainer.batch_size times'
                ' batches_per_iter); lower one of these'
            )

    @property
    def batches(self) -> int:
        """Those of an epoch: only whole steps, since a smaller one would count its pictures for more."""
        return self.pictures // (self.batch_size * self.batches_per_iter) * self.batches_per_iter

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch."""
        return self.batches // self.batches_per_iter

    def order(self, epoch: int) -> list[int]:
        """Return the pictures of an epoch."""
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.pictures)
        return [int(index) for index in shuffled[: self.batches * self.batch_size]]


class EpochSampler(Sampler[list[Key]]):
    """Batches of epoch and index: those of one process, from any batch of any epoch on."""

    def __init__(self, stream: Stream, rank: int = 0, world: int = 1) -> None:
        if stream.batch_size % world:
            raise SettingsError(f'trainer.batch_size {stream.batch_size} must be a multiple of the {world} processes')
        self.stream = stream
        self.epoch = self.first_batch = 0
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        """Return the batches of a whole epoch, wherever it is taken up."""
        return self.stream.batches

    def __iter__(self) -> Iterator[list[Key]]:
        order, size = self.stream.order(self.epoch), self.stream.batch_size
        for batch in range(self.first_batch, self.stream.batches):
            own = order[batch * size : (batch + 1) * size][self._rank :: self._world]
            yield [(self.epoch, index) for index in own]

    @property
    def sampler(self) -> 'EpochSampler':
        """Return itself: this is where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of another epoch; Lightning calls this before each."""
        if epoch != self.epoch:
            self.epoch, self.first_batch = epoch, 0


class Loader(DataLoader[Batch]):
    """Loads batches, knows how far it has come and how long it was waited for."""

    def __init__(self, items: Items, sampler: EpochSampler, workers: int, pinned: bool) -> None:
        self.order = sampler
        self.waited = 0.0
        """Seconds."""
        self._given = 0
        super().__init__(
            items,
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=collate,
            pin_memory=pinned,
            worker_init_fn=start_worker,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            generator=torch.Generator(),  # lest starting an epoch draws from the one that networks use
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self._given = 0
        iterator = super().__iter__()
        while True:
            start = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - start
            if batch is None:
                return
            if isinstance(batch, Failed):
                raise batch.error
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return how far this has come; Lightning keeps it in checkpoints."""
        batch = self.order.first_batch + self._given
        epoch, batch = (self.order.epoch + 1, 0) if batch >= len(self) else (self.order.epoch, batch)
        return {'epoch': epoch, 'batch': batch, 'stream': asdict(self.order.stream)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there; raises SettingsError where the pictures would not come as they would have."""
        own = asdict(self.order.stream)
        other = {name: value for name, value in own.items() if state['stream'].get(name) != value}
        if other:
            told = ', '.join(f'{name} was {state["stream"].get(name)}, is {value}' for name, value in other.items())
            raise SettingsError(f'training cannot go on with other batches: {told}; set it as it was')
        self.order.epoch, self.order.first_batch = state['epoch'], state['batch']


def start_worker(worker: int) -> None:
    """One thread each; and signals are for the training process, which still wants batches to end at a whole step."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore_once)


def _ignore_once(number: int, frame: FrameType | None) -> None:
    """Let a signal to the whole group of processes pass; the next one ends a worker that hangs."""
    signal.signal(number, signal.SIG_DFL)
