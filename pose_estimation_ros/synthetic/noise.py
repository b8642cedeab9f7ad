"""Random textures."""

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: int | tuple[int, int]) -> FloatArray:
    """Return smooth noise (H, W) float32 of about -1..1; `cells` is the number of bumps (rows, columns)."""
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    coarse = rng.uniform(-1, 1, (rows + 2, columns + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def fractal_noise(rng: np.random.Generator, shape: tuple[int, int], cells: int = 3, octaves: int = 5) -> FloatArray:
    """Return cloud-like noise (H, W) float32 of about -1..1."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        total += smooth_noise(rng, shape, min(cells * 2**octave, min(shape))) * np.float32(0.5**octave)
    return total * np.float32(0.6)
