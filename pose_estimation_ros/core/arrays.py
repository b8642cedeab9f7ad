"""Array types used in signatures, and cleaning arrays of numbers that are none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.signedinteger[Any]]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]
AnyArray = NDArray[Any]


def finite(maps: FloatArray) -> FloatArray:
    """Return maps as float32, with NaN and infinities taken for nothing."""
    maps = maps.astype(np.float32, copy=False)
    flat = maps.ravel()
    with np.errstate(all='ignore'):
        clean = np.isfinite(np.dot(flat, flat))  # one quick pass; squares hide neither NaN nor infinity
    return maps if clean else np.nan_to_num(maps, posinf=0, neginf=0)
