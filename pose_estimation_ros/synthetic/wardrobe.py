"""How people get their looks: painted anew for each, or, faster, taken from a number of looks and dyed."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.synthetic.appearance import TILES, Appearance

_KEPT = 160
"""Looks of 0.5 MB that a process keeps."""
_DYED = ('top', 'bottom', 'shoes', 'extra')
_LEVELS = np.arange(256, dtype=np.float32)


@dataclass(frozen=True)
class Wardrobe:
    """`looks` is about how many there are for either sex; 0 paints everyone anew."""

    looks: int = 0

    def appearance(self, rng: np.random.Generator, feminine: bool, child: bool, sits: bool) -> Appearance:
        """Return what someone looks like."""
        if not self.looks:
            return Appearance.random(rng, feminine, child, sits)
        few = child or sits  # rare
        number = int(rng.integers(max(1, self.looks // 8) if few else self.looks))
        worn = _painted(number, feminine, child, sits)
        return replace(worn, atlas=_dyed(worn.atlas, rng))


@lru_cache(maxsize=_KEPT)
def _painted(number: int, feminine: bool, child: bool, sits: bool) -> Appearance:
    return Appearance.random(np.random.default_rng([number, feminine, child, sits]), feminine, child, sits)


def _dyed(atlas: ByteArray, rng: np.random.Generator) -> ByteArray:
    """Return the textures with clothes of other colours, and everything a little lighter or darker."""
    dyed = np.asarray(cv2.convertScaleAbs(atlas, alpha=rng.uniform(0.9, 1.08)), np.uint8)
    for name in _DYED:
        left, top, right, bottom = (int(edge) for edge in TILES[name])
        tile = dyed[top:bottom, left:right]
        order = rng.permutation(3)
        factors = rng.uniform(0.75, 1.2, 3) * rng.uniform(0.8, 1.15)
        table = np.clip(_LEVELS[:, None] * factors + rng.normal(0, 10), 0, 255).astype(np.uint8)
        tile[:] = cv2.LUT(np.ascontiguousarray(tile[..., order]), table[None].transpose(1, 0, 2).reshape(1, 256, 3))
    return dyed
