"""Training a network to name what images show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pose_estimation_ros.classification.plot import draw_predictions
from pose_estimation_ros.classification.preprocess import MEAN, STD
from pose_estimation_ros.classification.scores import best_predictions
from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.training.classification.images import CroppedImages
from pose_estimation_ros.training.task import Batch, Task, Validation


class NormaliseImages(nn.Module):
    """From images (N, H, W, 3) uint8 BGR to the classifier's input (N, 3, H, W)."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('mean', torch.from_numpy(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.from_numpy(STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        rgb = images.permute(0, 3, 1, 2)[:, [2, 1, 0]].float() / 255
        return ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


class ClassificationTask(Task):
    """A classifier and images of its classes."""

    unit = 'image'

    def __init__(
        self,
        network: nn.Module,
        data: CroppedImages,
        labels: Sequence[str],
        validation: Validation | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.network, self.data, self.labels = network, data, labels
        self.auxiliary: NormaliseImages = NormaliseImages()
        self.validation, self.parameters = validation, parameters or {}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross entropy."""
        return {'loss': cross_entropy(self._logits(batch), batch.targets[0])}

    def draw(self, batch: Batch) -> ByteArray:
        """Return the images side by side, with their best classes and the right one."""
        logits = self._logits(batch).float().cpu().numpy()
        targets = batch.targets[0].tolist()
        images = batch.inputs.cpu().numpy()
        return np.hstack(
            [
                draw_predictions(image, best_predictions(own, self.labels), self.labels[target])
                for image, own, target in zip(images, logits, targets, strict=True)
            ]
        )

    def example(self, index: int, rng: np.random.Generator) -> ByteArray:
        """Return a network input with its class."""
        image, (target,) = self.data.item(index, rng)
        return draw_predictions(image, [], self.labels[int(target)])

    def _logits(self, batch: Batch) -> Tensor:
        logits: Tensor = self.network(self.auxiliary(batch.inputs))[0]
        return logits[:, :, 0, 0]
