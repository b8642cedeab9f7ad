"""From an image to the input of the classifier: resized by the short side with antialiasing, cropped and normalised."""

from dataclasses import dataclass, replace

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, setting

MEAN = np.array((0.485, 0.456, 0.406), np.float32)
STD = np.array((0.229, 0.224, 0.225), np.float32)
"""ImageNet's, of red, green and blue from 0 to 1."""

STRIDE = 32
"""Of the coarsest branch: inputs are whole numbers of its cells."""


@dataclass(frozen=True)
class InputSettings:
    """Input of the classifier."""

    input_size: int = setting(
        256, 'Size in pixels that the short side of images is resized to.', range=(STRIDE, 4096),
    )  # fmt: skip
    crop_size: int = setting(
        0, 'Side in pixels of the square in the middle that is classified; 0 for the input size.', range=(0, 4096),
        step=STRIDE, cure='published validation resizes to 256 and classifies 224',
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)
        if self.side % STRIDE or self.side > self.input_size:
            raise SettingsError(
                f'the classifier takes squares of a multiple of {STRIDE} pixels that fit into the resized image, got'
                f' {self.side} of {self.input_size}; set input_size or crop_size to such a number'
            )

    @property
    def side(self) -> int:
        """Side of the network's input."""
        return self.crop_size or self.input_size

    def changed(self, input_size: int | None, crop_size: int | None) -> 'InputSettings':
        """Return settings with other sizes, None for the present ones; a size alone replaces a crop as well."""
        if crop_size is None:
            crop_size = self.crop_size if input_size is None else 0
        size = self.input_size if input_size is None else input_size
        return replace(self, input_size=size, crop_size=crop_size)


VALIDATION = InputSettings(256, 224)
"""Of the published validation: 224 / 0.875, then the middle."""


def network_input(image: ByteArray, settings: InputSettings) -> FloatArray:
    """Return the input (3, n, n) of a BGR image (H, W, 3)."""
    height, width = image.shape[:2]
    short = min(height, width)
    resized = [int(settings.input_size * side / short) for side in (height, width)]
    rows, columns = (
        _resizing(before, after, settings.side) for before, after in zip((height, width), resized, strict=True)
    )
    pixels = image[rows.source, columns.source].astype(np.float32) / 255
    shrunk = np.tensordot(rows.weights, pixels, axes=1)  # (n, w, 3)
    square = np.tensordot(shrunk, columns.weights, axes=(1, 1))  # (n, 3, n)
    rgb = square[:, ::-1].transpose(1, 0, 2)
    return np.ascontiguousarray((rgb - MEAN[:, None, None]) / STD[:, None, None])


@dataclass(frozen=True, eq=False)
class _Resizing:
    """How pixels of one axis become those of the crop."""

    source: slice
    """Pixels that enter the crop."""
    weights: FloatArray
    """(cropped, source) share of each."""


def _resizing(before: int, after: int, cropped: int) -> _Resizing:
    """Return the triangle filter from `before` pixels to the middle `cropped` of `after`, as wide as its step."""
    step = before / after
    support = max(step, 1.0)
    first = round((after - cropped) / 2)
    centres = (np.arange(first, first + cropped) + 0.5) * step
    low = max(0, int(centres[0] - support))
    high = min(before, int(centres[-1] + support) + 1)
    distances = np.arange(low, high)[None] + 0.5 - centres[:, None]
    weights = np.maximum(0, 1 - abs(distances) / support)
    return _Resizing(slice(low, high), (weights / weights.sum(1, keepdims=True)).astype(np.float32))
