"""The camera: projection of the world, and exposure, blur and noise of the image."""

from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray


@dataclass(frozen=True)
class Camera:
    """World metres to image pixels (counted from the centre of the top-left pixel).

    The camera stands at (0, height, 0) and looks along -z; lines that stand upright stay upright in the image.
    """

    width: int
    height_px: int
    focal: float
    """Pixels."""
    horizon: float
    """Row."""
    height: float
    """Metres above the ground."""

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


_QUANTILES = np.array([NormalDist().inv_cdf((level + 0.5) / 256) for level in range(256)], np.float32)


@dataclass(frozen=True, eq=False)
class Finish:
    """Image processing of a camera; `gain` (3,) per BGR channel, `blur` in pixels, `noise` in grey levels."""

    gain: FloatArray
    contrast: float
    vignette: float
    blur: float
    noise: float
    grey: bool

    @classmethod
    def random(cls, rng: np.random.Generator, blur: float, noise: float, grey: bool) -> 'Finish':
        gain = rng.uniform(0.9, 1.12) * rng.normal(1, 0.025, 3)
        values = rng.uniform((0.92, 0, 0, 0.15), (1.12, 0.25, 1, 1))
        return cls(gain, float(values[0]), float(values[1]), float(values[2] * blur), float(values[3] * noise), grey)

    def __call__(self, image: FloatArray, rng: np.random.Generator) -> ByteArray:
        """Return the photograph of a drawn BGR image (float 0..255)."""
        exposed: AnyArray = image
        if self.blur > 0.2:
            exposed = cv2.GaussianBlur(exposed, (0, 0), self.blur)
        exposed = np.asarray(cv2.multiply(exposed, np.append(self.gain * self.contrast, 0.0)), np.float32)
        exposed *= self._falloff(image.shape[0], image.shape[1])[..., None]
        exposed += np.float32(118 * (1 - self.contrast))
        developed: AnyArray = cv2.convertScaleAbs(np.maximum(exposed, 0, out=exposed))
        if self.grey:
            developed = cv2.cvtColor(cv2.cvtColor(developed, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if self.noise > 0.2:
            developed = cv2.add(developed, self._grain(image.shape, rng), dtype=cv2.CV_8U)
        return np.asarray(developed, np.uint8)

    def _falloff(self, height: int, width: int) -> FloatArray:
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None]
        return 1 - np.float32(self.vignette / 2) * (x * x + y * y)

    def _grain(self, shape: tuple[int, ...], rng: np.random.Generator) -> AnyArray:
        """Return Gaussian noise (H, W, 3) int8 by a table, which is faster than normal random numbers."""
        planes = 1 if self.grey else 3
        levels = np.frombuffer(rng.bytes(shape[0] * shape[1] * planes), np.uint8).reshape(*shape[:2], planes)
        table = np.clip(np.round(_QUANTILES * self.noise), -127, 127).astype(np.int8)
        grain: AnyArray = cv2.LUT(levels, table)
        return cv2.merge([grain] * 3) if self.grey else grain
