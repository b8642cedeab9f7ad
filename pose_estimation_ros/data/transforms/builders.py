"""Whole chains of transforms, with published numbers or with those of this package's own recipes."""

from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18, Skeleton
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
    Sometimes,
)
from pose_estimation_ros.data.transforms.warp import Compose, DropSmall, Transform, Warp


def letterboxed(size: int | tuple[int, int] = 368, image_pad: int = 128) -> Compose:
    """Return what validation wants: the whole image in the middle of a frame (side, or height and width)."""
    height, width = (size, size) if isinstance(size, int) else size
    return Compose((Warp((FitInside(height, width), PadTo(height, width)), image_pad),))


def whole_picture(size: int = 256, skeleton: Skeleton = OPENPOSE_18) -> Compose:
    """Return the augmentation of this package's own recipes: people stay about as large as inference sees them."""
    fitted = (FitInside(size, size), PadTo(size, size), RandomFlip(skeleton, 0.5))
    moves = (RandomRotation(20), RandomScale(0.75, 1.25), RandomTranslation(0.1))
    return Compose((Warp((*fitted, *moves), image_pad=128, mask_pad=1),))


def varied(size: int, skeleton: Skeleton = OPENPOSE_18, scale: tuple[float, float] = (0.5, 2.0)) -> Compose:
    """Return crops of any part of an image at many sizes: people are small, large and cut off by turns.

    `scale` is how many times as long as the network's input the image's longer side becomes.
    """
    moves = (LongestSide(size), RandomResize(*scale), RandomFlip(skeleton, 0.5), RandomRotation(20))
    return Compose((Warp((*moves, RandomCrop(size, size)), image_pad=128, mask_pad=1),))


def supergradients_style(
    size: int = 640,
    skeleton: Skeleton = COCO_17,
    scale: tuple[float, float] = (0.5, 2.0),
    p: float = 0.75,
    min_instance_area: float = 64.0,
) -> Compose:
    """Return SuperGradients' augmentation for DEKR, its recipe's numbers; its guide has scale (0.75, 1.5) and p 0.5."""
    moves = Sometimes(p, (RandomRotation(30), RandomScale(*scale), RandomTranslation(0.2)))
    steps = (LongestSide(size), PadTo(size, size, centred=False), RandomFlip(skeleton, 0.5), moves)
    return Compose((Warp(steps, image_pad=127, mask_pad=1), DropSmall(min_instance_area)))


def camera_like() -> tuple[Transform, ...]:
    """Return what cameras do to images: colours, grey, blur, noise and JPEG, each now and then."""
    return (Colour(), Grey(), Blur(), Noise(), JpegArtifacts())
