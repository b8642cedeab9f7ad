"""The camera: a pinhole at a height above the ground, level, with the horizon shifted to a chosen row."""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray


@dataclass(frozen=True)
class Camera:
    """World metres to image pixels (counted from the centre of the top-left pixel).

    The camera stands at (0, height, 0) and looks along -z; lines that stand upright stay upright in the image.
    """

    width: int
    height_px: int
    focal: float
    """pixels"""
    horizon: float
    """row"""
    height: float
    """metres above the ground"""

    def project(self, points: FloatArray) -> FloatArray:
        """Return x, y (pixels) and depth (metres) of points (..., 3)."""
        depth = np.maximum(-points[..., 2], 0.05)
        x = (self.width - 1) / 2 + self.focal * points[..., 0] / depth
        y = self.horizon + self.focal * (self.height - points[..., 1]) / depth
        return np.stack([x, y, depth], axis=-1)

    def ground_at(self, column: float, depth: float) -> FloatArray:
        """Ground point (x, z) seen in an image column at a depth."""
        return np.array([(column - (self.width - 1) / 2) * depth / self.focal, -depth])

    @property
    def position(self) -> FloatArray:
        return np.array([0.0, self.height, 0.0])
