"""Ending early, when asked to, with a checkpoint."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from pose_estimation_ros.training.checkpoints import Checkpoints
from pose_estimation_ros.training.steps import Steps

AGREE_AFTER = 10
"""Steps after which several processes ask each other; asking costs a little."""


class StopOnRequest(Callback):
    """Asks at the end of each step whether training should go on."""

    def __init__(self, asked: Callable[[], bool], checkpoints: Checkpoints) -> None:
        self.stopped = False
        self._asked, self._checkpoints = asked, checkpoints
        self._steps = Steps()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps.begin(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not self._steps.made_one(trainer) or not self._agreed(trainer):
            return
        self._checkpoints.write(trainer)
        self.stopped = trainer.should_stop = True

    def _agreed(self, trainer: Trainer) -> bool:
        """Whether any process was asked to stop."""
        if trainer.world_size == 1:
            return self._asked()
        if trainer.global_step % AGREE_AFTER:
            return False
        return trainer.strategy.reduce_boolean_decision(self._asked(), all=False)
