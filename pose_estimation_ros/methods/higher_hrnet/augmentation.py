"""The published augmentation of HigherHRNet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.transforms.short_side import ShortSideAffine
from pose_estimation_ros.data.transforms.steps import RandomFlip
from pose_estimation_ros.data.transforms.warp import Compose, Transform, Warp
from pose_estimation_ros.methods.higher_hrnet.options import HigherHRNetOptions
from pose_estimation_ros.methods.short_side import LABEL_OFFSET

STILL: Mapping[str, Any] = {'min_scale': 1.0, 'max_scale': 1.0, 'rotation': 0.0, 'translation': 0.0, 'flip': 0.0}
"""Settings that leave nothing to chance."""


@dataclass(frozen=True)
class AugmentationSettings:
    """The published numbers; pytorch-human-pose scales by 0.7 to 1.6."""

    min_scale: float = setting(
        0.75, "Smallest random side of the square that is seen, in sizes of the image's short side.",
        above=0, range=(0, 10),
    )  # fmt: skip
    max_scale: float = setting(1.5, 'Largest random side of that square.', above=0, range=(0, 10))
    rotation: float = setting(30.0, 'Maximum rotation in degrees.', range=(0, 180))
    translation: float = setting(
        40.0, 'Maximum shift in pixels of a square of 200 image pixels; it grows with the square.', range=(0, 200)
    )
    flip: float = setting(0.5, 'Probability of mirroring.', range=(0, 1))

    def __post_init__(self) -> None:
        check_settings(self, 'augmentation.')
        if self.max_scale < self.min_scale:
            raise SettingsError(
                f'augmentation.max_scale must be at least min_scale, got {self.max_scale} and {self.min_scale}'
            )


def published_size(options: HigherHRNetOptions) -> int:
    """Return the side of the inputs that a network of these options was published for."""
    return 640 if options.width == 48 else 512


def published_augmentation(
    size: int,
    settings: AugmentationSettings | None = None,
    photometric: tuple[Transform, ...] = (),
    skeleton: Skeleton = COCO_17,
) -> Compose:
    """Return the published augmentation to square inputs: one affine map, then mirroring.

    What lies outside the image is black, and does not count in the loss. The published training changes no colours;
    `photometric` may.
    """
    numbers = settings or AugmentationSettings()
    affine = ShortSideAffine(size, (numbers.min_scale, numbers.max_scale), numbers.rotation, numbers.translation / 200)
    steps = (affine, RandomFlip(skeleton, numbers.flip))
    warp = Warp(steps, image_pad=0, mask_pad=0, label_offset=LABEL_OFFSET, shrinks=False)
    return Compose((warp, *photometric))
