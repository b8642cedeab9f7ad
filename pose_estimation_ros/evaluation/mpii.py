"""PCKh on MPII's persons, each in their own annotated box."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from tqdm import tqdm

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.data.datasets.mpii import MpiiPersons, MpiiTruth, read_truth
from pose_estimation_ros.evaluation.pckh import head_sizes, pckh
from pose_estimation_ros.inference.pipeline import ModelPipeline, Result
from pose_estimation_ros.methods.method import Method

MEAN = 'PCKh@0.5'
STRICT = 'PCKh@0.1'

PoseOfBoxes = Callable[[ByteArray, Boxes], Result]
"""A pipeline that finds a pose for each box."""


@dataclass(frozen=True, eq=False)
class MpiiPeople:
    """Annotated persons and their ground truth."""

    people: MpiiPersons
    truth: MpiiTruth
    limit: int = 0  # Use only the first persons; 0 for all

    @classmethod
    def open(cls, images: Path, annotations: Path, head_boxes: Path, limit: int = 0) -> 'MpiiPeople':
        """Open MPII's files; raises DatasetError if they do not match."""
        people, truth = MpiiPersons(images, annotations), read_truth(head_boxes)
        if len(truth.keypoints) != len(people):
            raise DatasetError(
                f'{head_boxes} is of {len(truth.keypoints)} persons, {annotations} of {len(people)}; they must belong'
                ' together, as valid.json and gt_valid.mat do'
            )
        return cls(people, truth, limit)

    def __len__(self) -> int:
        return min(self.limit or len(self.people), len(self.people))

    def find(self, pipeline: PoseOfBoxes, index: int) -> FloatArray:
        """Return a person's keypoints (16, 2) as found by a pipeline, NaN if missing."""
        sample = self.people.sample(index)
        poses = pipeline(sample.image, Boxes.sure(sample.boxes)).poses
        return poses[0].keypoints[:, :2].astype(float) if poses else np.full((len(MPII_16), 2), np.nan)

    def score(self, found: dict[int, FloatArray]) -> dict[str, float]:
        """Return PCKh in percent: the published mean, the strict one and each keypoint's, as far as there are any."""
        chosen = sorted(found)
        predicted = np.array([found[index] for index in chosen]).reshape(-1, len(MPII_16), 2)
        truth = self.truth
        sizes = head_sizes(truth.head_boxes[chosen])
        score = pckh(predicted, truth.keypoints[chosen], truth.visible[chosen] > 0, sizes)
        numbers = score.as_dict()
        numbers = {MEAN: numbers.pop('mean'), STRICT: numbers.pop('mean@0.1'), **numbers}
        return {name: value for name, value in numbers.items() if np.isfinite(value)}


def require_mpii(method: Method) -> None:
    """Raise SettingsError unless a method is top-down and finds MPII's keypoints."""
    if method.sees != 'person' or method.skeleton is not MPII_16:
        raise SettingsError(
            f"PCKh needs a top-down network of MPII's {len(MPII_16)} keypoints, got one of {method.name}; load one, or"
            " make one with skeleton='mpii'"
        )


def evaluate_mpii(pipeline: ModelPipeline, mpii: MpiiPeople, progress: bool = True) -> dict[str, float]:
    """Return PCKh of the pipeline of a method that `require_mpii` accepts, under a progress bar."""
    on_boxes = cast(PoseOfBoxes, pipeline)
    bar = tqdm(range(len(mpii)), desc='evaluating', unit='person', leave=False, disable=not progress)
    return mpii.score({index: mpii.find(on_boxes, index) for index in bar})
