"""Tracking scores: misses, false positives, identity switches, MOTA and IDF1.

CLEAR MOT (Bernardin and Stiefelhagen 2008) keeps the pairs of the previous frame while they are similar enough, and
assigns only the rest. IDF1 (Ristani et al. 2016) allows one id for a person over the whole sequence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import EvaluationError, SettingsError
from pose_estimation_ros.core.oks import oks
from pose_estimation_ros.core.pose import Pose

MINIMUM_OKS = 0.5  # Of a pose and the person that it shows


@dataclass(frozen=True)
class MotResult:
    """Counts over a sequence; `people` is the number of people in every frame, added up."""

    frames: int
    people: int
    misses: int
    false_positives: int
    switches: int  # Changes of a person's id, also if the person was missed in between
    ids: int  # Number of different ids
    idf1: float

    @property
    def mota(self) -> float:
        """1 - errors / people; negative if there are more errors than people, NaN without people."""
        errors = self.misses + self.false_positives + self.switches
        return 1 - errors / self.people if self.people else float('nan')


class MotScore:
    """Compares tracked people with ground truth, frame by frame."""

    def __init__(self, minimum: float = MINIMUM_OKS) -> None:
        if not 0 < minimum <= 1:
            raise SettingsError(f'the minimum similarity must be above 0 and at most 1, got {minimum}')
        self._minimum = minimum
        self._frames = self._people = self._found = self._matched = self._switches = 0
        self._partner: dict[int, int] = {}  # id of each person in the last frame
        self._last: dict[int, int] = {}  # last id of each person
        self._together: Counter[tuple[int, int]] = Counter()
        self._ids: set[int] = set()

    def update(self, truth: Sequence[int], found: Sequence[int], similarity: FloatArray) -> None:
        """Add a frame: ids of ground truth, ids of the tracker, and their similarity (truth, found) from 0 to 1.

        Raises EvaluationError if shapes do not match, or an id is repeated.
        """
        similarity, shape = np.asarray(similarity, dtype=np.float64), (len(truth), len(found))
        if similarity.size != len(truth) * len(found) or (similarity.size and similarity.shape != shape):
            raise EvaluationError(f'similarities must be (true, found) people {shape}, got {similarity.shape}')
        similarity = similarity.reshape(shape)
        for name, ids in (('true', truth), ('given', found)):
            if len(set(ids)) < len(ids):
                raise EvaluationError(f'{name} ids must differ within a frame, got {sorted(ids)}')
        similar = similarity >= self._minimum
        pairs = self._pairs(truth, found, np.where(similar, similarity, 0))
        self._switches += sum(self._last.get(person, identity) != identity for person, identity in pairs)
        self._partner = dict(pairs)
        self._last |= self._partner
        self._matched += len(pairs)
        self._frames += 1
        self._people += len(truth)
        self._found += len(found)
        self._together.update((truth[row], found[column]) for row, column in np.argwhere(similar).tolist())
        self._ids |= set(found)

    def update_poses(self, truth: Sequence[Pose], found: Sequence[Pose]) -> None:
        """Add a frame of poses with ids; found poses without an id are ignored."""
        tracked = [pose for pose in found if pose.id is not None]
        self.update([_id(pose) for pose in truth], [_id(pose) for pose in tracked], pose_similarity(truth, tracked))

    def result(self) -> MotResult:
        return MotResult(
            frames=self._frames,
            people=self._people,
            misses=self._people - self._matched,
            false_positives=self._found - self._matched,
            switches=self._switches,
            ids=len(self._ids),
            idf1=self._idf1(),
        )

    def _pairs(self, truth: Sequence[int], found: Sequence[int], gain: FloatArray) -> list[tuple[int, int]]:
        """Return pairs (true id, found id) of this frame; `gain` is 0 for those that are not similar."""
        rows, columns = ({identity: index for index, identity in enumerate(ids)} for ids in (truth, found))
        kept = [
            (person, identity)
            for person, identity in self._partner.items()
            if person in rows and identity in columns and gain[rows[person], columns[identity]] > 0
        ]
        left = gain.copy()
        for person, identity in kept:
            left[rows[person]], left[:, columns[identity]] = 0, 0
        # The constant makes the number of pairs come first, their similarity second.
        new = best_pairs(np.where(left > 0, left + len(truth) + 1, 0))
        return kept + [(truth[row], found[column]) for row, column in new]

    def _idf1(self) -> float:
        """Return the F1 score of poses under the one id that fits their person best over all frames."""
        people, ids = sorted({person for person, _ in self._together}), sorted({each for _, each in self._together})
        frames = np.array([[self._together[person, identity] for identity in ids] for person in people])
        right = sum(frames[pair] for pair in best_pairs(frames))
        total = self._people + self._found
        return float(2 * right / total) if total else float('nan')


def pose_similarity(truth: Sequence[Pose], found: Sequence[Pose]) -> FloatArray:
    """Return OKS (truth, found) over the keypoints that the true pose has.

    The area is that of the box around these keypoints.
    """
    if not truth or not found:
        return np.zeros((len(truth), len(found)))
    true = np.stack([pose.keypoints for pose in truth]).astype(np.float64)
    true[..., 2] = np.isfinite(true[..., 0])
    areas = np.array([pose.bbox[2] * pose.bbox[3] for pose in truth])
    predicted = np.stack([pose.keypoints for pose in found])
    return oks(predicted, np.nan_to_num(true), areas, np.array(truth[0].skeleton.sigmas)).T


def best_pairs(gain: FloatArray) -> list[tuple[int, int]]:
    """Return the pairs (row, column) with the greatest total gain, without pairs that gain nothing."""
    from scipy.optimize import linear_sum_assignment  # takes half a second to load

    gain = np.asarray(gain, dtype=np.float64)
    if not gain.size:
        return []
    rows, columns = linear_sum_assignment(np.maximum(gain, 0), maximize=True)
    return [pair for pair in zip(rows.tolist(), columns.tolist(), strict=True) if gain[pair] > 0]


def _id(pose: Pose) -> int:
    if pose.id is None:
        raise EvaluationError('every true person needs an id')
    return pose.id
