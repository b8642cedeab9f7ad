"""Callbacks that act after optimiser steps rather than batches, whose gradients may only be accumulated."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from pose_estimation_ros.training.task import Batch


class StepCallback(Callback):
    """Calls `on_step` after each optimiser step, and after no other batch."""

    _seen_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where training begins; subclasses that extend it call this first."""
        self._seen_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Call `on_step` if the batch completed a step."""
        if trainer.global_step != self._seen_step:
            self._seen_step = trainer.global_step
            self.on_step(trainer, pl_module, batch)

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        """Act after a step, whose last batch is given."""


def due(step: int, after: int, last: int) -> bool:
    """Whether something happens at this step that happens after every `after` steps (0 for never) and at the last."""
    return step == last or (after > 0 and step % after == 0)
