"""Decoding without enlarging the maps: the same peaks and limbs, looked at only where something is.

Peaks are maxima of the small maps, refined on a cubic grid of a few cells around each. Fields are read at the sample
points alone, by OpenCV's remap, after two samples in the middle of each pair have thrown most pairs out (a limb with
both of them wrong cannot reach the published share of valid samples). Coordinates are cells of the map, counted from
the centre of the first.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray, IntArray
from pose_estimation_ros.methods.lightweight_openpose.grouping import (
    Connections,
    GroupingSettings,
    Peaks,
    assemble,
    take_best_limbs,
)
from pose_estimation_ros.methods.lightweight_openpose.limbs import (
    GROUPING_FIELDS,
    LIMB_FROM,
    LIMB_TO,
    NUM_KEYPOINTS,
)

REACH = 2
"""Cells that a cubic kernel reads on either side, and so the padding of every map."""

NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))

MAX_PEAKS_PER_KIND = 256
"""Of maps that are all noise the strongest peaks are kept, lest pairs grow without bound."""

ROUGH_SHARE = 0.4
"""Of the bound for a field sample: what one of the four cells around it must reach before it is interpolated."""

TRUSTED_SHARE = 0.5

REMAP_ROWS = 16384
"""Pairs scored at once: cv2.remap takes pictures of fewer than 32768 rows."""


@dataclass(frozen=True)
class PeakSettings:
    threshold: float = 0.1
    min_distance: float = 1.0
    """Cells; of two nearer peaks of one kind the weaker goes."""
    raw_share: float = 0.6
    """A cell of this share of the threshold may still hide a peak that exceeds it between cells."""
    subcells: int = 4
    """Positions tried per cell and direction (the published upsample_ratio); a parabola refines the best."""


def decode(
    heatmaps: FloatArray, pafs: FloatArray, peak_settings: PeakSettings, settings: GroupingSettings
) -> tuple[Peaks, FloatArray]:
    """Decode (19, H, W) and (38, H, W) maps to peaks and people (P, 20), see `assemble`."""
    peaks = find_peaks(heatmaps, peak_settings)
    return peaks, assemble(find_limbs(peaks, pafs, settings), peaks.score, settings)


def find_peaks(heatmaps: FloatArray, settings: PeakSettings) -> Peaks:
    """Find the keypoint candidates of (18 or more, H, W) maps."""
    padded = _pad(heatmaps[:NUM_KEYPOINTS])
    kind, y, x = np.nonzero(_raw_maxima(padded, settings.threshold * settings.raw_share))
    offset, score = _refine(padded, kind, y, x, settings.subcells)
    xy = np.column_stack([x, y]) + offset
    strong = score >= settings.threshold
    strong &= ~_beaten_nearby(padded.shape, kind, y, x, xy, score, settings.min_distance)
    strong &= _strongest(kind, score)
    return Peaks(xy[strong], score[strong], np.bincount(kind[strong], minlength=NUM_KEYPOINTS))


def _pad(maps: FloatArray) -> FloatArray:
    """Repeat the border cells REACH times around each of (C, H, W) maps, as cv2.resize does."""
    _, height, width = maps.shape
    rows = np.clip(np.arange(-REACH, height + REACH), 0, height - 1)
    columns = np.clip(np.arange(-REACH, width + REACH), 0, width - 1)
    return maps[:, rows[:, None], columns].astype(np.float32, copy=False)


def _raw_maxima(padded: FloatArray, threshold: float) -> BoolArray:
    """Mark inner cells (C, H, W) that no direct neighbour exceeds."""
    channels, height, width = padded.shape
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    # All channels lie below each other in one picture; the padding keeps them apart.
    highest = cv2.dilate(padded.reshape(channels * height, width), cross).reshape(padded.shape)
    inner = (slice(None), slice(REACH, -REACH), slice(REACH, -REACH))
    marked: BoolArray = (padded[inner] == highest[inner]) & (padded[inner] > threshold)
    return marked


def _refine(
    padded: FloatArray, kind: IntArray, y: IntArray, x: IntArray, subcells: int
) -> tuple[FloatArray, FloatArray]:
    """Return where in its cell each peak lies, (N, 2) x, y from the cell's centre, and how high it is (N,)."""
    _, height, width = padded.shape
    taps = np.arange(2 * REACH + 1)
    corner = (kind * height + y) * width + x  # of the 5x5 patch around the cell, in the padded maps
    patches = padded.ravel()[corner[:, None, None] + taps[:, None] * width + taps]  # (N, 5, 5)
    offsets, weights = _subcell_weights(subcells)
    fine = weights @ patches @ weights.T  # (N, S + 2, S + 2), one position beyond the cell on each side
    best = fine[:, 1:-1, 1:-1].reshape(len(fine), subcells**2).argmax(axis=1)
    row, column = best // subcells + 1, best % subcells + 1
    peak = np.arange(len(fine))
    height_at = fine[peak, row, column]
    step_x = _parabola(fine[peak, row, column - 1], height_at, fine[peak, row, column + 1])
    step_y = _parabola(fine[peak, row - 1, column], height_at, fine[peak, row + 1, column])
    return np.column_stack([offsets[column] + step_x / subcells, offsets[row] + step_y / subcells]), height_at


