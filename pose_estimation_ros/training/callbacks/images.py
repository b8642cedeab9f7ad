"""Images that a task draws of its samples, for a file and the loggers."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger

from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.training.callbacks.losses import LossLog
from pose_estimation_ros.training.callbacks.steps import StepCallback
from pose_estimation_ros.training.network_modes import evaluating
from pose_estimation_ros.training.task import Batch

DRAWN = 4
"""Samples of a batch that are drawn."""


class ImageLog(StepCallback):
    """Draws the first samples of a batch every `pictures_after` steps."""

    def __init__(self, folder: Path, after: int, losses: LossLog) -> None:
        self._folder, self._after, self._losses = folder, after, losses

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        if trainer.global_step % self._after or not trainer.is_global_zero:
            return
        few = Batch(batch.inputs[:DRAWN], [target[:DRAWN] for target in batch.targets], batch.keys[:DRAWN])
        with evaluating(module), torch.no_grad():
            image = module.task.draw(few)
        if image is None:
            return
        iteration = self._losses.iteration(trainer)
        with atomic_write(self._folder / f'iter_{iteration}.png') as temporary:
            temporary.write_bytes(cv2.imencode('.png', image)[1].tobytes())
        rgb = np.ascontiguousarray(image[..., ::-1])
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image('pictures', rgb, iteration, dataformats='HWC')
            elif isinstance(logger, MLFlowLogger):
                logger.experiment.log_image(logger.run_id, rgb, f'pictures/iter_{iteration}.png')
