"""From peaks with tags to people: keypoint by keypoint, each peak joins the person whose mean tag is nearest.

Rows are x, y, score and one or two tags: those of the network for the image and for its mirror image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pose_estimation_ros.core.arrays import BoolArray, FloatArray, IntArray

SCORE = 2
TAGS = slice(3, None)

KEYPOINT_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
"""The head and the trunk first: there are more of them in view than of elbows and knees."""

NOBODY_COST = 1e10
"""Of leaving a peak without a person: more than any tag costs."""

TAG_LIMIT = 1e6
"""Peaks with greater tags, or none, are left out."""

TIE_COST, TIE_UNITS = 1e-4, 10
"""Cost of a high peak's difference of tags, for each of up to so many units: decides between equal total costs only."""


@dataclass(frozen=True, eq=False)
class People:
    """People as they were grouped, with the missing keypoints that were then filled in."""

    rows: FloatArray
    """(P, K, 3 + T), zeros for missing keypoints."""
    scores: FloatArray
    """(P,): means over all keypoints before any were filled in."""
    tagged: BoolArray
    """(P, K): the keypoints that were grouped by their tags."""

    @classmethod
    def of(cls, rows: FloatArray) -> 'People':
        """Take people as they were grouped; rows may change later."""
        return cls(rows, rows[..., SCORE].mean(axis=1), rows[..., SCORE] > 0)

    def chosen(self, kept: IntArray) -> 'People':
        """Return some of the people."""
        return People(self.rows[kept], self.scores[kept], self.tagged[kept])


def usable(rows: FloatArray) -> BoolArray:
    """Mark rows (N, 3 + T) whose tags can be compared."""
    return np.asarray((np.abs(rows[:, TAGS]) < TAG_LIMIT).all(axis=1), bool)


class _Groups:
    """People while they are built, with the sums of their tags."""

    def __init__(self, most: int, keypoints: int, columns: int) -> None:
        self._rows = np.zeros((most, keypoints, columns), np.float32)
        self._sums = np.zeros((most, columns - SCORE - 1), np.float32)
        self._counts = np.zeros((most, 1), np.float32)
        self._by_tag: dict[float, int] = {}

    @property
    def rows(self) -> FloatArray:
        """(P, K, 3 + T)."""
        return self._rows[: len(self._by_tag)]

    @property
    def mean_tags(self) -> FloatArray:
        """(P, T)."""
        count = len(self._by_tag)
        return self._sums[:count] / self._counts[:count]

    def add(self, keypoint: int, rows: FloatArray, persons: IntArray) -> None:
        """Give peaks of a keypoint to people, at most one each, or to new ones for -1."""
        for new in np.flatnonzero(persons < 0).tolist():
            tag = float(rows[new, TAGS][0])
            persons[new] = self._by_tag.setdefault(tag, len(self._by_tag))
            self._sums[persons[new]] = self._counts[persons[new]] = 0
        self._rows[persons, keypoint] = rows
        self._sums[persons] += rows[:, TAGS]
        self._counts[persons] += 1


def group(
    peaks: Sequence[FloatArray], tag_threshold: float, max_persons: int = 0, keep_strong: bool = False
) -> FloatArray:
    """Group the peaks of each keypoint, rows (N, 3 + T) float32, to people (P, K, 3 + T) in order of creation.

    Peaks join the first `max_persons` people only, 0 for all of them. As published, people are known by their first
    tag: a new one with exactly the tag of another takes its place. `keep_strong` is that of `assign`.
    """
    groups = _Groups(sum(map(len, peaks)), len(peaks), peaks[0].shape[1])
    for keypoint in KEYPOINT_ORDER:
        rows = peaks[keypoint]
        if len(rows):
            person_tags = groups.mean_tags[: max_persons or None]
            groups.add(keypoint, rows, assign(rows[:, TAGS], rows[:, SCORE], person_tags, tag_threshold, keep_strong))
    return groups.rows


def assign(
    tags: FloatArray, scores: FloatArray, person_tags: FloatArray, tag_threshold: float, keep_strong: bool = False
) -> IntArray:
    """Return the person of each peak, -1 for none: tags (N, T) and scores (N,) against the people's tags (M, T).

    The total cost is the least; as published, differences of tags count in whole units, before scores. Many choices
    then cost the same: with `keep_strong` the one counts that leaves the weakest peaks without a person.
    """
    distances = np.linalg.norm(tags[:, None] - person_tags, axis=2)  # (N, M)
    units = np.round(distances)
    costs = np.full((len(tags), max(distances.shape)), NOBODY_COST)
    if keep_strong:
        exact = scores[:, None].astype(float)
        costs[:, : len(person_tags)] = units * 100 - exact + TIE_COST * exact * np.minimum(units, TIE_UNITS)
    else:
        costs[:, : len(person_tags)] = units * 100 - scores[:, None]  # rounded as in the published code
    _, chosen = linear_sum_assignment(costs)
    near = np.zeros(costs.shape, dtype=bool)
    near[:, : len(person_tags)] = distances < tag_threshold
    return np.where(near[np.arange(len(tags)), chosen], chosen, -1)