@functools.lru_cache(maxsize=8)
def _subcell_weights(subcells: int) -> tuple[FloatArray, FloatArray]:
    """Return the positions tried (S + 2,), in cells, and their cubic weights (S + 2, 5) over the 5 cells around."""
    offsets = (np.arange(-1, subcells + 1) + 0.5) / subcells - 0.5
    distance = np.abs(offsets[:, None] - np.arange(-REACH, REACH + 1))
    a = -0.75  # OpenCV's cubic kernel
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return offsets, np.where(distance <= 1, near, np.where(distance < 2, far, 0)).astype(np.float32)


def _parabola(before: FloatArray, at: FloatArray, after: FloatArray) -> FloatArray:
    """Return where between -0.5 and 0.5 steps the parabola through three heights has its top."""
    bend = before - 2 * at + after
    bent = bend < -1e-9
    return np.where(bent, np.clip(0.5 * (before - after) / np.where(bent, bend, -1), -0.5, 0.5), 0)


def _beaten_nearby(
    padded_shape: tuple[int, ...],
    kind: IntArray,
    y: IntArray,
    x: IntArray,
    xy: FloatArray,
    score: FloatArray,
    distance: float,
) -> BoolArray:
    """Mark peaks with a higher one of their kind nearer than `distance`: only neighbouring cells can be.

    Direct neighbours are both peaks where they are equal, which maps of few bits (bf16, int8) often are.
    """
    owner = np.full(padded_shape, -1)
    owner[kind, y + REACH, x + REACH] = np.arange(len(kind))
    beaten = np.zeros(len(kind), dtype=bool)
    for dy, dx in NEIGHBOURS:
        other = owner[kind, y + REACH + dy, x + REACH + dx]
        near = ((xy[other] - xy) ** 2).sum(axis=1) < distance**2
        # Of equals the first stays.
        higher = (score[other] > score) | ((score[other] == score) & (other < np.arange(len(kind))))
        beaten |= (other >= 0) & near & higher
    return beaten


def _strongest(kind: IntArray, score: FloatArray) -> BoolArray:
    """Mark the MAX_PEAKS_PER_KIND highest peaks of each kind."""
    kept = np.ones(len(kind), dtype=bool)
    for crowded in np.flatnonzero(np.bincount(kind, minlength=1) > MAX_PEAKS_PER_KIND):
        members = np.flatnonzero(kind == crowded)
        kept[members[np.argsort(score[members])[:-MAX_PEAKS_PER_KIND]]] = False
    return kept


def find_limbs(peaks: Peaks, pafs: FloatArray, settings: GroupingSettings) -> Connections:
    """Score every pair of peaks that a limb may join on (38, H, W) fields and take the best."""
    limb, first, second = _pairs(peaks)
    sampler = _FieldSampler(peaks, pafs, settings)
    candidates = sampler.plausible(limb, first, second)
    limb, first, second = limb[candidates], first[candidates], second[candidates]
    score, accepted = sampler.score(limb, first, second)
    return take_best_limbs(Connections(limb[accepted], first[accepted], second[accepted], score[accepted]))


