"""Whole augmentations that recipes of any system can name; published ones are in the systems' folders."""

from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton
from pose_estimation_ros.data.transforms.photometric import Blur, Colour, Grey, JpegArtifacts, Noise
from pose_estimation_ros.data.transforms.steps import (
    FitInside,
    LongestSide,
    PadTo,
    RandomCrop,
    RandomFlip,
    RandomResize,
    RandomRotation,
    RandomScale,
    RandomTranslation,
)
from pose_estimation_ros.data.transforms.warp import Compose, Transform, Warp


def letterboxed(size: int | tuple[int, int] = 368, image_pad: int = 128) -> Compose:
    """Return the whole image centred in a frame (side, or height and width), for validation."""
    height, width = (size, size) if isinstance(size, int) else size
    return Compose((Warp((FitInside(height, width), PadTo(height, width)), image_pad),))


def whole_image(size: int = 256, skeleton: Skeleton = OPENPOSE_18) -> Compose:
    """Return an augmentation that keeps people about as large as in inference."""
    fitted = (FitInside(size, size), PadTo(size, size), RandomFlip(skeleton, 0.5))
    moves = (RandomRotation(20), RandomScale(0.75, 1.25), RandomTranslation(0.1))
    return Compose((Warp((*fitted, *moves), image_pad=128, mask_pad=1),))


def varied(size: int, skeleton: Skeleton = OPENPOSE_18, scale: tuple[float, float] = (0.5, 2.0)) -> Compose:
    """Return crops of random parts of an image at many sizes, with small, large and truncated people.

    `scale` is the range of the image's longer side relative to the network's input.
    """
    moves = (LongestSide(size), RandomResize(*scale), RandomFlip(skeleton, 0.5), RandomRotation(20))
    return Compose((Warp((*moves, RandomCrop(size, size)), image_pad=128, mask_pad=1),))


def camera_like() -> tuple[Transform, ...]:
    """Return photometric changes that cameras cause: colours, grey, blur, noise and JPEG artefacts."""
    return (Colour(), Grey(), Blur(), Noise(), JpegArtifacts())
