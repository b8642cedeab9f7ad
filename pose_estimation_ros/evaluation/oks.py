"""Object keypoint similarity: how near found keypoints are to the true ones, as COCO measures it."""

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray

LABELLED = 0
"""Keypoints with a flag above this count."""


def oks(
    predicted: FloatArray, truth: FloatArray, areas: FloatArray, sigmas: FloatArray, boxes: FloatArray | None = None
) -> FloatArray:
    """Return how alike each prediction and each person is, (P, G) from 0 to 1.

    Args:
        predicted: (P, K, 3) or (P, K, 2) x and y; as with COCO a missing keypoint is one at 0, 0. NaN matches nothing.
        truth: (G, K, 3) x, y and COCO's flag, in the same pixels.
        areas: (G,) square pixels that each person covers.
        sigmas: (K,) falloff of each keypoint.
        boxes: (G, 4) x, y, width, height. Of a person without labelled keypoints COCO measures how far predictions
            lie outside a box three times as large; without boxes such people are like nobody.

    """
    keypoint = keypoint_similarity(predicted, truth, areas, sigmas)  # (P, G, K)
    labelled = truth[..., 2] > LABELLED  # (G, K)
    count = labelled.sum(axis=1)
    similarity: FloatArray = (keypoint * labelled).sum(axis=2) / np.maximum(count, 1)
    if boxes is not None and (count == 0).any():
        bare = count == 0
        outside = _distance_outside(predicted[..., :2], boxes[bare])
        similarity[:, bare] = _falloff(outside, areas[bare], sigmas).mean(axis=2)
    return similarity


def keypoint_similarity(predicted: FloatArray, truth: FloatArray, areas: FloatArray, sigmas: FloatArray) -> FloatArray:
    """Return the similarity of every single keypoint (P, G, K), whether it is labelled or not."""
    apart = predicted[:, None, :, :2].astype(float) - truth[None, :, :, :2]  # (P, G, K, 2)
    return _falloff(np.square(apart).sum(axis=3), areas, sigmas)


def _falloff(squared: FloatArray, areas: FloatArray, sigmas: FloatArray) -> FloatArray:
    """Return exp(-e) of squared distances (P, G, K), 0 where one is NaN."""
    variances = np.square(2 * np.asarray(sigmas, dtype=float))
    areas = np.asarray(areas, dtype=float)[:, None] + np.spacing(1)
    similarity: FloatArray = np.nan_to_num(np.exp(-squared / variances / areas / 2))
    return similarity


def _distance_outside(xy: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return the squared distance (P, G, K) of points (P, K, 2) to boxes (G, 4) enlarged threefold."""
    corner, size = boxes[:, None, :2], boxes[:, None, 2:]
    points = xy[:, None].astype(float)  # (P, 1, K, 2)
    outside = np.maximum(0, corner - size - points) + np.maximum(0, points - (corner + 2 * size))
    return np.asarray(np.square(outside).sum(axis=3))
