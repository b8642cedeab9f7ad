"""PCKh, MPII's score: the percentage of keypoints within a fraction of the head size of their true position."""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray
from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.skeleton import MPII_16, Skeleton

HEAD_SHARE = 0.6  # MPII's head size as a share of the diagonal of the head box (SC_BIAS in the published script)
STRICT = 0.1
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
