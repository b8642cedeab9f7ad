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

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from pose_estimation_ros.methods.lightweight_openpose.grouping import Connections, Peaks, assemble, take_best_limbs
from pose_estimation_ros.methods.lightweight_openpose.limbs import (
    FIELD_OF_LIMB,
    GROUPING_FIELDS,
    LIMB_FROM,
    LIMB_TO,
    NUM_KEYPOINTS,
)
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, GroupingSettings

REACH = 2
"""Cells that a cubic kernel reads on either side, and so the padding of every map."""

NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))

MAX_PEAKS_PER_KIND = 256
"""Only the strongest peaks are kept, so that maps of pure noise do not lead to endless pairs."""

ROUGH_SHARE = 0.4
"""Of the bound for a field sample: what one of the four cells around it must reach before it is interpolated."""

TRUSTED_SHARE = 0.5

CROWD_OF_PAIRS = 5000

SCORE_DIGITS = 4
"""Limb scores are compared this exactly."""

REMAP_ROWS = 16384
"""Pairs scored at once: cv2.remap takes images of fewer than 32768 rows."""


@dataclass(frozen=True)
class PeakSettings:
    threshold: float = DecodingSettings.keypoint_threshold
    min_distance: float = 1.0
    """Cells; of two nearer peaks of one kind the weaker goes."""
    raw_share: float = 0.6
    """A cell of this share of the threshold may still hide a peak that exceeds it between cells."""
    subcells: int = DecodingSettings.upsample_ratio
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
    cell, kind, y, x = _raw_maxima(padded, settings.threshold * settings.raw_share)
    offset, score = _refine(padded, cell, settings.subcells)
    xy = np.column_stack([x, y]) + offset
    strong = score >= settings.threshold
    strong &= ~_beaten_nearby(padded.shape, cell, xy, score, settings.min_distance)
    strong &= _strongest(kind, score)
    return Peaks(xy[strong], score[strong], np.bincount(kind[strong], minlength=NUM_KEYPOINTS))


def _pad(maps: FloatArray) -> FloatArray:
    """Repeat the border cells REACH times around each of (C, H, W) maps, as cv2.resize does."""
    channels, height, width = maps.shape
    padded = np.empty((channels, height + 2 * REACH, width + 2 * REACH), dtype=np.float32)
    padded[:, REACH:-REACH, REACH:-REACH] = maps
    _fill_border(padded)
    return padded


def _fill_border(padded: AnyArray) -> None:
    """Repeat the outermost of the inner cells of (C, H, W) maps over their REACH cells of padding."""
    padded[:, :REACH, REACH:-REACH] = padded[:, REACH : REACH + 1, REACH:-REACH]
    padded[:, -REACH:, REACH:-REACH] = padded[:, -REACH - 1 : -REACH, REACH:-REACH]
    padded[:, :, :REACH] = padded[:, :, REACH : REACH + 1]
    padded[:, :, -REACH:] = padded[:, :, -REACH - 1 : -REACH]


