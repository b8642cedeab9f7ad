"""Object keypoint similarity (OKS): how well two poses agree, from 0 to 1, as COCO measures it.

The similarity of one keypoint is exp(-d^2 / (2 s k^2)), where d is the distance in pixels, s the person's area in
square pixels and k twice the keypoint's sigma, which stands for the precision of human annotators.
"""

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray

LABELLED = 0  # Keypoints with a COCO flag above this are labelled


def keypoint_similarity(first: FloatArray, second: FloatArray, areas: FloatArray, sigmas: FloatArray) -> FloatArray:
    """Return the similarity (N, M, K) of every keypoint of N poses with the same keypoint of M others.

    Poses are (N, K, 2 or more) x and y in the same pixels; NaN for a missing keypoint makes its similarity NaN. Areas
    are square pixels, (M,) of the second poses or (N, M) of every pair; sigmas (K,) are the skeleton's.
    """
    apart = first[:, None, :, :2].astype(float) - second[None, :, :, :2]  # (N, M, K, 2)
    return gaussian_similarity(np.square(apart).sum(axis=-1), areas, sigmas)


def gaussian_similarity(squared: FloatArray, areas: FloatArray, sigmas: FloatArray) -> FloatArray:
    """Return the similarity of keypoints at squared distances (..., K); areas (...) broadcast."""
    variances = np.square(2 * np.asarray(sigmas, dtype=float))
    scales = np.asarray(areas, dtype=float)[..., None] + np.spacing(1)
    similarity: FloatArray = np.exp(squared / (-2 * scales * variances))
    return similarity


def mean_of_shared(similarity: FloatArray) -> FloatArray:
    """Return the mean of similarities (..., K) over the keypoints that both poses have; 0 if they share none."""
    shared = np.isfinite(similarity).sum(axis=-1)
    mean: FloatArray = np.nansum(similarity, axis=-1) / np.maximum(shared, 1)
    return mean


def oks(
    predicted: FloatArray, truth: FloatArray, areas: FloatArray, sigmas: FloatArray, boxes: FloatArray | None = None
) -> FloatArray:
    """Return COCO's OKS (P, G) of every prediction and every annotated person, the mean over labelled keypoints.

    Predictions are (P, K, 2 or 3) x and y; as with COCO a missing keypoint is one at 0, 0, and NaN matches nothing. The
    truth is (G, K, 3) x, y and COCO's flag, with areas (G,) in square pixels. For a person without labelled keypoints
    COCO measures how far predictions lie outside a box three times as large as theirs in `boxes` (G, 4) x, y, width,
    height; without boxes the similarity with such people is 0.
    """
    keypoint = np.nan_to_num(keypoint_similarity(predicted, truth, areas, sigmas))  # (P, G, K)
    labelled = truth[..., 2] > LABELLED  # (G, K)
    count = labelled.sum(axis=1)
    similarity: FloatArray = (keypoint * labelled).sum(axis=2) / np.maximum(count, 1)
    if boxes is not None and (count == 0).any():
        bare = count == 0
        outside = _distance_outside(predicted[..., :2], boxes[bare])
        similarity[:, bare] = np.nan_to_num(gaussian_similarity(outside, areas[bare], sigmas)).mean(axis=2)
    return similarity


def _distance_outside(xy: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return the squared distance (P, G, K) of points (P, K, 2) to boxes (G, 4) enlarged threefold."""
    corner, size = boxes[:, None, :2], boxes[:, None, 2:]
    points = xy[:, None].astype(float)  # (P, 1, K, 2)
    outside = np.maximum(0, corner - size - points) + np.maximum(0, points - (corner + 2 * size))
    return np.asarray(np.square(outside).sum(axis=3))
