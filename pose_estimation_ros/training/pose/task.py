"""Training a method's network on annotated images, and images of what it sees."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.geometry import Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.sample import NOT_LABELLED, Sample
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.inference.backends.backend import pick_outputs
from pose_estimation_ros.methods.explanation import ExplainingDecoder
from pose_estimation_ros.methods.method import InputSize, Look, Method, Preprocessing
from pose_estimation_ros.methods.objective import Annotation, Objective
from pose_estimation_ros.methods.plots import plots_of
from pose_estimation_ros.training.task import Batch, Task, Validation

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
CAPTION_ROWS = 18
CAPTIONS = ('people', 'target', 'predicted')


def drawn_row(method: Method, sample: Sample, outputs: Sequence[FloatArray], target: FloatArray) -> ByteArray:
    """Return people, summed target heatmaps and summed predicted heatmaps of a network input, side by side.

    `outputs` are the network's, (C, h, w) each, `target` the first of its targets, whose first channels are the
    keypoints' heatmaps.
    """
    size = sample.image.shape[:2]
    maps = [
        outputs[index] for index in pick_outputs([len(each) for each in outputs], method.output_channels, 'the network')
    ]
    decoder = method.decoder(method.decoder_names()[0], **method.scoring)
    merged = decoder.merge([Look(maps, whole_input(method, size))])
    columns = [draw_people(sample.image, sample, decoder(merged.maps, merged.placement))]
    sums = [heatmaps[: len(method.skeleton)].sum(axis=0) for heatmaps in (target, maps[0])]
    for total in sums:
        grey = (total / max(sums[0].max(), 1e-6) * 255).clip(0, 255).astype(np.uint8)
        enlarged = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_NEAREST)
        columns.append(cv2.applyColorMap(enlarged, cv2.COLORMAP_VIRIDIS))
    return np.hstack(columns)


def whole_input(method: Method, size: tuple[int, int]) -> Placement:
    """Return the placement of an image that is a method's network input."""
    return method.place(size, InputSize(method.base_side.of(size), stride=1, fixed_hw=size))


def stacked_rows(rows: Sequence[ByteArray]) -> ByteArray:
    """Return rows below each other, with captions above the columns."""
    below = np.vstack(rows)
    band = np.zeros((CAPTION_ROWS, below.shape[1], 3), dtype=np.uint8)
    for column, caption in enumerate(CAPTIONS):
        origin = (column * below.shape[1] // len(CAPTIONS) + 4, CAPTION_ROWS - 5)
        cv2.putText(band, caption, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.35, WHITE, 1, cv2.LINE_AA)
    return np.vstack([band, below])


def draw_people(image: ByteArray, sample: Sample, poses: Sequence[Pose]) -> AnyArray:
    """Draw the predicted poses, and over them the true keypoints as small white dots."""
    drawn = draw_poses(image, list(poses))
    for x, y, flag in sample.keypoints.reshape(-1, 3):
        if flag != NOT_LABELLED and np.isfinite([x, y]).all():
            for radius, colour in ((3, BLACK), (2, WHITE)):
                cv2.circle(drawn, (round(float(x)), round(float(y))), radius, colour, cv2.FILLED, cv2.LINE_AA)
    return drawn


class Samples(Protocol):
    """Annotated images by index, as every keypoint dataset offers them."""

    def __len__(self) -> int:
        """Return how many there are."""

    def sample(self, index: int) -> Sample:
        """Return one of them."""


class PoseData:
    """Annotated images in a method's skeleton, the transform to network inputs of one size, and the targets."""

    def __init__(self, samples: Samples, transform: Transform, objective: Objective) -> None:
        self.samples, self.transform, self.objective = samples, transform, objective

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """Return a transformed sample."""
        return self.transform(self.samples.sample(index), rng)

    def item(self, index: int, rng: np.random.Generator) -> tuple[ByteArray, Sequence[AnyArray]]:
        """Return a network input (H, W, 3) uint8 BGR and the objective's targets."""
        sample = self.sample(index, rng)
        return np.ascontiguousarray(sample.image), self.targets(sample)

    def targets(self, sample: Sample) -> Sequence[AnyArray]:
        """Return the objective's targets of a transformed sample."""
        return self.objective.encode(annotation(sample))


def annotation(sample: Sample) -> Annotation:
    """Return what an objective needs to know of a sample."""
    return Annotation(sample.keypoints, sample.mask, sample.annotated, sample.areas, sample.mirrored)


class Normalise(nn.Module):
    """From images (N, H, W, 3) uint8 BGR to a network's input (N, 3, H, W), in memory still channels last."""

    mean: Tensor
    scale: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self._order = [0, 1, 2] if preprocessing.channel_order == 'bgr' else [2, 1, 0]
        self.register_buffer('mean', torch.tensor(preprocessing.mean).view(3, 1, 1), persistent=False)
        self.register_buffer('scale', torch.tensor(preprocessing.scale).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        planes = images.permute(0, 3, 1, 2)[:, self._order].float()
        normalised: Tensor = (planes - self.mean) * self.scale
        return normalised.contiguous(memory_format=torch.channels_last)


class PoseTask(Task):
    """A method's network, its objective and annotated images."""

    unit = 'image'

    def __init__(
        self,
        method: Method,
        network: nn.Module,
        data: PoseData,
        preprocessing: Preprocessing | None = None,
        validation: Validation | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the task; `preprocessing` is given where images are not normalised as the method does."""
        self.method, self.network, self.data = method, network, data
        self.auxiliary: Normalise = Normalise(preprocessing or method.preprocessing)
        self.validation, self.parameters = validation, parameters or {}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the objective's losses."""
        return self.data.objective.loss(self.network(self.auxiliary(batch.inputs)), batch.targets)

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return the objective's groups."""
        return self.data.objective.parameter_groups(self.network, lr, weight_decay)

    def draw(self, batch: Batch) -> ByteArray:
        """Return a row for each image: people, summed target heatmaps, summed predicted heatmaps."""
        outputs = self._outputs(batch)
        heatmaps = batch.targets[0].float().cpu().numpy()
        rows = []
        for index, key in enumerate(batch.keys.tolist()):
            sample = self.data.sample(key[-1], np.random.default_rng(key))
            rows.append(drawn_row(self.method, sample, [each[index] for each in outputs], heatmaps[index]))
        return stacked_rows(rows)

    def plots(self, batch: Batch) -> dict[str, ByteArray]:
        """Return connections, heatmaps and, of methods that group by tags, embeddings of the first image."""
        decoder = self.method.decoder(self.method.decoder_names()[0], **self.method.scoring)
        if not isinstance(decoder, ExplainingDecoder):
            return {}
        outputs = self._outputs(batch)
        chosen = pick_outputs([each.shape[1] for each in outputs], self.method.output_channels, 'the network')
        image: ByteArray = batch.inputs[0].cpu().numpy()
        merged = decoder.merge([Look([outputs[each][0] for each in chosen], whole_input(self.method, image.shape[:2]))])
        return plots_of(image, decoder.explain(merged.maps, merged.placement))

    def example(self, index: int, rng: np.random.Generator) -> ByteArray:
        """Return a network input with its keypoints, what does not count in the loss darkened."""
        sample = self.data.sample(index, rng)
        counted = np.where(np.asarray(sample.mask)[..., None] > 0, sample.image, sample.image // 3)
        return np.asarray(draw_people(counted, sample, []), np.uint8)

    def _outputs(self, batch: Batch) -> list[FloatArray]:
        outputs = self.network(self.auxiliary(batch.inputs))
        return [each.float().cpu().contiguous().numpy() for each in outputs]