def _raw_maxima(padded: FloatArray, threshold: float) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return the inner cells that no direct neighbour exceeds: index in the padded maps, kind, y and x."""
    _, height, width = padded.shape
    flat = padded.ravel()
    cell = np.flatnonzero(flat > threshold)
    row, column = np.divmod(cell, width)
    kind, line = np.divmod(row, height)
    y, x = line - REACH, column - REACH
    inner = (y >= 0) & (y < height - 2 * REACH) & (x >= 0) & (x < width - 2 * REACH)
    cell, kind, y, x = cell[inner], kind[inner], y[inner], x[inner]
    value = flat[cell]
    highest = np.ones(len(cell), dtype=bool)
    for step in (-1, 1, -width, width):
        highest &= value >= flat[cell + step]
    return cell[highest], kind[highest], y[highest], x[highest]


def _refine(padded: FloatArray, cell: IntArray, subcells: int) -> tuple[FloatArray, FloatArray]:
    """Return where in its cell each peak lies, (N, 2) x, y from the cell's centre, and how high it is (N,)."""
    width = padded.shape[2]
    taps = np.arange(-REACH, REACH + 1)
    around = (taps[:, None] * width + taps).ravel()
    patches = padded.ravel()[cell[:, None] + around]  # (N, 25)
    offsets, weights = _subcell_weights(subcells)
    side = subcells + 2  # one position beyond the cell on each side
    fine = (patches @ weights).reshape(-1, side, side)
    best = fine[:, 1:-1, 1:-1].reshape(len(fine), subcells**2).argmax(axis=1)
    row, column = best // subcells + 1, best % subcells + 1
    flat, at = fine.ravel(), np.arange(len(fine)) * side**2 + row * side + column
    height_at = flat[at]
    step_x = _parabola(flat[at - 1], height_at, flat[at + 1])
    step_y = _parabola(flat[at - side], height_at, flat[at + side])
    return np.column_stack([offsets[column] + step_x / subcells, offsets[row] + step_y / subcells]), height_at


@functools.lru_cache(maxsize=8)
def _subcell_weights(subcells: int) -> tuple[FloatArray, FloatArray]:
    """Return the positions tried along a side (S + 2,), in cells, and the cubic weights (25, (S + 2)^2) for them."""
    offsets = (np.arange(-1, subcells + 1) + 0.5) / subcells - 0.5
    distance = np.abs(offsets[:, None] - np.arange(-REACH, REACH + 1))
    a = -0.75  # OpenCV's cubic kernel
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    along = np.where(distance <= 1, near, np.where(distance < 2, far, 0)).astype(np.float32)  # (S + 2, 5)
    return offsets, np.ascontiguousarray(np.kron(along, along).T)


def _parabola(before: FloatArray, at: FloatArray, after: FloatArray) -> FloatArray:
    """Return where between -0.5 and 0.5 steps the parabola through three heights has its top."""
    bend = before - 2 * at + after
    bent = bend < -1e-9
    return np.where(bent, np.clip(0.5 * (before - after) / np.where(bent, bend, -1), -0.5, 0.5), 0)


