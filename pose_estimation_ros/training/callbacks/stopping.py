"""Ending early, when asked to, with a checkpoint."""

import signal
import threading
from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from pose_estimation_ros.training.callbacks.checkpoints import Checkpoints
from pose_estimation_ros.training.callbacks.steps import StepCallback
from pose_estimation_ros.training.task import Batch

AGREE_AFTER = 10
"""Steps between questions of several processes to each other; asking costs a little."""


class StopOnRequest(StepCallback):
    """Asks at the end of each step whether to stop.

    On SIGTERM, Lightning raises an exception in one process and broadcasts it from within the signal handler, which
    blocks until the other processes are in a handler too. The handler from before the training is restored instead.
    """

    def __init__(self, requested: Callable[[], bool], checkpoints: Checkpoints) -> None:
        self.stopped = False
        self.requested = requested
        """Whether this process was asked to stop."""
        self._checkpoints = checkpoints
        self._on_sigterm = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if callable(self._on_sigterm) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        if not self.stopped and self._agreed(trainer):
            self.stop(trainer)

    def stop(self, trainer: Trainer) -> None:
        """Write a checkpoint and end training; all processes must call it at the same step."""
        self._checkpoints.write(trainer)
        self.stopped = trainer.should_stop = True

    def _agreed(self, trainer: Trainer) -> bool:
        """Whether any process was asked to stop."""
        if trainer.world_size == 1:
            return self.requested()
        if trainer.global_step % AGREE_AFTER:
            return False
        return trainer.strategy.reduce_boolean_decision(self.requested(), all=False)
