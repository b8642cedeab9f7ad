"""The One-Euro filter (Casiez et al. 2012): a low-pass filter whose cutoff rises with speed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError

PUBLISHED_HZ = 15.0

STATE = 4
"""A state is (4, ..., K, 2) of points: position, smoothed position, filtered speed in pixels a second, and stamp in
seconds; NaN for points that were not seen."""


@dataclass(frozen=True)
class OneEuro:
    """A One-Euro filter's settings, cutoffs in Hz; `beta` is the rise of the cutoff, Hz per pixel a second.

    With `frequency` None the filter uses the time between stamps, otherwise this rate regardless of stamps (published
    code: 15 Hz). The first sample of a point, one after a gap (NaN) and one whose stamp does not advance pass unchanged
    and restart the filter.
    """

    min_cutoff: float = 1.0
    beta: float = 0.05
    d_cutoff: float = 1.0
    frequency: float | None = None

    def __post_init__(self) -> None:
        if not (self.min_cutoff > 0 and self.d_cutoff > 0 and self.beta >= 0):
            raise SettingsError(f'One-Euro cutoffs must be above 0 Hz and beta at least 0, got {self}')
        if self.frequency is not None and not self.frequency > 0:
            raise SettingsError(f'a One-Euro filter needs a frequency above 0 Hz or None, got {self.frequency}')

    def smooth(
        self, xy: FloatArray, stamp: float, states: Sequence[FloatArray | None]
    ) -> tuple[FloatArray, list[FloatArray]]:
        """Smooth the points (N, K, 2) of N people, each with its own state or None; return also the new states."""
        if not len(xy):
            return xy, []
        new = np.full((STATE, *xy.shape[1:]), np.nan)
        joined = np.stack([new if state is None else state for state in states], axis=1)
        smoothed, joined = self.step(xy, stamp, joined)
        return smoothed, [joined[:, index] for index in range(len(states))]

    def step(self, xy: FloatArray, stamp: float, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Smooth points of any shape, NaN if missing; return also the state for the next call."""
        xy = np.asarray(xy, dtype=np.float64)
        last, last_smoothed, speed, seen = state
        elapsed = np.full(xy.shape, 1 / self.frequency) if self.frequency else stamp - seen
        known = np.isfinite(last_smoothed) & (elapsed > 0)
        elapsed = np.where(known, elapsed, 1.0)
        speed = _blend(speed, (xy - last) / elapsed, _weight(self.d_cutoff, elapsed))
        cutoff = self.min_cutoff + self.beta * np.abs(speed)
        smoothed = np.where(known, _blend(last_smoothed, xy, _weight(cutoff, elapsed)), xy)
        # A missing point is NaN in `xy`, hence in its state: the filter restarts after a gap.
        new = [xy, smoothed, np.where(known, speed, xy * 0), np.where(np.isfinite(xy), stamp, np.nan)]
        return smoothed, np.stack(new)


def _weight(cutoff: float | FloatArray, elapsed: FloatArray) -> FloatArray:
    """Return the share that a new sample has in a low-pass filter's output."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * elapsed))


def _blend(old: FloatArray, new: FloatArray, weight: FloatArray) -> FloatArray:
    return weight * new + (1 - weight) * old
