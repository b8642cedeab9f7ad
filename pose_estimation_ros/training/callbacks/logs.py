"""Losses of every step and their means, images and the progress bar.

Lightning's own logging is not used: it reads each value from the device when it is logged, averages over batches
rather than steps, and does not stop at NaN before a checkpoint is written. Its bars count the batches of one epoch; an
epoch here may be a handful of batches or all of a training, and what users wait for is the last step, resumed or not.
"""

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger
from lightning.pytorch.utilities.model_summary.model_summary import ModelSummary
from torch import Tensor
from tqdm import tqdm

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import TrainingError
from pose_estimation_ros.core.files import atomic_write, make_folder
from pose_estimation_ros.core.plots import grid
from pose_estimation_ros.training.callbacks.step_timer import StepTimer
from pose_estimation_ros.training.callbacks.steps import StepCallback
from pose_estimation_ros.training.folders import TrainingFolders
from pose_estimation_ros.training.module import evaluating
from pose_estimation_ros.training.task import Batch, Task


class LossLog(StepCallback):
    """Keeps the loss's parts of each step, and logs their means, the learning rate and the speed at intervals.

    Losses stay on the device until they are logged, so that no step waits for a GPU. They are means over a step's
    batches and over all processes.
    """

    state_key = 'journal'

    def __init__(self, timer: StepTimer, log_after: int, first_iteration: int) -> None:
        self.losses: dict[str, list[float]] = {}
        """Of each step of this process, by the published names."""
        self.latest: dict[str, float] = {}
        """The last entry."""
        self._timer, self._log_after, self._first_iteration = timer, log_after, first_iteration
        self._batches: list[Tensor] = []  # of the step that is not complete
        self._pending: list[Tensor] = []  # steps whose values are still on the device
        self._unlogged = 0

    def state_dict(self) -> dict[str, Any]:
        return {'first_iteration': self._first_iteration}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._first_iteration = state_dict['first_iteration']

    def iteration(self, trainer: Trainer) -> int:
        """Return the number of optimiser steps, plus the settings' first iteration."""
        return self._first_iteration + trainer.global_step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._timer.begin_interval()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        parts: dict[str, Tensor] = outputs['parts']
        if not self.losses:
            self.losses = {name: [] for name in parts}
        self._batches.append(torch.stack([parts[name] for name in self.losses]))
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        self._pending.append(torch.stack(self._batches).mean(dim=0))
        self._batches = []
        if trainer.global_step % self._log_after == 0:
            self._log(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._pending or self._unlogged:
            self._log(trainer)

    def flush(self, trainer: Trainer) -> None:
        """Read the losses from the device; raises TrainingError for NaN or infinity."""
        if not self._pending:
            return
        steps = torch.stack(self._pending)  # (steps, parts)
        self._pending = []
        values = trainer.strategy.reduce(steps, reduce_op='mean')
        first = self.iteration(trainer) - len(steps) + 1
        for number, row in enumerate(values.cpu().tolist()):
            for (name, losses), value in zip(self.losses.items(), row, strict=True):
                if not math.isfinite(value):
                    raise TrainingError(
                        f'{name} became {value} at iteration {first + number}; earlier checkpoints are finite: resume'
                        ' from one with a lower optimizer.lr, or set optimizer.clip_norm'
                    )
                losses.append(value)
        self._unlogged += len(steps)

    def _log(self, trainer: Trainer) -> None:
        """Pass the means since the last entry to the loggers, which know which process writes."""
        self.flush(trainer)
        recent = {name: losses[-self._unlogged :] for name, losses in self.losses.items()}
        entry = {name: sum(losses) / len(losses) for name, losses in recent.items()}
        entry['loss'] = sum(entry.values())
        entry['lr'] = float(trainer.optimizers[0].param_groups[0]['lr'])
        self.latest = {**entry, **self._timer.speed()}
        self._unlogged = 0
        self._timer.begin_interval()
        for logger in trainer.loggers:
            logger.log_metrics(self.latest, step=self.iteration(trainer))


DRAWN = 4
"""Samples of a batch that are drawn."""
SUMMARY, SUMMARY_DEPTH = 'model_summary.txt', 5
EXAMPLES = 'data_examples.png'
MOST_EXAMPLES, EXAMPLE_ROWS, EXAMPLE_SIDE = 20, 4, 256
"""Number of samples that are drawn when a training starts, rows of their image, and the longer side of each."""


class ImageLog(StepCallback):
    """Draws the first samples of a batch every `images_after` steps."""

    def __init__(self, folder: Path, after: int, losses: LossLog) -> None:
        self._folder, self._after, self._losses = folder, after, losses

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        if trainer.global_step % self._after or not trainer.is_global_zero:
            return
        few = Batch(batch.inputs[:DRAWN], [target[:DRAWN] for target in batch.targets], batch.keys[:DRAWN])
        with evaluating(module), torch.no_grad():
            image, plots = module.task.draw(few), module.task.plots(few)
        if image is not None:
            self._write(trainer, image, 'images', '')
        for name, plot in plots.items():
            self._write(trainer, plot, f'images/{name}', f'_{name}')

    def _write(self, trainer: Trainer, image: ByteArray, tag: str, ending: str) -> None:
        iteration = self._losses.iteration(trainer)
        name = f'iter_{iteration}{ending}.png'
        write_png(self._folder / name, image)
        rgb = np.ascontiguousarray(image[..., ::-1])
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(tag, rgb, iteration, dataformats='HWC')
            elif isinstance(logger, MLFlowLogger):
                logger.experiment.log_image(logger.run_id, rgb, f'images/{name}')


class StartLog(StepCallback):
    """Writes what a training begins with: a table of the network's layers if anything is logged, and drawn samples.

    A resumed training leaves both as they are.
    """

    def __init__(self, folders: TrainingFolders, task: Task, seed: int, draws: bool) -> None:
        self._folders, self._task, self._seed, self._draws = folders, task, seed, draws

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if trainer.global_step or not trainer.is_global_zero:
            return
        if trainer.loggers:
            with atomic_write(make_folder(self._folders.logs) / SUMMARY) as temporary:
                temporary.write_text(f'{ModelSummary(pl_module, max_depth=SUMMARY_DEPTH)}\n')
        if self._draws and (images := self._examples()):
            columns = -(-len(images) // EXAMPLE_ROWS)
            write_png(self._folders.images / EXAMPLES, grid(images, min(EXAMPLE_ROWS, -(-len(images) // columns))))

    def _examples(self) -> list[ByteArray]:
        rng = np.random.default_rng(self._seed)  # one of its own: drawing must not change what is trained
        count = len(self._task.data)
        chosen = rng.choice(count, min(count, MOST_EXAMPLES), replace=False).tolist()
        drawn = (self._task.example(index, rng) for index in chosen)
        return [_small(image) for image in drawn if image is not None]


def write_png(path: Path, image: ByteArray) -> None:
    """Write an image (H, W, 3) BGR."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode('.png', image)[1].tobytes())


def _small(image: ByteArray) -> ByteArray:
    scale = min(1.0, EXAMPLE_SIDE / max(image.shape[:2]))
    return np.asarray(cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


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
