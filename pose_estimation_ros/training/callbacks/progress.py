"""A bar of optimiser steps."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from tqdm import tqdm

from pose_estimation_ros.training.callbacks.journal import Journal
from pose_estimation_ros.training.steps import Steps


class ProgressBar(Callback):
    """Shows how far training is, its loss, learning rate and speed, and how long it waits for pictures."""

    def __init__(self, journal: Journal, last: int) -> None:
        self._journal, self._last = journal, last
        self._bar: Any = None
        self._steps = Steps()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps.begin(trainer)
        shown = trainer.is_global_zero
        self._bar = tqdm(total=self._last, initial=trainer.global_step, desc='training', unit='step', disable=not shown)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not self._steps.made_one(trainer):
            return
        self._bar.set_description(f'epoch {trainer.current_epoch}', refresh=False)
        self._bar.set_postfix(_told(self._journal.latest), refresh=False)
        self._bar.update()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _told(entry: dict[str, float]) -> dict[str, str]:
    if not entry:
        return {}
    return {
        'loss': f'{entry["loss"]:.3g}',
        'lr': f'{entry["lr"]:.2g}',
        'images/s': f'{entry["images_per_second"]:.1f}',
        'waiting': f'{entry["waiting_share"]:.0%}',
    }
