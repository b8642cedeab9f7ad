"""COCO's keypoint score: ten numbers, and precision over recall, calculated by pycocotools."""

import contextlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.evaluation.detections import check_detections
from pose_estimation_ros.evaluation.ground_truth import indexed

if TYPE_CHECKING:
    from pycocotools.coco import COCO

MAX_DETECTIONS = 20  # Maximum number of people per image, best first
ROWS = {
    '': ('0.50:0.95', 'all'),
    '50': ('0.50', 'all'),
    '75': ('0.75', 'all'),
    'm': ('0.50:0.95', 'medium'),
    'l': ('0.50:0.95', 'large'),
}
"""Suffix of AP and AR in the name of a number -> OKS thresholds, sizes of people."""

THRESHOLDS = {'50': 0, '75': 5}
AREAS = {'all': 0, 'medium': 1, 'large': 2}
NUMBERS = tuple(f'{kind}{row}' for kind in ('AP', 'AR') for row in ROWS)


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    thresholds: FloatArray  # (10,) minimum OKS of a true positive: 0.5 to 0.95
    recalls: FloatArray  # (101,) from 0 to 1
    precision: FloatArray  # (10, 101), NaN if the truth has nobody


@dataclass(frozen=True)
class CocoScore:
    """COCO's ten numbers from 0 to 1; NaN if the truth has no such people (pycocotools has -1)."""

    AP: float
    AP50: float
    AP75: float
    APm: float
    APl: float
    AR: float
    AR50: float
    AR75: float
    ARm: float
    ARl: float
    curves: PrecisionRecall | None = field(default=None, kw_only=True, repr=False, compare=False)

    def as_dict(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in NUMBERS}

    def as_json(self) -> dict[str, float | None]:
        """Return the ten numbers by name, None for NaN, which JSON does not have."""
        return {name: None if math.isnan(value) else value for name, value in self.as_dict().items()}

    def table(self, max_detections: int = MAX_DETECTIONS) -> str:
        """Return the numbers as COCO prints them, -1 for NaN."""
        shown = {name: -1.0 if math.isnan(value) else value for name, value in self.as_dict().items()}
        return '\n'.join(f' {coco_label(name, max_detections)} = {value:0.3f}' for name, value in shown.items())


def coco_label(name: str, max_detections: int = MAX_DETECTIONS) -> str:
    """Return the text that COCO prints before one of the ten numbers."""
    title = 'Average Precision' if name.startswith('AP') else 'Average Recall'
    thresholds, area = ROWS[name[2:]]
    return f'{title:<18} ({name[:2]}) @[ IoU={thresholds:<9} | area={area:>6} | maxDets={max_detections:>3} ]'


def coco_score(
    truth: 'dict[str, Any] | Path | COCO',
    detections: Sequence[dict[str, Any]],
    image_ids: Sequence[int] | None = None,
    max_detections: int = MAX_DETECTIONS,
    skeleton: Skeleton = COCO_17,
) -> CocoScore:
    """Score detections (see `coco_detection`) as COCO does.

    The truth is the content or the file of COCO keypoint annotations, or these as read by pycocotools. Without
    `image_ids` all its images are scored, including those without people. The sigmas are the skeleton's.

    Raises:
        DatasetError: The truth is not COCO keypoint annotations.
        EvaluationError: The detections do not match the truth, or pycocotools is not installed.

    """
    people = indexed(truth, skeleton)
    from pycocotools.cocoeval import COCOeval

    check_detections(detections, skeleton)
    _check_fit(people, detections, image_ids)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(people, _results(people, detections), 'keypoints')
        settings = evaluation.params
        settings.kpt_oks_sigmas, settings.maxDets = np.array(skeleton.sigmas), [max_detections]
        if image_ids is not None:
            settings.imgIds = list(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval['precision'], evaluation.eval['recall']  # (T, R, K, A, 1), (T, K, A, 1)
    numbers = [_mean(values, row) for values in (precision, recall) for row in ROWS]
    everybody = precision[:, :, 0, AREAS['all'], -1]  # (T, R)
    curves = PrecisionRecall(
        np.array(settings.iouThrs), np.array(settings.recThrs), np.where(everybody < 0, np.nan, everybody)
    )
    return CocoScore(*numbers, curves=curves)


def _results(truth: 'COCO', detections: Sequence[dict[str, Any]]) -> 'COCO':
    """Return detections in pycocotools' form; its own reader fails for an empty list."""
    from pycocotools.coco import COCO

    if detections:
        return truth.loadRes([dict(detection) for detection in detections])
    empty = COCO()
    empty.dataset = {**truth.dataset, 'annotations': []}
    empty.createIndex()
    return empty


def _check_fit(truth: 'COCO', detections: Sequence[dict[str, Any]], image_ids: Sequence[int] | None) -> None:
    """Raise EvaluationError if images or categories are not in the truth."""
    known = set(truth.imgs)
    if image_ids is not None and not len(image_ids):
        raise EvaluationError('image_ids is empty; give the images to score, or None for all')
    for what, ids in (
        ('detections are', [each['image_id'] for each in detections]),
        ('image_ids are', image_ids or []),
    ):
        if unknown := sorted(set(ids) - known):
            raise EvaluationError(
                f'{what} of {counted(len(unknown), "image")} not among the {len(known)} of the truth, such as '
                f'{unknown[0]}; they belong to another annotation file'
            )
    if categories := {each['category_id'] for each in detections} - set(truth.cats):
        raise EvaluationError(
            f'detections are of category {min(categories)}, the truth has {", ".join(map(str, sorted(truth.cats)))}'
        )


def _mean(values: FloatArray, row: str) -> float:
    """Return the mean of (T, ..., A, 1) values for one row of the table, without the -1 of missing people."""
    of_people = values[..., AREAS[ROWS[row][1]], 0]
    chosen = of_people[THRESHOLDS[row]] if row in THRESHOLDS else of_people
    measured = chosen[chosen > -1]
    return float(measured.mean()) if measured.size else math.nan
