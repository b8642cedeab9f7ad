"""Time of the stages of a training step.

Lightning's Timer measures a whole run and its profilers every hook; neither splits a step into loading, forward and
backward pass and optimiser, which `timings.json` shows.
"""

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from pose_estimation_ros.training.loader import Loader

PARTS = ('data', 'forward', 'backward', 'optimiser')
WARM_UP = 3
"""Batches that are not counted: workers start, memory is allocated."""


class StepTimer(Callback):
    """Adds up seconds by part. On a GPU it synchronises at every border, if asked to: that costs some speed."""

    def __init__(self, loader: Loader, batch_size: int, unit: str, synchronise: bool) -> None:
        self.batches = 0
        self.rate = f'{unit}s_per_second'
        """Name of the speed in logs and results."""
        self._loader, self._batch_size = loader, batch_size
        self._synchronise = synchronise
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._counted = 0
        self._waited = self._last = 0.0
        self._interval = (0.0, 0.0, 0)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._add('data', self._loader.waited - self._waited)
        self._waited = self._loader.waited

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self._add('forward')

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._add('backward')

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._add('optimiser')
        self.batches += 1
        self._counted += self.batches > WARM_UP

    def begin_interval(self) -> None:
        """Begin what `speed` measures."""
        self._interval = time.perf_counter(), self._loader.waited, self.batches

    def speed(self) -> dict[str, float]:
        """Return samples a second and the share of waiting since the interval began."""
        start, waited, batches = self._interval
        seconds = max(time.perf_counter() - start, 1e-9)
        samples = (self.batches - batches) * self._batch_size
        return {self.rate: samples / seconds, 'waiting_share': (self._loader.waited - waited) / seconds}

    def summary(self) -> dict[str, float]:
        """Return milliseconds a batch by part, samples a second and the share of waiting; 0 for too few batches."""
        counted = max(1, self._counted)
        total = sum(self._seconds.values())
        return {
            **{f'{part}_ms': seconds * 1e3 / counted for part, seconds in self._seconds.items()},
            'total_ms': total * 1e3 / counted,
            self.rate: self._counted * self._batch_size / total if total else 0.0,
            'waiting_share': self._seconds['data'] / total if total else 0.0,
            'batches': float(self._counted),
        }

    def _add(self, part: str, seconds: float | None = None) -> None:
        """Add the time since the last border, or the one given, to a part."""
        if self._synchronise:
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self.batches >= WARM_UP:
            self._seconds[part] += now - self._last if seconds is None else seconds
        self._last = now