def _beaten_nearby(
    padded_shape: tuple[int, ...], cell: IntArray, xy: FloatArray, score: FloatArray, distance: float
) -> BoolArray:
    """Mark peaks with a higher one of their kind nearer than `distance`: only neighbouring cells can be.

    Equal direct neighbours are both peaks; equal values are common in low-precision maps (bf16, int8).
    """
    if not len(cell):
        return np.zeros(0, dtype=bool)
    width = padded_shape[2]
    sought = cell + np.array([dy * width + dx for dy, dx in NEIGHBOURS])[:, None]  # (8, N)
    other = np.minimum(np.searchsorted(cell, sought), len(cell) - 1)
    near = np.square(xy[other] - xy).sum(axis=2) < distance**2
    # Of equals the first stays.
    higher = (score[other] > score) | ((score[other] == score) & (other < np.arange(len(cell))))
    beaten: BoolArray = ((cell[other] == sought) & near & higher).any(axis=0)
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
    sampler = _FieldSampler(peaks.xy, limb, first, second, pafs, settings)
    plausible = sampler.plausible()
    score, accepted = sampler.score(plausible)
    taken, score = plausible[accepted], score[accepted].round(SCORE_DIGITS)
    # If people stand in a row, samples of a long limb can hit other people's limbs: of equal scores the nearest wins.
    nearest = np.argsort(sampler.length[taken], kind='stable')
    taken, score = taken[nearest], score[nearest]
    return take_best_limbs(Connections(limb[taken], first[taken], second[taken], score))


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
    """Reads fields along pairs of peaks. All fields are stacked in one image of two channels."""

    def __init__(
        self,
        xy: FloatArray,
        limb: IntArray,
        first: IntArray,
        second: IntArray,
        pafs: FloatArray,
        settings: GroupingSettings,
    ) -> None:
        _, height, width = pafs.shape
        rows, columns = height + 2 * REACH, width + 2 * REACH
        fields = np.empty((len(GROUPING_FIELDS), rows, columns), dtype=np.complex64)
        inner = fields[:, REACH:-REACH, REACH:-REACH]
        inner.real, inner.imag = pafs[0::2], pafs[1::2]
        _fill_border(fields)
        self._stacked = fields.view(np.float32).reshape(-1, columns, 2)
        x, y = (np.clip(xy.T, 0, ((width - 1,), (height - 1,))) + REACH).astype(np.float32)
        self._x, self._y = x[first], y[first]  # (N,) where each pair starts, and its way:
        self._way_x, self._way_y = x[second] - self._x, y[second] - self._y
        self._y += (FIELD_OF_LIMB[limb] * rows).astype(np.float32)
        self.length = np.sqrt(self._way_x**2 + self._way_y**2) + np.float32(1e-6)
        self._settings = settings

    def plausible(self) -> IntArray:
        """Return the numbers of the pairs that can still reach the share of valid samples wanted."""
        steps = _steps(self._settings.num_samples)
        count = len(steps)
        may_fail = count - 1 - int(np.floor(self._settings.min_valid_share * count))
        middle = steps[max(0, (count - may_fail) // 2 - 1) :][: may_fail + 1]
        near = np.arange(len(self._x))
        # Fewer valid samples may be chance artefacts; fewer pairs are cheaper to interpolate at once.
        if self._settings.min_valid_share >= TRUSTED_SHARE and len(near) > CROWD_OF_PAIRS:
            near = self._passes_near(middle)
        valid = self._along(near, middle) > self._settings.min_sample
        return near[valid.any(axis=1)]

    def _passes_near(self, steps: FloatArray) -> IntArray:
        """Return the numbers of the pairs along which a cell around one of the steps has something of their field.

        In a crowd nearly all pairs are of two people and end here, for a fraction of the price of interpolation.
        """
        width = self._stacked.shape[1]
        field = self._stacked.view(np.complex64).ravel()
        way = self._way_x - 1j * self._way_y  # conjugate: a product's real part is the component along the way
        bound = np.float32(ROUGH_SHARE * self._settings.min_sample) * self.length
        near = np.zeros(len(way), dtype=bool)
        for step in steps:
            row = (self._y + self._way_y * step).astype(np.int32)
            corner = row * width + (self._x + self._way_x * step).astype(np.int32)
            for offset in (0, 1, width, width + 1):
                near |= (field[corner + offset] * way).real > bound
        return np.flatnonzero(near)

    def score(self, pairs: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return the mean of each pair's valid samples, and whether there are enough of them."""
        along = self._along(pairs, _steps(self._settings.num_samples))
        valid = along > self._settings.min_sample
        count = valid.sum(axis=1)
        score = (along * valid).sum(axis=1) / (count + 1e-6)
        return score, count / self._settings.num_samples > self._settings.min_valid_share

    def _along(self, pairs: IntArray, steps: FloatArray) -> FloatArray:
        """Return the field's component along each pair at `steps` of its way: (N, S)."""
        parts = [
            self._along_some(pairs[start : start + REMAP_ROWS], steps) for start in range(0, len(pairs), REMAP_ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(steps)), dtype=np.float32)

    def _along_some(self, pairs: IntArray, steps: FloatArray) -> FloatArray:
        way_x, way_y = self._way_x[pairs, None], self._way_y[pairs, None]
        x = self._x[pairs, None] + way_x * steps  # (N, S)
        y = self._y[pairs, None] + way_y * steps
        field = cv2.remap(self._stacked, x, y, cv2.INTER_CUBIC)  # (N, S, 2)
        along: FloatArray = (field[..., 0] * way_x + field[..., 1] * way_y) / self.length[pairs, None]
        return along


@functools.lru_cache(maxsize=8)
def _steps(count: int) -> FloatArray:
    return np.linspace(0, 1, count, dtype=np.float32)
