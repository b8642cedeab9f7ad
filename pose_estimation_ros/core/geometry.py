"""Maps between pixel grids.

One rule for all of the package: coordinates count pixels from the *centre* of the top-left pixel. A picture enlarged
by s therefore moves x to (x + 0.5) * s - 0.5. Published demo code multiplies and divides by s alone, which is half a
cell off; where its numbers must be met, `Affine.scaling(..., pixel_centres=False)` says so.
"""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray

PIXEL_CORNER = 0.5
"""Coordinates that count from the corner of the top-left pixel (COCO, vision_msgs, hri_msgs) are this much greater."""


@dataclass(frozen=True, eq=False)
class Affine:
    """An invertible map of the plane, `matrix` (2, 3) as in cv2.warpAffine's forward direction."""

    matrix: FloatArray

    @classmethod
    def scaling(cls, x: float, y: float | None = None, pixel_centres: bool = True) -> 'Affine':
        """Enlarge a picture by x (and y); pixel centres stay pixel centres unless told otherwise."""
        y = x if y is None else y
        half = 0.5 if pixel_centres else 0.0
        return cls(np.array([[x, 0.0, half * x - half], [0.0, y, half * y - half]]))

    @classmethod
    def translation(cls, x: float, y: float) -> 'Affine':
        """Move by x and y pixels."""
        return cls(np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))

    @classmethod
    def rotation(cls, degrees: float, centre: tuple[float, float]) -> 'Affine':
        """Turn clockwise (as seen on a screen) about `centre`."""
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
        mapped: FloatArray = xy @ self.matrix[:, :2].T + self.matrix[:, 2]
        return mapped

    def inverse(self) -> 'Affine':
        """Return the map back."""
        (a, b, x), (c, d, y) = self.matrix.tolist()
        area = a * d - b * c
        a, b, c, d = d / area, -b / area, -c / area, a / area
        return Affine(np.array([[a, b, -a * x - b * y], [c, d, -c * x - d * y]]))


@dataclass(frozen=True)
class Letterbox:
    """How a picture lies in a network's input: resized by `scale`, then padded.

    The rule is that of the published Lightweight OpenPose code: the input is at least as wide as `base_height`, both
    sides are multiples of the network's stride, and the picture sits in the middle (odd pixels go right and below).
    """

    image_hw: tuple[int, int]
    scale: float
    resized_hw: tuple[int, int]
    pad: tuple[int, int, int, int]
    """top, left, bottom, right"""

    @classmethod
    def fit(
        cls, image_hw: tuple[int, int], base_height: int, multiple: int, max_width: int | None = None
    ) -> 'Letterbox':
        """Scale a picture to `base_height` rows, or less where it would become wider than `max_width`."""
        height, width = image_hw
        scale = base_height / height
        if max_width is not None and width * scale > max_width:
            scale = max_width / width
        resized = (max(1, round(height * scale)), max(1, round(width * scale)))
        total_height = _round_up(base_height, multiple)
        total_width = _round_up(max(base_height, resized[1]), multiple)
        top, left = (total_height - resized[0]) // 2, (total_width - resized[1]) // 2
        pad = (top, left, total_height - resized[0] - top, total_width - resized[1] - left)
        return cls(image_hw, scale, resized, pad)

    @classmethod
    def fit_inside(cls, image_hw: tuple[int, int], network_hw: tuple[int, int]) -> 'Letterbox':
        """Scale a picture into a network input of fixed size."""
        scale = min(network_hw[0] / image_hw[0], network_hw[1] / image_hw[1])
        resized = (max(1, round(image_hw[0] * scale)), max(1, round(image_hw[1] * scale)))
        rows, columns = network_hw[0] - resized[0], network_hw[1] - resized[1]
        pad = (rows // 2, columns // 2, rows - rows // 2, columns - columns // 2)
        return cls(image_hw, scale, resized, pad)

    @property
    def network_hw(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        top, left, bottom, right = self.pad
        return self.resized_hw[0] + top + bottom, self.resized_hw[1] + left + right

    def image_to_network(self, pixel_centres: bool = True) -> Affine:
        """Return the map from image pixels to network-input pixels."""
        top, left, _, _ = self.pad
        return Affine.translation(left, top) @ Affine.scaling(self.scale, pixel_centres=pixel_centres)

    def map_to_image(self, stride: float, pixel_centres: bool = True) -> Affine:
        """Return the map from cells of an output map with `stride` network pixels a cell to image pixels."""
        map_to_network = Affine.scaling(stride, pixel_centres=pixel_centres)
        return self.image_to_network(pixel_centres).inverse() @ map_to_network


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
