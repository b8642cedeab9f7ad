"""The published augmentation of Lightweight OpenPose."""

from dataclasses import dataclass

from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton
from pose_estimation_ros.data.transforms.person import CropAroundPerson, RotateExpanding, ScaleToPerson
from pose_estimation_ros.data.transforms.steps import RandomFlip
from pose_estimation_ros.data.transforms.warp import Compose, Transform, Warp

PUBLISHED_SIZE = 368


@dataclass(frozen=True)
class AugmentationSettings:
    """The published numbers."""

    person_height: float = setting(0.6, 'Height of the main person as a share of the input.', range=(0, 4))
    min_scale: float = setting(0.5, 'Smallest random factor on that height.', above=0, range=(0, 10))
    max_scale: float = setting(1.1, 'Largest random factor on that height.', above=0, range=(0, 10))
    rotation: float = setting(40.0, 'Maximum rotation in degrees.', range=(0, 180))
    jitter: float = setting(40.0, "Maximum shift of a crop's centre in pixels of a 368x368 input.", range=(0, 368))
    flip: float = setting(0.5, 'Probability of mirroring.', range=(0, 1))

    def __post_init__(self) -> None:
        check_settings(self, 'augmentation.')


def published_augmentation(
    size: int = PUBLISHED_SIZE,
    skeleton: Skeleton = OPENPOSE_18,
    photometric: tuple[Transform, ...] = (),
    settings: AugmentationSettings | None = None,
) -> Compose:
    """Return the published augmentation to square inputs: scale by the main person, rotate, crop around them, mirror.

    The jitter scales with the size. The published training changes no colours; `photometric` may.
    """
    numbers = settings or AugmentationSettings()
    steps = (
        ScaleToPerson(size, multiplier=(numbers.min_scale, numbers.max_scale), target=numbers.person_height),
        RotateExpanding(numbers.rotation),
        CropAroundPerson(size, size, jitter=numbers.jitter * size / PUBLISHED_SIZE),
        RandomFlip(skeleton, numbers.flip),
    )
    return Compose((Warp(steps, image_pad=128, mask_pad=1), *photometric))
