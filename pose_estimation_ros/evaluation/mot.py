"""How well people are followed: misses, false positives, identity switches, MOTA and IDF1.

CLEAR MOT is that of Bernardin and Stiefelhagen 2008: a pairing of the frame before stays while the two are alike
enough, only the rest is paired anew. IDF1 is that of Ristani et al. 2016: one id a person over the whole sequence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import EvaluationError, SettingsError
from pose_estimation_ros.core.oks import oks
from pose_estimation_ros.core.pose import Pose

ALIKE = 0.5
"""Object keypoint similarity from which on a pose is that of a person."""


@dataclass(frozen=True)
class MotResult:
    """Counts over a sequence; a person counts once in every frame that they are in."""

    frames: int
    people: int
    misses: int
    false_positives: int
    switches: int
    """Times that a person came under another id than before, whether or not they were missed in between."""
    ids: int
    """Different ids given out."""
    idf1: float

    @property
    def mota(self) -> float:
        """1 less the three kinds of fault by person; negative where there are more faults than people, NaN for none."""
        faults = self.misses + self.false_positives + self.switches
        return 1 - faults / self.people if self.people else float('nan')


class MotScore:
    """Compares tracked with true people, frame by frame."""

    def __init__(self, alike: float = ALIKE) -> None:
        if not 0 < alike <= 1:
            raise SettingsError(f'the least similarity must be above 0 and at most 1, got {alike}')
        self._alike = alike
        self._frames = self._people = self._found = self._matched = self._switches = 0
        self._partner: dict[int, int] = {}  # id that a person had in the last frame, if any
        self._last: dict[int, int] = {}  # id that a person had last, however long ago
        self._together: Counter[tuple[int, int]] = Counter()
        self._ids: set[int] = set()

    def update(self, truth: Sequence[int], found: Sequence[int], similarity: FloatArray) -> None:
        """Take a frame: true ids, ids given, and how alike they are (truth, found), 0 to 1.

        Raises:
            EvaluationError: Shapes do not fit, or an id comes twice.

        """
        similarity, shape = np.asarray(similarity, dtype=np.float64), (len(truth), len(found))
        if similarity.size != len(truth) * len(found) or (similarity.size and similarity.shape != shape):
            raise EvaluationError(f'similarities must be (true, found) people {shape}, got {similarity.shape}')
        similarity = similarity.reshape(shape)
        for name, ids in (('true', truth), ('given', found)):
            if len(set(ids)) < len(ids):
                raise EvaluationError(f'{name} ids must differ within a frame, got {sorted(ids)}')
        alike = similarity >= self._alike
        pairs = self._pairs(truth, found, np.where(alike, similarity, 0))
        self._switches += sum(self._last.get(person, identity) != identity for person, identity in pairs)
        self._partner = dict(pairs)
        self._last |= self._partner
        self._matched += len(pairs)
        self._frames += 1
        self._people += len(truth)
        self._found += len(found)
        self._together.update((truth[row], found[column]) for row, column in np.argwhere(alike).tolist())
        self._ids |= set(found)

    def update_poses(self, truth: Sequence[Pose], found: Sequence[Pose]) -> None:
        """Take a frame of poses with ids; poses without one are not tracked, hence not counted."""
        tracked = [pose for pose in found if pose.id is not None]
        self.update([_id(pose) for pose in truth], [_id(pose) for pose in tracked], pose_similarity(truth, tracked))

    def result(self) -> MotResult:
        """Return the counts so far."""
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
        """Return (true id, given id) of this frame; `gain` is 0 where two are not alike."""
        rows, columns = ({identity: index for index, identity in enumerate(ids)} for ids in (truth, found))
        kept = [
            (person, identity)
            for person, identity in self._partner.items()
            if person in rows and identity in columns and gain[rows[person], columns[identity]] > 0
        ]
        left = gain.copy()
        for person, identity in kept:
            left[rows[person]], left[:, columns[identity]] = 0, 0
        # One more for every pair: as many pairs as can be, then the most alike.
        new = best_pairs(np.where(left > 0, left + len(truth) + 1, 0))
        return kept + [(truth[row], found[column]) for row, column in new]

    def _idf1(self) -> float:
        """Return the share of poses under the one id that suits their person best over all frames."""
        people, ids = sorted({person for person, _ in self._together}), sorted({each for _, each in self._together})
        frames = np.array([[self._together[person, identity] for identity in ids] for person in people])
        right = sum(frames[pair] for pair in best_pairs(frames))
        total = self._people + self._found
        return float(2 * right / total) if total else float('nan')


def pose_similarity(truth: Sequence[Pose], found: Sequence[Pose]) -> FloatArray:
    """Return the object keypoint similarity (truth, found) over the true keypoints that are there.

    A person's area is that of the box around these keypoints.
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
