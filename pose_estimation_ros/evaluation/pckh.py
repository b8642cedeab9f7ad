"""PCKh, MPII's score: the percentage of keypoints within a fraction of the head size of their true position."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from tqdm import tqdm

from pose_estimation_ros.core.arrays import BoolArray, ByteArray, FloatArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import DatasetError, EvaluationError, SettingsError
from pose_estimation_ros.core.skeleton import MPII_16, Skeleton
from pose_estimation_ros.data.datasets.mpii import MpiiPersons, MpiiTruth, read_truth
from pose_estimation_ros.inference.pipeline import ModelPipeline, Result
from pose_estimation_ros.methods.method import Method

HEAD_SHARE = 0.6  # MPII's head size as a share of the diagonal of the head box (SC_BIAS in the published script)
STRICT = 0.1
MEAN_NAME, STRICT_NAME = 'PCKh@0.5', 'PCKh@0.1'
EXCLUDED = ('pelvis', 'thorax')  # Keypoints that the published mean excludes


@dataclass(frozen=True, eq=False)
class PckhScore:
    """Percentages; NaN for keypoints without annotations."""

    threshold: float
    keypoints: FloatArray  # (16,) of each keypoint at the threshold
    keypoints_strict: FloatArray  # (16,) at 0.1
    mean: float  # Over all visible keypoints except pelvis and thorax, at the threshold
    mean_strict: float  # The same at 0.1
    skeleton: Skeleton = MPII_16

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name: keypoints, `mean` and `mean@0.1`."""
        keypoints = dict(zip(self.skeleton.keypoints, self.keypoints.tolist(), strict=True))
        return {**keypoints, 'mean': self.mean, 'mean@0.1': self.mean_strict}


def head_sizes(boxes: FloatArray) -> FloatArray:
    """Return the head sizes (N,) of MPII's head boxes (N, 4), x and y of two opposite corners."""
    sizes: FloatArray = HEAD_SHARE * np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1)
    return sizes


def pckh(
    predicted: FloatArray, truth: FloatArray, visible: BoolArray, head_sizes: FloatArray, threshold: float = 0.5
) -> PckhScore:
    """Score the poses (N, 16, 2) of N people, each paired with its ground truth; raises EvaluationError.

    A missing keypoint (NaN) counts as wrong. `visible` (N, 16) are the keypoints to score, `head_sizes` (N,) pixels,
    and a correct keypoint is at most `threshold` of the head's size from the true one.
    """
    visible = np.asarray(visible, dtype=bool)
    people, keypoints = len(truth), len(MPII_16)
    if not predicted.shape == truth.shape == (people, keypoints, 2) or visible.shape != (people, keypoints):
        raise EvaluationError(
            f'expected predicted and truth (N, {keypoints}, 2) and visible (N, {keypoints}), '
            f'got {predicted.shape}, {truth.shape} and {visible.shape}'
        )
    if head_sizes.shape != (people,) or not (head_sizes > 0).all():
        raise EvaluationError(f'head_sizes must be {people} lengths above 0, got {head_sizes}')
    distances = np.linalg.norm(predicted - truth, axis=2) / head_sizes[:, None]
    at_threshold, mean = _shares(distances <= threshold, visible)
    strict, mean_strict = _shares(distances <= STRICT, visible)
    return PckhScore(threshold, at_threshold, strict, mean, mean_strict)


def _shares(right: BoolArray, visible: BoolArray) -> tuple[FloatArray, float]:
    """Return the percentage of correct keypoints (16,), and the mean over those that are not excluded."""
    hits, total = (right & visible).sum(axis=0), visible.sum(axis=0)
    counted = [index for index, name in enumerate(MPII_16.keypoints) if name not in EXCLUDED]
    with np.errstate(invalid='ignore'):
        return 100 * hits / total, float(100 * hits[counted].sum() / total[counted].sum())


PoseOfBoxes = Callable[[ByteArray, Boxes], Result]
"""A pipeline that finds a pose for each box."""


@dataclass(frozen=True, eq=False)
class MpiiPeople:
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
        poses = pipeline(sample.image, Boxes.certain(sample.boxes)).poses
        return poses[0].keypoints[:, :2].astype(float) if poses else np.full((len(MPII_16), 2), np.nan)

    def score(self, found: dict[int, FloatArray]) -> dict[str, float]:
        """Return PCKh in percent: the published mean, the strict one and each keypoint's, as far as there are any."""
        chosen = sorted(found)
        predicted = np.array([found[index] for index in chosen]).reshape(-1, len(MPII_16), 2)
        truth = self.truth
        sizes = head_sizes(truth.head_boxes[chosen])
        score = pckh(predicted, truth.keypoints[chosen], truth.visible[chosen] > 0, sizes)
        numbers = score.as_dict()
        numbers = {MEAN_NAME: numbers.pop('mean'), STRICT_NAME: numbers.pop('mean@0.1'), **numbers}
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
