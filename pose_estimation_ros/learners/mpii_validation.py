"""PCKh on MPII's persons, each looked at in their own annotated box: of a network in training, or of a learner's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.data.datasets.mpii import MpiiPersons, MpiiTruth, read_truth
from pose_estimation_ros.evaluation.pckh import head_sizes, pckh
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.person_datasets import network_in_training
from pose_estimation_ros.methods.method import Method

if TYPE_CHECKING:
    from pose_estimation_ros.training.validation import Watch

MEAN = 'PCKh@0.5'
STRICT = 'PCKh@0.1'


@dataclass(frozen=True, eq=False)
class MpiiPeople:
    """Annotated persons, and the truth that what is found of them is scored against."""

    people: MpiiPersons
    truth: MpiiTruth
    limit: int = 0
    """The first so many persons; 0 for all."""

    @classmethod
    def open(cls, images: Path, annotations: Path, head_boxes: Path, limit: int = 0) -> 'MpiiPeople':
        """Open MPII's files; raises DatasetError where they do not belong together."""
        people, truth = MpiiPersons(images, annotations), read_truth(head_boxes)
        if len(truth.joints) != len(people):
            raise DatasetError(
                f'{head_boxes} is of {len(truth.joints)} persons, {annotations} of {len(people)}; they must belong'
                ' together, as valid.json and gt_valid.mat do'
            )
        return cls(people, truth, limit)

    def __len__(self) -> int:
        return min(self.limit or len(self.people), len(self.people))

    def find(self, pipeline: TopDown, index: int) -> FloatArray:
        """Return where a pipeline finds a person's joints (16, 2), NaN where it does not."""
        sample = self.people.sample(index)
        poses = pipeline(sample.image, Boxes.sure(sample.boxes)).poses
        return poses[0].keypoints[:, :2].astype(float) if poses else np.full((len(MPII_16), 2), np.nan)

    def score(self, found: dict[int, FloatArray]) -> dict[str, float]:
        """Return the published mean, the strict one, and each joint's share, in percent, where there is something."""
        chosen = sorted(found)
        predicted = np.array([found[index] for index in chosen]).reshape(-1, len(MPII_16), 2)
        truth = self.truth
        sizes = head_sizes(truth.head_boxes[chosen])
        score = pckh(predicted, truth.joints[chosen], truth.visible[chosen] > 0, sizes)
        joints = dict(zip(score.skeleton.keypoints, score.joints.tolist(), strict=True))
        numbers = {MEAN: score.mean, STRICT: score.mean_strict, **joints}
        return {name: value for name, value in numbers.items() if np.isfinite(value)}


@dataclass(frozen=True, eq=False)
class MpiiValidation:
    """Scores a network in training by PCKh."""

    method: Method
    mpii: MpiiPeople
    network: PersonNetwork
    flip: bool = False

    def run(self, network: Any, rank: int, world: int, watch: 'Watch | None' = None) -> list[tuple[int, FloatArray]]:
        """Return number and keypoints (16, 2) of the persons in this process's share."""
        pipeline = network_in_training(network, self.method, self.network, self.flip)
        share = range(rank, len(self.mpii), world)
        persons = watch.over(share, len(share)) if watch else share
        return [(index, self.mpii.find(pipeline, index)) for index in persons]

    def score(self, parts: Sequence[list[tuple[int, FloatArray]]]) -> dict[str, float]:
        """Return the published mean first; names are without `@`, which MLflow does not take."""
        scores = self.mpii.score(dict(each for part in parts for each in part))
        return {name.replace('@', '_'): value for name, value in scores.items()}

    def tag(self, name: str) -> str:
        """Return the published name."""
        return next((published for published in (MEAN, STRICT) if published.replace('@', '_') == name), name)


def mpii_pipeline(learner: Learner, upsample_ratio: int = 4) -> TopDown:
    """Return a learner's pipeline; raises SettingsError unless it finds MPII's joints in crops of persons."""
    if learner.takes_boxes and learner.method.skeleton is MPII_16:
        pipeline = learner.scoring_pipeline(upsample_ratio)
        if isinstance(pipeline, TopDown):
            return pipeline
    raise SettingsError(
        f"PCKh needs a top-down network of MPII's {len(MPII_16)} joints, got one of {learner.method.name}; load one, or"
        " make one with skeleton='mpii'"
    )


def evaluate_mpii(pipeline: TopDown, mpii: MpiiPeople, progress: bool = True) -> dict[str, float]:
    """Return PCKh of a pipeline, under a progress bar."""
    bar = tqdm(range(len(mpii)), desc='evaluating', unit='person', leave=False, disable=not progress)
    return mpii.score({index: mpii.find(pipeline, index) for index in bar})
