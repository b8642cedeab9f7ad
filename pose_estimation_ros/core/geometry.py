"""Maps between pixel grids, and the placement of an image in a network's input.

One rule for all of the package: coordinates count pixels from the *centre* of the top-left pixel. An image enlarged
by s therefore moves x to (x + 0.5) * s - 0.5. Published code often multiplies and divides by s alone, which is half a
cell off; `pixel_centres=False` reproduces it.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray

Interpolation = Literal['linear', 'cubic']

MAX_ASPECT = 10
"""Maximum ratio of width to height; wider images are scaled down further to keep the network's input small."""

WHOLE = (slice(None), slice(None))

PIXEL_CORNER = 0.5
"""Coordinates that count from the corner of the top-left pixel (COCO, vision_msgs, hri_msgs) are this much greater."""


@dataclass(frozen=True, eq=False)
class Affine:
    """An invertible map of the plane, `matrix` (2, 3) as in cv2.warpAffine's forward direction."""

    matrix: FloatArray

    @classmethod
    def scaling(cls, x: float, y: float | None = None, pixel_centres: bool = True) -> 'Affine':
        """Enlarge an image by x (and y); without `pixel_centres` coordinates are multiplied only."""
        y = x if y is None else y
        half = 0.5 if pixel_centres else 0.0
        return cls(np.array([[x, 0.0, half * x - half], [0.0, y, half * y - half]]))

    @classmethod
    def translation(cls, x: float, y: float) -> 'Affine':
        return cls(np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))

    @classmethod
    def rotation(cls, degrees: float, centre: tuple[float, float]) -> 'Affine':
        """Rotate clockwise (as seen on a screen) about `centre`."""
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        x, y = centre
        return cls(np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]]))

    def __matmul__(self, first: 'Affine') -> 'Affine':
        """Return the map that applies `first`, then this one."""
        linear = self.matrix[:, :2] @ first.matrix
        linear[:, 2] += self.matrix[:, 2]
        return Affine(linear)

    def __call__(self, xy: FloatArray) -> FloatArray:
        """Map points (..., 2)."""
        return xy @ self.matrix[:, :2].T + self.matrix[:, 2]

    @property
    def scale(self) -> float:
        """Enlargement of lengths; the geometric mean of both axes' if they differ."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def inverse(self) -> 'Affine':
        (a, b, x), (c, d, y) = self.matrix.tolist()
        area = a * d - b * c
        a, b, c, d = d / area, -b / area, -c / area, a / area
        return Affine(np.array([[a, b, -a * x - b * y], [c, d, -c * x - d * y]]))


class Placement(Protocol):
    """Placement of an image in a network's input: the affine map, and the border around the image."""

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the image."""

    @property
    def network_hw(self) -> tuple[int, int]:
        """Height and width of the network's input."""

    @property
    def scale(self) -> float:
        """Network pixels per image pixel."""

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the input that `resample` fills; the rest is padded after normalisation."""

    def image_to_network(self, pixel_centres: bool = True) -> Affine:
        """Return the map from image pixels to network-input pixels."""

    def map_to_image(self, stride: float, pixel_centres: bool = True) -> Affine:
        """Return the map from cells of an output map with `stride` network pixels per cell to image pixels."""

    def resample(self, image: AnyArray, interpolation: Interpolation = 'linear') -> AnyArray:
        """Return the raw pixels (h, w, C) of the input's inner part: uint8, or float32 where cubic overshoots."""


