"""Where a training step's time goes."""

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from pose_estimation_ros.training.loader import Loader

PARTS = ('data', 'forward', 'backward', 'optimiser')
WARM_UP = 3
"""Batches that are not counted: workers start, memory is claimed."""


class Clock(Callback):
    """Adds up seconds by part. On a GPU it waits at every border, but only where asked to: that costs some speed."""

    def __init__(self, loader: Loader, pictures_per_batch: int, synchronise: bool) -> None:
        self.batches = 0
        self._loader, self._pictures = loader, pictures_per_batch
        self._synchronise = synchronise
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._counted = 0
        self._waited = self._last = 0.0

    @property
    def waited(self) -> float:
        """Seconds that the loader was waited for."""
        return self._loader.waited

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._enter('data', self._loader.waited - self._waited)
        self._waited = self._loader.waited

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self._enter('forward')

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._enter('backward')

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._enter('optimiser')
        self.batches += 1
        self._counted += self.batches > WARM_UP

    def summary(self) -> dict[str, float]:
        """Return milliseconds a batch by part, images a second and the share of waiting; zeros for too few batches."""
        counted = max(1, self._counted)
        parts = {f'{part}_ms': self._seconds[part] * 1e3 / counted for part in PARTS}
        total = sum(self._seconds.values())
        return {
            **parts,
            'total_ms': total * 1e3 / counted,
            'images_per_second': self._counted * self._pictures / total if total else 0.0,
            'waiting_share': self._seconds['data'] / total if total else 0.0,
            'batches': float(self._counted),
        }

    def _enter(self, part: str, seconds: float | None = None) -> None:
        """Book the time since the last border, or the one given, under a part."""
        if self._synchronise:
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self.batches >= WARM_UP:
            self._seconds[part] += now - self._last if seconds is None else seconds
        self._last = now
