"""Checkpoints in the published format, with everything needed to resume, and ending early with one.

Lightning's ModelCheckpoint is not used: it names files differently, does not write the last step, and also writes at
steps whose loss is already NaN.
"""

import io
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer

from pose_estimation_ros.backbones.weights_file import read_state_dict
from pose_estimation_ros.core.errors import TrainingError, WeightsError
from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.training.callbacks.ema import MovingAverage
from pose_estimation_ros.training.callbacks.logs import LossLog
from pose_estimation_ros.training.callbacks.steps import StepCallback, due
from pose_estimation_ros.training.folders import TrainingFolders, checkpoint_before
from pose_estimation_ros.training.module import AUXILIARY, NETWORK
from pose_estimation_ros.training.task import Batch

RESUME = 'resume'
"""Key of the Lightning state needed to resume, beside the published keys."""


class PublishedContainer(CheckpointIO):
    """Turns Lightning's checkpoints into published ones and back.

    `state_dict` holds the weights to use, those of the moving average if there is one. `optimizer`, `scheduler`,
    `iter` and `current_epoch` are as published. The rest of Lightning's state and the tensors of auxiliary modules are
    stored under RESUME.
    """

    def __init__(self, first_iteration: int = 0) -> None:
        self._first_iteration = first_iteration

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a file atomically; raises OutputError if the system refuses, TrainingError for NaN or infinity."""
        tensors, path = checkpoint.pop('state_dict'), Path(path)
        broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
        if broken:
            raise TrainingError(
                f'{path.name} is not written: {len(broken)} of {len(tensors)} tensors hold NaN or infinite values,'
                f' first {broken[0].removeprefix(NETWORK)}; resume from an earlier checkpoint with a lower optimizer.lr'
            )
        raw, auxiliary = (
            {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            for prefix in (NETWORK, AUXILIARY)
        )
        average = checkpoint['callbacks'].get(MovingAverage.state_key)
        published = {
            'state_dict': average['weights'] if average else raw,
            'optimizer': checkpoint.pop('optimizer_states')[0],
            'scheduler': checkpoint.pop('lr_schedulers')[0],
            'iter': self._first_iteration + checkpoint['global_step'],
            'current_epoch': checkpoint['epoch'],
            RESUME: {'state_dict': raw, 'auxiliary': auxiliary, **checkpoint},  # shared tensors are written once
        }
        buffer = io.BytesIO()  # torch.save to a path hides the file system's error
        torch.save(published, buffer)
        with atomic_write(path) as temporary, temporary.open('wb') as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return Lightning's state.

        Raises WeightsError if a file cannot be read, naming an earlier one if there is one, or holds weights only.
        """
        path = Path(path)
        try:
            read_state_dict(path)
        except WeightsError as error:
            if before := checkpoint_before(path):
                raise WeightsError(
                    f'{error}. The checkpoint before it is {before}: to resume from that, move {path.name} away and'
                    ' train --resume again'
                ) from error
            raise
        content = torch.load(path, map_location='cpu', weights_only=True)
        if not isinstance(content, dict) or RESUME not in content:
            raise WeightsError(
                f'{path} holds weights but no training state to resume; start a new training from its weights'
                ' (--start.checkpoint)'
            )
        resume = content[RESUME]
        self._first_iteration = content['iter'] - resume['global_step']
        auxiliary = resume.get('auxiliary', resume.get('hints', {}))  # the second is the name of earlier versions
        parts = (NETWORK, resume['state_dict']), (AUXILIARY, auxiliary)
        return {
            **resume,
            'state_dict': {f'{prefix}{name}': value for prefix, part in parts for name, value in part.items()},
            'optimizer_states': [content['optimizer']],
            'lr_schedulers': [content['scheduler']],
        }

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file."""
        Path(path).unlink(missing_ok=True)


class Checkpoints(StepCallback):
    """Writes a checkpoint every `after` steps and at the last step."""

    state_key = 'checkpoints'

    def __init__(self, folders: TrainingFolders, after: int, keep: int, last: int, losses: LossLog) -> None:
        self.written: list[Path] = []
        self._folders, self._after, self._keep, self._last = folders, after, keep, last
        self._losses = losses

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        if due(trainer.global_step, self._after, self._last):
            self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write a checkpoint of this step unless it exists; call between steps, when the state is consistent."""
        if not self._after:
            return
        self._losses.flush(trainer)  # stops at NaN
        path = self._folders.checkpoint(self._losses.iteration(trainer))
        if path in self.written:
            return
        trainer.save_checkpoint(path)
        self.written.append(path)
        if trainer.is_global_zero and self._keep:
            for old in self._folders.written()[: -self._keep]:
                old.unlink(missing_ok=True)
                self.written = [each for each in self.written if each != old]

    def write_best(self, trainer: Trainer) -> None:
        """Write the checkpoint as the best one, replacing the previous best."""
        if self._after:
            trainer.save_checkpoint(self._folders.best)

    def state_dict(self) -> dict[str, Any]:
        state = {'rng': torch.get_rng_state()}
        return {**state, 'cuda_rng': torch.cuda.get_rng_state()} if torch.cuda.is_available() else state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        torch.set_rng_state(state_dict['rng'].cpu())
        if 'cuda_rng' in state_dict and torch.cuda.is_available():
            torch.cuda.set_rng_state(state_dict['cuda_rng'].cpu())


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
