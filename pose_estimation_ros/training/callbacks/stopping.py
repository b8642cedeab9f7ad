"""Ending early, when asked to, with a checkpoint."""

import signal
import threading
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from pose_estimation_ros.training.callbacks.checkpoints import Checkpoints
from pose_estimation_ros.training.steps import Steps

AGREE_AFTER = 10
"""Steps after which several processes ask each other; asking costs a little."""


class StopOnRequest(Callback):
    """Asks at the end of each step whether training should go on.

    Lightning has SIGTERM raise an exception in one process and broadcast to the others from within the handler, which
    waits forever for those that are not in a handler too. The handler that was there when this was made stays instead.
    """

    def __init__(self, asked: Callable[[], bool], checkpoints: Checkpoints) -> None:
        self.stopped = False
        self.asked = asked
        """Whether this process was asked to stop."""
        self._checkpoints = checkpoints
        self._on_sigterm = signal.getsignal(signal.SIGTERM)
        self._steps = Steps()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps.begin(trainer)
        if callable(self._on_sigterm) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self._steps.made_one(trainer) and not self.stopped and self._agreed(trainer):
            self.end(trainer)

    def end(self, trainer: Trainer) -> None:
        """Write a checkpoint and end training; all processes must call it at the same step."""
        self._checkpoints.write(trainer)
        self.stopped = trainer.should_stop = True

    def _agreed(self, trainer: Trainer) -> bool:
        """Whether any process was asked to stop."""
        if trainer.world_size == 1:
            return self.asked()
        if trainer.global_step % AGREE_AFTER:
            return False
        return trainer.strategy.reduce_boolean_decision(self.asked(), all=False)
