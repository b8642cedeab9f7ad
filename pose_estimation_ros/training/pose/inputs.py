"""What training does differently for networks that see whole images and for those that see one person's crop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.wrappers import Persons
from pose_estimation_ros.data.transforms.builders import letterboxed, varied, whole_image
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown
from pose_estimation_ros.methods.method import Decoder, Method, Preprocessing
from pose_estimation_ros.training.pose.recipe import TransformSettings

MakePipeline = Callable[[Backend, Method, Decoder, Preprocessing, tuple[int, int]], Any]
"""The last are height and width of the network's inputs."""


@dataclass(frozen=True)
class NetworkInput:
    """What one input of a network shows."""

    pipeline: MakePipeline
    on_boxes: bool = False
    """Whether pipelines take the boxes of people."""
    by_person: Callable[[KeypointDataset], KeypointDataset] | None = None
    """From images to one sample for each person; None for networks that see all of them at once."""
    transforms: Mapping[str, Callable[[TransformSettings, int, Skeleton], Transform]] = field(default_factory=dict)
    """Augmentations besides the published one, by `transform.kind`, to square inputs of this side."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Settings of the published augmentation by their earlier names in `transform`."""


INPUTS = {
    'image': NetworkInput(
        pipeline=lambda backend, method, decoder, pixels, hw: Pipeline(backend, method, decoder, pixels, hw[0]),
        transforms={
            'letterboxed': lambda _, side, __: letterboxed(side),
            'varied': lambda settings, side, skeleton: varied(side, skeleton, settings.scale),
            'whole_image': lambda _, side, skeleton: whole_image(side, skeleton),
        },
    ),
    'person': NetworkInput(
        pipeline=lambda backend, method, decoder, pixels, hw: TopDown(
            backend, method, decoder, PersonNetwork(pixels, hw)
        ),
        on_boxes=True,
        by_person=Persons,
        renamed={'person_scale': 'scale', 'person_rotation': 'rotation'},
    ),
}
"""By what a method's network sees."""