@dataclass(frozen=True)
class Letterbox:
    """A Placement: an image resized by `scale`, then padded; a raw border is part of what `resample` returns."""

    image_hw: tuple[int, int]
    scale: float
    resized_hw: tuple[int, int]
    pad: tuple[int, int, int, int]  # top, left, bottom, right
    border: int | None = None
    """Raw pixel value of the padding; None pads after normalisation, with the preprocessing's own value."""

    @classmethod
    def fit(
        cls, image_hw: tuple[int, int], base_height: int, multiple: int, max_width: int | None = None
    ) -> 'Letterbox':
        """Scale an image to the input height `base_height`, or less if it would become wider than `max_width`.

        As in the code of Osokin (2018), the input is at least as wide as `base_height`, both sides are
        multiples of `multiple`, and the image is centred (an odd pixel of padding goes right or below).
        """
        height, width = image_hw
        scale = base_height / height
        if max_width is not None and width * scale > max_width:
            scale = max_width / width
        resized = (max(1, round(height * scale)), max(1, round(width * scale)))
        total = (round_up(base_height, multiple), round_up(max(base_height, resized[1]), multiple))
        return cls(image_hw, scale, resized, _centred(resized, total))

    @classmethod
    def fit_inside(cls, image_hw: tuple[int, int], network_hw: tuple[int, int]) -> 'Letterbox':
        """Scale an image into a network input of fixed size, in the middle."""
        scale = min(network_hw[0] / image_hw[0], network_hw[1] / image_hw[1])
        resized = (max(1, round(image_hw[0] * scale)), max(1, round(image_hw[1] * scale)))
        return cls(image_hw, scale, resized, _centred(resized, network_hw))

    @classmethod
    def in_corner(cls, image_hw: tuple[int, int], network_hw: tuple[int, int], border: int = 127) -> 'Letterbox':
        """Scale an image into an input of fixed size, padded below and on the right with raw pixels.

        The rule is SuperGradients': sides are rounded half up, and resampled by the ratio of whole sizes.
        """
        scale = min(network_hw[0] / image_hw[0], network_hw[1] / image_hw[1])
        resized = (max(1, int(image_hw[0] * scale + 0.5)), max(1, int(image_hw[1] * scale + 0.5)))
        pad = (0, 0, network_hw[0] - resized[0], network_hw[1] - resized[1])
        return cls(image_hw, scale, resized, pad, border)

    @classmethod
    def whole(cls, image_hw: tuple[int, int]) -> 'Letterbox':
        """Return the placement of an image that is the network's input."""
        return cls(image_hw, 1.0, image_hw, (0, 0, 0, 0))

    @property
    def network_hw(self) -> tuple[int, int]:
        top, left, bottom, right = self.pad
        return self.resized_hw[0] + top + bottom, self.resized_hw[1] + left + right

    @property
    def inner(self) -> tuple[slice, slice]:
        (top, left, _, _), (height, width) = self.pad, self.resized_hw
        return WHOLE if self.border is not None else (slice(top, top + height), slice(left, left + width))

    def image_to_network(self, pixel_centres: bool = True) -> Affine:
        top, left, _, _ = self.pad
        return Affine.translation(left, top) @ Affine.scaling(self.scale, pixel_centres=pixel_centres)

    def map_to_image(self, stride: float, pixel_centres: bool = True) -> Affine:
        map_to_network = Affine.scaling(stride, pixel_centres=pixel_centres)
        return self.image_to_network(pixel_centres).inverse() @ map_to_network

    def resample(self, image: AnyArray, interpolation: Interpolation = 'linear') -> AnyArray:
        resized = self._resized(image, interpolation)
        if self.border is None:
            return resized
        top, left, bottom, right = self.pad
        colour = (self.border,) * 3
        return cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)

    def draw(self, image: AnyArray, canvas: AnyArray, interpolation: int | None = None) -> None:
        """Draw an image in its place on a canvas as large as the input; by default without aliasing."""
        default = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        flags = default if interpolation is None else interpolation
        canvas[self.inner] = cv2.resize(image, self.resized_hw[::-1], interpolation=flags)

    def _resized(self, image: AnyArray, interpolation: Interpolation) -> AnyArray:
        """Return an image (h, w, C); cubic interpolation works on floats, since it must not be cut to 0..255."""
        if interpolation == 'cubic':
            image = image.astype(np.float32)
        if self.resized_hw == image.shape[:2]:
            return image
        flags = CV2_INTERPOLATION[interpolation]
        (height, width), scale = self.image_hw, self.scale
        if self.border is not None or (round(height * scale), round(width * scale)) != self.resized_hw:
            return cv2.resize(image, self.resized_hw[::-1], interpolation=flags)
        # Given the scale, OpenCV samples by it exactly, not by the ratio of the rounded sizes.
        return cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=flags)


@dataclass(frozen=True, eq=False)
class CentredAffine:
    """A Placement: an image warped by a uniform affine map about a centre; outside it is black before normalisation.

    The published codes that do so have no rule for pixel centres: the map is the same with and without it.
    """

    image_hw: tuple[int, int]
    network_hw: tuple[int, int]
    affine: Affine
    label_offset: float = 0.0  # How much the coordinates that the network learnt exceed this package's, in image pixels

    @classmethod
    def short_side(
        cls, image_hw: tuple[int, int], size: int, scale: float = 1.0, least_scale: float = 1.0, multiple: int = 64
    ) -> 'CentredAffine':
        """Scale the short side to `size` times `scale`; both sides are multiples at the least of several scales.

        The rule is that of Cheng et al. (2020): the image's rounded centre comes to half the input's sides, and the
        longer side is padded or cut as the multiple wants.
        """
        short, long = min(image_hw), max(image_hw)
        base = int((least_scale * size + multiple - 1) // multiple * multiple)
        short_input = int(base * scale / least_scale)
        long_input = int(int((base / short * long + multiple - 1) // multiple * multiple) * scale / least_scale)
        network_hw = (short_input, long_input) if image_hw[0] <= image_hw[1] else (long_input, short_input)
        centre = (int(image_hw[1] / 2 + 0.5), int(image_hw[0] / 2 + 0.5))
        return cls(image_hw, network_hw, centred_affine(centre, short_input / short, network_hw))

    @property
    def scale(self) -> float:
        return self.affine.scale

    @property
    def inner(self) -> tuple[slice, slice]:
        return WHOLE

    def image_to_network(self, pixel_centres: bool = True) -> Affine:
        """Return the map from image pixels to network-input pixels, as the network learnt them."""
        return self.affine @ Affine.translation(self.label_offset, self.label_offset)

    def map_to_image(self, stride: float, pixel_centres: bool = True) -> Affine:
        return self.image_to_network().inverse() @ Affine.scaling(stride, pixel_centres=pixel_centres)

    def resample(self, image: AnyArray, interpolation: Interpolation = 'linear') -> AnyArray:
        pixels = image.astype(np.float32) if interpolation == 'cubic' else image
        return cv2.warpAffine(pixels, self.affine.matrix, self.network_hw[::-1], flags=CV2_INTERPOLATION[interpolation])


CV2_INTERPOLATION = {'linear': cv2.INTER_LINEAR, 'cubic': cv2.INTER_CUBIC}


def centred_affine(
    centre: tuple[float, float], scale: float, network_hw: tuple[int, int], degrees: float = 0.0
) -> Affine:
    """Return the map that turns and scales about a centre (x, y), which maps to half the network input's sides."""
    to_middle = Affine.translation(network_hw[1] / 2, network_hw[0] / 2)
    scaled = to_middle @ Affine.scaling(scale, pixel_centres=False)
    return scaled @ Affine.rotation(degrees, (0.0, 0.0)) @ Affine.translation(-centre[0], -centre[1])


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple that is not below `value`."""
    return -(-value // multiple) * multiple


def _centred(inner: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the padding (top, left, bottom, right) around a frame in the middle of a larger one."""
    rows, columns = outer[0] - inner[0], outer[1] - inner[1]
    return rows // 2, columns // 2, rows - rows // 2, columns - columns // 2
