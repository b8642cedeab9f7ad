"""Transforms of samples: geometric steps in one map (`Warp`), photometric changes, and whole augmentations."""

from pose_estimation_ros.data.transforms.builders import (
    camera_like,
    letterboxed,
    supergradients_style,
    varied,
    whole_image,
)
from pose_estimation_ros.data.transforms.person import CropAroundPerson, CutOutPerson, RotateExpanding, ScaleToPerson
from pose_estimation_ros.data.transforms.photometric import Blur, Colour, Grey, JpegArtifacts, Noise
from pose_estimation_ros.data.transforms.steps import (
    CentreCrop,
    FitInside,
    LongestSide,
    PadTo,
    RandomCrop,
    RandomFlip,
    RandomResize,
    RandomRotation,
    RandomScale,
    RandomTranslation,
    ShortestSide,
    Sometimes,
)
from pose_estimation_ros.data.transforms.warp import Compose, DropSmall, Step, Transform, View, Warp

__all__ = [
    'Blur',
    'CentreCrop',
    'Colour',
    'Compose',
    'CropAroundPerson',
    'CutOutPerson',
    'DropSmall',
    'FitInside',
    'Grey',
    'JpegArtifacts',
    'LongestSide',
    'Noise',
    'PadTo',
    'RandomCrop',
    'RandomFlip',
    'RandomResize',
    'RandomRotation',
    'RandomScale',
    'RandomTranslation',
    'RotateExpanding',
    'ScaleToPerson',
    'ShortestSide',
    'Sometimes',
    'Step',
    'Transform',
    'View',
    'Warp',
    'camera_like',
    'letterboxed',
    'supergradients_style',
    'varied',
    'whole_image',
]
