"""What a SimpleBaselines network is trained towards, as one object for the training engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.methods.objective import Annotation, Objective
from pose_estimation_ros.methods.shared_settings import target_settings
from pose_estimation_ros.methods.simple_baseline.encoding import TargetSettings, encode
from pose_estimation_ros.methods.simple_baseline.options import PoseResNetOptions

PUBLISHED_SIGMA = 2.0
PUBLISHED_HEIGHT = 256


@dataclass(frozen=True)
class SimpleBaselineObjective(Objective):
    """The published targets and JointsMSELoss.

    Targets are heatmaps (K, h, w) of the first person of a crop and a weight for each keypoint (K, 1, 1).
    """

    settings: TargetSettings

    @classmethod
    def of(cls, options: PoseResNetOptions, settings: Mapping[str, Any]) -> 'SimpleBaselineObjective':
        """Return the objective of a network; the published sigma grows with the height of crops."""
        sigma = PUBLISHED_SIGMA * options.input_height / PUBLISHED_HEIGHT
        return cls(target_settings(TargetSettings, options.stride, {'sigma': sigma, **settings}))

    def encode(self, annotation: Annotation) -> tuple[FloatArray, ...]:
        """Return heatmaps and weights of the first person; weights of 0 without a person."""
        height, width = annotation.mask.shape
        if height % self.settings.stride or width % self.settings.stride:
            raise SettingsError(
                f'a crop must have multiples of {self.settings.stride} pixels, got {width}x{height}; change its size'
            )
        kinds = len(annotation.annotated)
        person = annotation.keypoints[0] if len(annotation.keypoints) else np.zeros((kinds, 3))
        visible = (person[:, 2] > 0).astype(np.float32)
        heatmaps, weights = encode(person[:, :2], visible, (height, width), self.settings)
        if not self.settings.use_target_weight:
            weights = np.ones_like(weights)
        return heatmaps, weights[:, None, None]

    def loss(self, outputs: Sequence[Any], targets: Sequence[Any]) -> dict[str, Any]:
        from pose_estimation_ros.methods.simple_baseline.loss import joints_mse_loss

        return {'heatmaps_loss': joints_mse_loss(outputs[-1], targets[0], targets[1])}
