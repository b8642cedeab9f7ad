"""What a Lightweight OpenPose network is trained towards, as one object for the training engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.methods.lightweight_openpose.encoding import (
    FLAG_OF_COCO,
    TargetSettings,
    absent_outside,
    encode,
    shrink_mask,
)
from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_HEATMAPS, field_limbs
from pose_estimation_ros.methods.lightweight_openpose.mirroring import mirror_targets
from pose_estimation_ros.methods.objective import Annotation


@dataclass(frozen=True)
class LightweightOpenPoseObjective:
    """The published targets and loss.

    Targets are heatmaps (19, h, w), fields (38, h, w), the mask (1, h, w) and a weight for each channel (57, 1, 1):
    0 for keypoints and limbs that the image's dataset does not label.
    """

    settings: TargetSettings

    def encode(self, annotation: Annotation) -> tuple[FloatArray, ...]:
        """Return heatmaps, fields, mask and the channels' weights."""
        height, width = annotation.mask.shape
        if height % self.settings.stride or width % self.settings.stride:
            raise SettingsError(
                f'a network input must have multiples of {self.settings.stride} pixels, got {width}x{height}; change'
                " the transform's size"
            )
        people = annotation.keypoints.astype(float)  # (P, 18, 3)
        people[..., 2] = FLAG_OF_COCO[annotation.keypoints[..., 2].astype(int)]
        heatmaps, pafs = encode(absent_outside(people, (height, width)), (height, width), self.settings)
        mask = shrink_mask(annotation.mask, self.settings.stride)[None]
        # Limbs count where both ends are annotated, the background only where all keypoints are.
        annotated = annotation.annotated
        limbs = np.array([annotated[a] and annotated[b] for a, b in field_limbs()])
        weights = np.concatenate([annotated, [annotated.all()], np.repeat(limbs, 2)])
        return heatmaps, pafs, mask, weights.astype(np.float32)[:, None, None]

    def loss(self, outputs: Sequence[Any], targets: Sequence[Any]) -> dict[str, Any]:
        from pose_estimation_ros.methods.lightweight_openpose.loss import stage_losses

        return stage_losses(outputs, targets)

    def complete_targets(self, targets: Sequence[FloatArray], maps: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
        """Return targets that are labels where these are known, and another network's maps elsewhere."""
        heatmaps, pafs, mask, weights = targets
        labels, known = np.concatenate([heatmaps, pafs]), mask * weights
        taught = np.concatenate(maps).astype(np.float32)
        if taught.shape != labels.shape:
            raise SettingsError(f"a teacher's maps must be {labels.shape}, got {taught.shape}; its stride differs")
        whole = known * labels + (1 - known) * taught
        return whole[:NUM_HEATMAPS], whole[NUM_HEATMAPS:], np.ones_like(known[:1]), np.ones_like(weights)

    def mirror_targets(self, maps: Sequence[FloatArray]) -> list[FloatArray]:
        """Return the maps of an input as targets of the mirrored input, with fields where the encoding draws them."""
        return mirror_targets(maps)

    def parameter_groups(self, network: Any, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        from pose_estimation_ros.methods.lightweight_openpose.loss import parameter_groups

        return parameter_groups(network, lr, weight_decay)