def _pairs(peaks: Peaks) -> tuple[IntArray, IntArray, IntArray]:
    """Return limb number, first and second peak of every pair that a limb may join; the second varies slowest."""
    many_first, many_second = peaks.counts[LIMB_FROM], peaks.counts[LIMB_TO]
    pairs = many_first * many_second
    limb = np.repeat(np.arange(len(LIMB_FROM)), pairs)
    number = np.arange(len(limb)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    starts = peaks.starts
    first = starts[LIMB_FROM][limb] + number % many_first[limb]
    return limb, first, starts[LIMB_TO][limb] + number // many_first[limb]


class _FieldSampler:
    """Reads fields along pairs of peaks. All fields lie below each other in one two-channel picture."""

    def __init__(self, peaks: Peaks, pafs: FloatArray, settings: GroupingSettings) -> None:
        _, height, width = pafs.shape
        by_limb = _pad(pafs).reshape(len(GROUPING_FIELDS), 2, height + 2 * REACH, width + 2 * REACH)
        ordered = by_limb[list(GROUPING_FIELDS)].transpose(0, 2, 3, 1)  # (19, H + 4, W + 4, 2)
        self._rows = ordered.shape[1]
        self._picture = np.ascontiguousarray(ordered).reshape(-1, ordered.shape[2], 2)
        inside = np.clip(peaks.xy, 0, (width - 1, height - 1))
        self._xy = (inside + REACH).astype(np.float32)
        self._settings = settings

    def plausible(self, limb: IntArray, first: IntArray, second: IntArray) -> IntArray:
        """Return the numbers of the pairs that can still reach the share of valid samples wanted."""
        steps = _steps(self._settings.num_samples)
        count = len(steps)
        may_fail = count - 1 - int(np.floor(self._settings.min_valid_share * count))
        middle = steps[max(0, (count - may_fail) // 2 - 1) :][: may_fail + 1]
        near = np.arange(len(limb))
        if self._settings.min_valid_share >= TRUSTED_SHARE:  # fewer valid samples may be chance artefacts
            near = self._passes_near(limb, first, second, middle)
        valid = self._along(limb[near], first[near], second[near], middle) > self._settings.min_sample
        return near[valid.any(axis=1)]

    def _passes_near(self, limb: IntArray, first: IntArray, second: IntArray, steps: FloatArray) -> IntArray:
        """Return the numbers of the pairs along which a cell around one of the steps has something of their field.

        In a crowd nearly all pairs are of two people and end here, for a fraction of the price of interpolation.
        """
        x, y = np.ascontiguousarray(self._xy.T)
        width = self._picture.shape[1]
        field_x, field_y = (np.ascontiguousarray(self._picture[..., axis]).ravel() for axis in (0, 1))
        start_x, start_y = x[first], y[first] + (limb * self._rows).astype(np.float32)
        vector_x, vector_y = x[second] - x[first], y[second] - y[first]
        bound = np.float32(ROUGH_SHARE * self._settings.min_sample) * np.sqrt(vector_x**2 + vector_y**2)
        near = np.zeros(len(limb), dtype=bool)
        for step in steps:
            corner = (start_y + vector_y * step).astype(np.int32) * width + (start_x + vector_x * step).astype(np.int32)
            for cell in (corner, corner + 1, corner + width, corner + width + 1):
                near |= field_x[cell] * vector_x + field_y[cell] * vector_y > bound
        return np.flatnonzero(near)

    def score(self, limb: IntArray, first: IntArray, second: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return the mean of each pair's valid samples, and whether there are enough of them."""
        along = self._along(limb, first, second, _steps(self._settings.num_samples))
        valid = along > self._settings.min_sample
        count = valid.sum(axis=1)
        score = (along * valid).sum(axis=1) / (count + 1e-6)
        return score, count / self._settings.num_samples > self._settings.min_valid_share

    def _along(self, limb: IntArray, first: IntArray, second: IntArray, steps: FloatArray) -> FloatArray:
        """Return the field's component along each pair at `steps` of its way: (N, S)."""
        parts = [
            self._along_some(limb[start : start + REMAP_ROWS], first[start : start + REMAP_ROWS],
                             second[start : start + REMAP_ROWS], steps)
            for start in range(0, len(limb), REMAP_ROWS)
        ]  # fmt: skip
        return np.concatenate(parts) if parts else np.empty((0, len(steps)), dtype=np.float32)

    def _along_some(self, limb: IntArray, first: IntArray, second: IntArray, steps: FloatArray) -> FloatArray:
        start = self._xy[first]
        vector = self._xy[second] - start
        x = start[:, :1] + vector[:, :1] * steps  # (N, S)
        y = start[:, 1:] + vector[:, 1:] * steps + (limb * self._rows).astype(np.float32)[:, None]
        field = cv2.remap(self._picture, x, y, cv2.INTER_CUBIC)  # (N, S, 2)
        length = np.sqrt((vector**2).sum(axis=1)) + 1e-6
        along: FloatArray = (field[..., 0] * vector[:, :1] + field[..., 1] * vector[:, 1:]) / length[:, None]
        return along


@functools.lru_cache(maxsize=8)
def _steps(count: int) -> FloatArray:
    return np.linspace(0, 1, count, dtype=np.float32)
