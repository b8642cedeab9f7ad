"""The published decoding, step by step: what the golden vectors and the published numbers come from.

Its price is the enlarging of all 57 maps and a loop over them; `fast.py` reaches the same accuracy for less.
"""

import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray, IntArray
from pose_estimation_ros.methods.lightweight_openpose.grouping import Connections, Peaks, assemble, take_best_limbs
from pose_estimation_ros.methods.lightweight_openpose.limbs import GROUPING_FIELDS, GROUPING_LIMBS, NUM_KEYPOINTS
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, GroupingSettings

PEAK_DISTANCE = 6
"""Pixels of the enlarged map; of two nearer peaks the published code keeps the left one, not the stronger."""


def find_peaks(heatmaps: FloatArray, threshold: float = DecodingSettings.keypoint_threshold) -> Peaks:
    """Find the keypoint candidates of (H, W, 18 or more) maps."""
    found = [_peaks_of_map(heatmaps[..., kind], threshold) for kind in range(NUM_KEYPOINTS)]
    xy = np.concatenate([peaks for peaks, _ in found])
    score = np.concatenate([scores for _, scores in found])
    return Peaks(xy, score, np.array([len(peaks) for peaks, _ in found]))


def _peaks_of_map(heatmap: FloatArray, threshold: float) -> tuple[IntArray, FloatArray]:
    ys, xs = np.nonzero(_strict_maxima(np.where(heatmap < threshold, 0, heatmap)))
    order = np.argsort(xs, kind='stable')
    xy = np.column_stack([xs[order], ys[order]])  # (N, 2), by x
    suppressed = np.zeros(len(xy), dtype=bool)
    for index in range(len(xy)):
        if not suppressed[index]:
            distance = np.sqrt(((xy[index + 1 :] - xy[index]) ** 2).sum(axis=1))
            suppressed[index + 1 :] |= distance < PEAK_DISTANCE
    xy = xy[~suppressed]
    return xy, heatmap[xy[:, 1], xy[:, 0]]


def _strict_maxima(heatmap: FloatArray) -> BoolArray:
    """Mark cells above their four neighbours; a plateau has none. Cells outside count as zero."""
    padded = np.pad(heatmap, 1)
    neighbours = (padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1])
    above: BoolArray = np.logical_and.reduce([heatmap > each for each in neighbours])
    return above


def find_limbs(peaks: Peaks, pafs: FloatArray, settings: GroupingSettings) -> Connections:
    """Score every pair of peaks that a limb may join on (H, W, 38) fields and take the best."""
    starts = peaks.starts
    parts = []
    for limb, (a, b) in enumerate(GROUPING_LIMBS):
        firsts, seconds = np.arange(starts[a], starts[a + 1]), np.arange(starts[b], starts[b + 1])
        if len(firsts) and len(seconds):
            channel = 2 * GROUPING_FIELDS[limb]
            field = pafs[..., channel : channel + 2]
            second, first = (grid.ravel() for grid in np.meshgrid(seconds, firsts, indexing='ij'))
            score, accepted = _score_pairs(peaks.xy[first], peaks.xy[second], field, settings)
            chosen = (first[accepted], second[accepted], score[accepted])
            parts.append((np.full(int(accepted.sum()), limb), *chosen))
    if not parts:
        empty = np.empty(0, dtype=int)
        return Connections(empty, empty, empty, np.empty(0))
    return take_best_limbs(Connections(*(np.concatenate(column) for column in zip(*parts, strict=True))))


def _score_pairs(
    first: FloatArray, second: FloatArray, field: FloatArray, settings: GroupingSettings
) -> tuple[FloatArray, BoolArray]:
    """Return the mean field along each pair (P, 2), (P, 2), and whether enough of it supports a limb."""
    vector = second - first
    unit = vector / (np.linalg.norm(vector, axis=1, keepdims=True) + 1e-6)
    steps = np.arange(settings.num_samples)[None, :, None] / (settings.num_samples - 1)
    samples = (first[:, None] + vector[:, None] * steps).round().astype(np.int32)  # (P, 10, 2)
    along = (field[samples[..., 1], samples[..., 0]] * unit[:, None]).sum(axis=2)  # (P, 10)
    valid = along > settings.min_sample
    count = valid.sum(axis=1)
    score = (along * valid).sum(axis=1) / (count + 1e-6)
    return score, (score > 0) & (count / settings.num_samples > settings.min_valid_share)


def decode_enlarged(
    heatmaps: FloatArray,
    pafs: FloatArray,
    settings: GroupingSettings,
    threshold: float = DecodingSettings.keypoint_threshold,
) -> tuple[Peaks, FloatArray]:
    """Decode enlarged maps (H, W, C) to peaks and people (P, 20), see `assemble`."""
    peaks = find_peaks(heatmaps, threshold)
    return peaks, assemble(find_limbs(peaks, pafs, settings), peaks.score, settings)
