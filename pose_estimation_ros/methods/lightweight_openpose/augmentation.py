"""The published augmentation of Lightweight OpenPose."""

from dataclasses import dataclass

from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton
from pose_estimation_ros.data.transforms.person import (
    CropAroundPerson,
    RotateExpanding,
    ScaleToPerson,
)
from pose_estimation_ros.data.transforms.steps import RandomFlip
from pose_estimation_ros.data.transforms.warp import Compose, Transform, Warp

PUBLISHED_SIZE = 368


@dataclass(frozen=True)
class AugmentationSettings:
    size: int = PUBLISHED_SIZE
    """Height and width of the network's inputs."""


def published_augmentation(
    size: int = PUBLISHED_SIZE, skeleton: Skeleton = OPENPOSE_18, photometric: tuple[Transform, ...] = ()
) -> Compose:
    """Return the published augmentation to square inputs: scale by the main person, turn, crop about them, mirror.

    The published crop is 368 pixels; at other sizes the jitter of its centre (40 pixels) scales with it. The published
    training changes no colours; `photometric` may.
    """
    steps = (
        ScaleToPerson(size, multiplier=(0.5, 1.1), target=0.6),
        RotateExpanding(40),
        CropAroundPerson(size, size, jitter=40 * size / PUBLISHED_SIZE),
        RandomFlip(skeleton, 0.5),
    )
    return Compose((Warp(steps, image_pad=128, mask_pad=1), *photometric))
