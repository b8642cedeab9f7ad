"""Boxes (N, 4) of x, y, width, height in pixels: how much they overlap, growing them, joining lists of them."""

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray


def overlaps(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return intersection over union (N, M) of every box with every other; 0 where both are empty."""
    boxes, others = (np.asarray(each, dtype=np.float64).reshape(-1, 4) for each in (boxes, others))
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    common = np.maximum(high - low, 0).prod(axis=2)  # (N, M)
    together = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None] - common
    overlap: FloatArray = common / np.where(together > 0, together, 1)
    return overlap


def keep_apart(boxes: FloatArray, overlap: float) -> IntArray:
    """Return the places of the boxes that remain when each removes all after it that it overlaps by more."""
    alike = overlaps(boxes, boxes) > overlap
    kept: list[int] = []
    for index in range(len(alike)):
        if not alike[index, kept].any():
            kept.append(index)
    return np.array(kept, dtype=np.int64)


def enlarged(boxes: FloatArray, share: float) -> FloatArray:
    """Return boxes whose width and height are greater by a share, about the same middle."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    grown: FloatArray = np.hstack([boxes[:, :2] - boxes[:, 2:] * share / 2, boxes[:, 2:] * (1 + share)])
    return grown
