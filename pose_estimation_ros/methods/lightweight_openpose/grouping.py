"""Putting people together from peaks and scored limbs: the published greedy assembly, in time linear in people."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.methods.lightweight_openpose.limbs import EAR_SHOULDER_LIMBS, GROUPING_LIMBS, NUM_KEYPOINTS
from pose_estimation_ros.methods.lightweight_openpose.options import GroupingSettings

SCORE, COUNT = NUM_KEYPOINTS, NUM_KEYPOINTS + 1
"""Indices of the score sum and the number of keypoints in an entry, after its peak numbers."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """Keypoint candidates, sorted by kind: xy (N, 2), score (N,), and how many there are of each kind (18,)."""

    xy: FloatArray
    score: FloatArray
    counts: IntArray

    @property
    def starts(self) -> IntArray:
        """(19,) index of the first peak of each kind, and the number of all."""
        return np.concatenate([[0], np.cumsum(self.counts)])


@dataclass(frozen=True, eq=False)
class Connections:
    """Limbs found: limb number, the two peaks that it joins, and its score; all (C,), ordered by limb."""

    limb: IntArray
    first: IntArray
    second: IntArray
    score: FloatArray


def take_best_limbs(candidates: Connections) -> Connections:
    """Select candidates by descending score, each peak at most once per limb type; the result is sorted by limb."""
    order = np.lexsort((-candidates.score, candidates.limb))
    limbs, firsts, seconds = (column.tolist() for column in (candidates.limb, candidates.first, candidates.second))
    kept: list[int] = []
    used: set[int] = set()
    peaks = 1 + max(firsts + seconds, default=0)
    for index in order.tolist():
        # A peak is of one kind, and no limb joins a kind to itself: first and second never clash within a limb.
        first, second = limbs[index] * peaks + firsts[index], limbs[index] * peaks + seconds[index]
        if first not in used and second not in used:
            used.add(first)
            used.add(second)
            kept.append(index)
    return Connections(candidates.limb[kept], candidates.first[kept], candidates.second[kept], candidates.score[kept])


def assemble(connections: Connections, peak_scores: FloatArray, settings: GroupingSettings) -> FloatArray:
    """Assemble limbs into people; drop people with too few keypoints or too low a mean score.

    Returns (P, 20): 18 peak numbers (-1 where missing), score sum, number of keypoints. Quirks of the published
    code are kept because its results depend on them: every person with a limb's first peak gets the second one, even if
    it replaces another peak; several people may share a peak; people are never merged.
    """
    people: list[list[float]] = []
    holders: defaultdict[int, list[int]] = defaultdict(list)  # peak -> people that include it
    scores = peak_scores.tolist()
    columns = (connections.limb, connections.first, connections.second, connections.score)
    for limb, first, second, score in zip(*(column.tolist() for column in columns), strict=True):
        a, b = GROUPING_LIMBS[limb]
        owners = [person for person in holders[first] if people[person][a] == first]
        if limb in EAR_SHOULDER_LIMBS:
            _complete(people, holders, (a, first), (b, second))
        elif owners and limb != 0:
            for person in owners:
                people[person][b] = second
                people[person][SCORE] += scores[second] + score
                people[person][COUNT] += 1
                holders[second].append(person)
        else:
            entry = [-1.0] * NUM_KEYPOINTS + [scores[first] + scores[second] + score, 2.0]
            entry[a], entry[b] = first, second
            holders[first].append(len(people))
            holders[second].append(len(people))
            people.append(entry)
    entries = np.array(people).reshape(-1, NUM_KEYPOINTS + 2)
    mean_score = entries[:, SCORE] / np.maximum(entries[:, COUNT], 1)
    kept: FloatArray = entries[(entries[:, COUNT] >= settings.min_keypoints) & (mean_score >= settings.min_mean_score)]
    return kept


def _complete(
    people: list[list[float]], holders: dict[int, list[int]], start: tuple[int, int], end: tuple[int, int]
) -> None:
    """Add a limb's missing end to people that have the other end; scores and counts stay unchanged."""
    for (have, peak), (lack, other) in ((start, end), (end, start)):
        for person in list(holders.get(peak, ())):
            if people[person][have] == peak and people[person][lack] == -1:
                people[person][lack] = other
                holders[other].append(person)
