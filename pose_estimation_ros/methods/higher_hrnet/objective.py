"""What a HigherHRNet is trained towards, as one object for the training engine, and how it was trained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.core.settings import check_settings, field_names, setting
from pose_estimation_ros.data.datasets.coco import coco_annotated
from pose_estimation_ros.methods.higher_hrnet.augmentation import STILL
from pose_estimation_ros.methods.higher_hrnet.encoding import (
    TargetSettings,
    encode_cells,
    encode_heatmaps,
    on_grid,
    shrink_mask,
)
from pose_estimation_ros.methods.objective import Annotation, Objective, PublishedTraining
from pose_estimation_ros.methods.shared_settings import target_settings

COARSEST = 32
"""Input pixels per cell of the trunk's coarsest branch: sides of inputs are multiples of it."""

TRAINING = PublishedTraining(
    optimizer={'lr': 1e-3, 'weight_decay': 0.0},
    schedule={'kind': 'multistep', 'milestones': (200, 260), 'gamma': 0.1},
    trainer={'max_epochs': 300, 'batch_size': 12},
    validation={'flip': True},
    open_coco=coco_annotated,
    still=STILL,
)
"""As published for width 32: 12 images on each GPU, scored with mirrored inputs."""


@dataclass(frozen=True)
class TagSettings:
    """Factors of the tags' terms in the loss; the defaults are the published values."""

    push: float = setting(
        1e-3, 'Factor of the loss that pushes the tags of different people apart.', range=(0, math.inf)
    )
    pull: float = setting(1e-3, 'Factor of the loss that pulls the tags of a person together.', range=(0, math.inf))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class HigherHRNetObjective(Objective):
    """The published targets and loss.

    Targets are heatmaps (K, h, w) and (K, 2h, 2w), masks (1, h, w) and (1, 2h, 2w), a weight for each keypoint
    (K, 1, 1), 0 for those that the image's dataset does not label, and the cells of tags (max_persons, K, 2).
    """

    settings: TargetSettings = field(default_factory=TargetSettings)
    tags: TagSettings = field(default_factory=TagSettings)

    @classmethod
    def of(cls, stride: int, settings: Mapping[str, Any]) -> 'HigherHRNetObjective':
        """Return the objective of networks of a stride; settings are fields of TargetSettings and TagSettings."""
        names = field_names(TagSettings)
        tags = {name: value for name, value in settings.items() if name in names}
        others = {name: value for name, value in settings.items() if name not in names}
        return cls(target_settings(TargetSettings, stride, others), TagSettings(**tags))

    def encode(self, annotation: Annotation) -> tuple[AnyArray, ...]:
        """Return heatmaps, masks, the keypoints' weights and the cells of tags."""
        height, width = annotation.mask.shape
        if height % COARSEST or width % COARSEST:
            raise SettingsError(
                f'a network input must have multiples of {COARSEST} pixels, got {width}x{height}; change the'
                " transform's size"
            )
        shifted = annotation.mirrored and self.settings.published_mirroring
        keypoints = annotation.keypoints + [PIXEL_CORNER, PIXEL_CORNER, 0]
        grids = [on_grid(keypoints, stride, shifted) for stride in self.settings.strides]
        sizes = [(height // stride, width // stride) for stride in self.settings.strides]
        heatmaps = [encode_heatmaps(*each, self.settings.sigma) for each in zip(grids, sizes, strict=True)]
        masks = [shrink_mask(annotation.mask, stride, shifted)[None] for stride in self.settings.strides]
        weights = annotation.annotated.astype(np.float32)[:, None, None]
        return *heatmaps, *masks, weights, encode_cells(grids[0], sizes[0], self.settings.max_persons)

    def loss(self, outputs: Sequence[Any], targets: Sequence[Any]) -> dict[str, Any]:
        from pose_estimation_ros.methods.higher_hrnet.loss import published_losses

        return published_losses(outputs, targets, self.tags.push, self.tags.pull)
