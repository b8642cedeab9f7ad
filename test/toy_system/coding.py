"""Encoding and decoding: a bump at each keypoint of the first person, and its highest cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.geometry import Interpolation, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.methods.merging import mean_on_largest
from pose_estimation_ros.methods.method import Look
from pose_estimation_ros.methods.objective import Annotation
from toy_system.options import STRIDE, ToyDecoding

RADIUS = 1.5
"""Of a bump, in cells."""


@dataclass(frozen=True)
class ToyObjective:
    """Heatmaps (K, h, w) of the first person and which of them count (K, 1, 1); half the mean squared error."""

    def encode(self, annotation: Annotation) -> tuple[FloatArray, ...]:
        rows, columns = (np.arange(side // STRIDE) for side in annotation.mask.shape)
        person = annotation.keypoints[0] if len(annotation.keypoints) else np.zeros((len(annotation.annotated), 3))
        x, y = ((person[:, :2] + 0.5) / STRIDE - 0.5).T[:, :, None, None]
        squares = ((columns - x) ** 2 + (rows[:, None] - y) ** 2) / (2 * RADIUS**2)
        counts = (person[:, 2] > 0).astype(np.float32)[:, None, None]
        return np.exp(-squares).astype(np.float32) * counts, counts

    def loss(self, outputs: Sequence[Any], targets: Sequence[Any]) -> dict[str, Any]:
        heatmaps, counts = targets
        return {'heatmaps_loss': (((outputs[-1].float() - heatmaps) * counts) ** 2).mean() / 2}

    def parameter_groups(self, network: Any, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        return [{'params': list(network.parameters()), 'lr': lr, 'weight_decay': weight_decay}]


@dataclass(frozen=True)
class ToyDecoder:
    skeleton: Skeleton
    settings: ToyDecoding
    name: ClassVar[str] = 'highest'
    interpolation: ClassVar[Interpolation] = 'linear'

    def merge(self, looks: Sequence[Look]) -> Look:
        return mean_on_largest(looks, self._mirrored)

    def candidates(self) -> 'ToyDecoder':
        return self

    def __call__(self, maps: Sequence[FloatArray], placement: Placement) -> list[Pose]:
        heatmaps = np.asarray(maps[0], np.float32)
        flat = heatmaps.reshape(len(heatmaps), -1)
        cells = np.stack(np.unravel_index(flat.argmax(axis=1), heatmaps.shape[1:])[::-1], axis=-1).astype(float)
        scores = np.clip(flat.max(axis=1), 0, 1)
        found = scores > self.settings.keypoint_threshold
        if not found.any():
            return []
        xy = np.where(found[:, None], placement.map_to_image(STRIDE)(cells), np.nan)
        keypoints = np.column_stack([xy + (self.settings.toy_shift, 0), np.where(found, scores, 0)])
        return [Pose(keypoints, float(scores[found].mean()), self.skeleton)]

    def _mirrored(self, maps: Sequence[FloatArray]) -> list[FloatArray]:
        return [each[..., ::-1][..., self.skeleton.flip, :, :] for each in maps]
