"""A bar of optimiser steps.

Lightning's bars count the batches of one epoch; an epoch here may be a handful of batches or all of a training, and
what users wait for is the last step, resumed or not.
"""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from tqdm import tqdm

from pose_estimation_ros.training.callbacks.losses import LossLog
from pose_estimation_ros.training.callbacks.steps import StepCallback
from pose_estimation_ros.training.task import Batch


class ProgressBar(StepCallback):
    """Shows the step, loss, learning rate and speed, and the share of time that training waits for data."""

    def __init__(self, losses: LossLog, steps: int, unit: str) -> None:
        self._losses, self._steps, self._unit = losses, steps, unit
        self._bar: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        done, hidden = trainer.global_step, not trainer.is_global_zero
        self._bar = tqdm(total=self._steps, initial=done, desc='training', unit='step', disable=hidden)

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        self._bar.set_description(f'epoch {trainer.current_epoch}', refresh=False)
        if entry := self._losses.latest:
            shown = {
                'loss': f'{entry["loss"]:.3g}',
                'lr': f'{entry["lr"]:.2g}',
                f'{self._unit}s/s': f'{entry[f"{self._unit}s_per_second"]:.1f}',
                'waiting': f'{entry["waiting_share"]:.0%}',
            }
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._bar is not None:
            self._bar.close()
