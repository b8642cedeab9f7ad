"""The published augmentation of SimpleBaselines."""

from dataclasses import dataclass

from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.transforms.person import CutOutPerson
from pose_estimation_ros.data.transforms.steps import RandomFlip
from pose_estimation_ros.data.transforms.warp import Compose, Transform, Warp


@dataclass(frozen=True)
class AugmentationSettings:
    """The numbers published for COCO."""

    scale: float = setting(0.3, 'Share by which the size of crops varies.', range=(0, 1), below=1)
    rotation: float = setting(40.0, 'Standard deviation of the rotation in degrees.', range=(0, 90))
    flip: float = setting(0.5, 'Probability of mirroring.', range=(0, 1))

    def __post_init__(self) -> None:
        check_settings(self, 'augmentation.')


COCO = AugmentationSettings()
MPII = AugmentationSettings(0.25, 30.0)


def published_augmentation(
    size: tuple[int, int] = (256, 192),
    skeleton: Skeleton = COCO_17,
    settings: AugmentationSettings = COCO,
    photometric: tuple[Transform, ...] = (),
) -> Compose:
    """Return the published augmentation to crops of height and width.

    The published training changes no colours; `photometric` may.
    """
    steps = (CutOutPerson(*size, scale=settings.scale, rotation=settings.rotation), RandomFlip(skeleton, settings.flip))
    return Compose((Warp(steps, image_pad=0, mask_pad=1), *photometric))
