"""Pictures of what a network in training sees: ground truth and prediction beside the maps behind them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.files import written_whole
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.sample import NOT_LABELLED, Sample
from pose_estimation_ros.inference.backends.backend import pick_outputs
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.training.callbacks.journal import Journal
from pose_estimation_ros.training.items import Batch, Items
from pose_estimation_ros.training.modes import evaluating
from pose_estimation_ros.training.steps import Steps

MOST = 4
"""Pictures of a batch that are drawn."""

TRUTH_COLOUR = (255, 255, 255)
TRUTH_RIM = (0, 0, 0)
CAPTION_ROWS = 18


class PictureLog(Callback):
    """Every so many steps draws the first pictures of the batch, into a file and into the loggers."""

    def __init__(self, items: Items, method: Method, folder: Path, after: int, journal: Journal) -> None:
        self.written: list[Path] = []
        self._items, self._method, self._decoder = items, method, method.decoder(method.decoder_names()[0])
        self._folder, self._after, self._journal = folder, after, journal
        self._steps = Steps()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps.begin(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if not self._steps.made_one(trainer) or trainer.global_step % self._after or not trainer.is_global_zero:
            return
        iteration = self._journal.iteration(trainer)
        picture = self.draw(pl_module, batch)
        path = self._folder / f'iter_{iteration}.png'
        with written_whole(path) as temporary:
            temporary.write_bytes(cv2.imencode('.png', picture)[1].tobytes())
        self.written.append(path)
        for logger in trainer.loggers:
            _log_picture(logger, picture, iteration)

    def draw(self, module: LightningModule, batch: Batch) -> ByteArray:
        """Return a row for each picture: people, summed target heatmaps, summed predicted heatmaps."""
        few = Batch(batch.images[:MOST], [target[:MOST] for target in batch.targets], batch.keys[:MOST])
        maps = _predicted(module, few, self._method)
        targets = [target.float().cpu().numpy() for target in module.objective.target_maps(few.targets)]  # type: ignore[union-attr,operator]
        rows = []
        for place, (epoch, index) in enumerate(few.keys.tolist()):
            image = few.images[place].cpu().numpy()
            height, width = image.shape[:2]
            poses = self._decoder([each[place] for each in maps], Letterbox.whole((height, width)))
            people = draw_people(image, self._items.sample((epoch, index)), poses)
            sums = [self._summed(each[0][place]) for each in (targets, maps)]
            rows.append(np.hstack([people, *(_heat(each, sums[0].max(), (height, width)) for each in sums)]))
        return _captioned(np.vstack(rows), ('people', 'target', 'predicted'))

    def _summed(self, heatmaps: FloatArray) -> FloatArray:
        """Return the sum over keypoints, without the background, of (C, h, w)."""
        total: FloatArray = heatmaps[: len(self._method.skeleton)].sum(axis=0)
        return total


def _heat(total: FloatArray, highest: float, size: tuple[int, int]) -> ByteArray:
    """Return a map as a coloured picture of a size; `highest` is the brightest."""
    grey = (total / max(highest, 1e-6) * 255).clip(0, 255).astype(np.uint8)
    enlarged = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.applyColorMap(enlarged, cv2.COLORMAP_VIRIDIS), dtype=np.uint8)


def draw_people(image: ByteArray, sample: Sample, poses: Sequence[Pose]) -> AnyArray:
    """Draw the poses found, and over them the true keypoints as small white dots."""
    drawn = draw_poses(image, list(poses))
    for x, y, flag in sample.joints.reshape(-1, 3):
        if flag != NOT_LABELLED and np.isfinite([x, y]).all():
            centre = (round(float(x)), round(float(y)))
            cv2.circle(drawn, centre, 3, TRUTH_RIM, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, centre, 2, TRUTH_COLOUR, cv2.FILLED, cv2.LINE_AA)
    return drawn


def _predicted(module: LightningModule, batch: Batch, method: Method) -> list[FloatArray]:
    """Return the maps that decoders take, without moving any running statistics."""
    with evaluating(module), torch.no_grad():
        outputs = module(batch.images)
    places = pick_outputs([each.shape[1] for each in outputs], method.output_channels, 'the network')
    return [outputs[place].float().cpu().numpy() for place in places]


def _captioned(picture: ByteArray, captions: Sequence[str]) -> ByteArray:
    band = np.zeros((CAPTION_ROWS, picture.shape[1], 3), dtype=np.uint8)
    step = picture.shape[1] // len(captions)
    for place, caption in enumerate(captions):
        origin = (place * step + 4, CAPTION_ROWS - 5)
        cv2.putText(band, caption, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.35, TRUTH_COLOUR, 1, cv2.LINE_AA)
    return np.vstack([band, picture])


def _log_picture(logger: Logger, picture: ByteArray, iteration: int) -> None:
    rgb = np.ascontiguousarray(picture[..., ::-1])
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image('pictures', rgb, iteration, dataformats='HWC')
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, rgb, f'pictures/iter_{iteration}.png')
