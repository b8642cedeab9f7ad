"""Where people are in a dataset's pictures, as annotations or files of detections say."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.boxes import Boxes, with_margin
from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.evaluation.detections import PERSON, read_json

Rows = Iterable[tuple[int, Any, float]]


def truth_boxes(truth: dict[str, Any]) -> dict[int, Boxes]:
    """Return the boxes, by image id, of annotated people with labelled keypoints who are no crowd."""
    people = [
        each for each in truth['annotations'] if not each.get('iscrowd') and any(each['keypoints'][2::3])
    ]  # fmt: skip
    return _by_image((each['image_id'], each['bbox'], 1.0) for each in people if each.get('bbox'))


def read_boxes(path: Path) -> dict[int, Boxes]:
    """Return the boxes of people in a file of COCO's detection results, by image id.

    Keypoints without a bbox, as `evaluate` writes them of any method, are boxes with a margin; scores are at most 1.
    Raises EvaluationError where the file is not a list of objects with image_id, bbox or keypoints, and score.
    """
    content = read_json(path, EvaluationError)
    if not isinstance(content, list):
        raise EvaluationError(
            f'{path} must be a list of boxes with image_id, bbox and score, or of poses, as COCO results are'
        )
    content = [_with_box(each) for each in content]
    for place, each in enumerate(content):
        if not _is_box(each):
            raise EvaluationError(
                f'box {place} of {path} must be an object with image_id, bbox (x, y, width, height) and score, got'
                f' {str(each)[:80]}'
            )
    people = [each for each in content if each.get('category_id', PERSON) == PERSON]
    return _by_image((each['image_id'], each['bbox'], min(each['score'], 1)) for each in people)


def _with_box(each: Any) -> Any:
    """Return a pose with a box around the keypoints that were found; anything else as it is."""
    keypoints = each.get('keypoints') if isinstance(each, dict) and 'bbox' not in each else None
    try:
        rows = np.array(keypoints, dtype=float).reshape(-1, 3)
    except (TypeError, ValueError):
        return each
    found = rows[rows[:, 2] > 0, :2]
    if not len(found):
        return each
    low, high = found.min(axis=0), found.max(axis=0)
    return {**each, 'bbox': with_margin(np.concatenate([low, high - low])[None])[0].tolist()}


def _is_box(each: Any) -> bool:
    if not isinstance(each, dict) or not isinstance(each.get('image_id'), int):
        return False
    box = each.get('bbox')
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) for value in (*box, each.get('score')))
    )


def _by_image(rows: Rows) -> dict[int, Boxes]:
    """Return boxes by image; COCO's count from a pixel's corner, this package's from its centre."""
    found = defaultdict(list)
    for image_id, box, score in rows:
        found[image_id].append((*box, score))
    arrays = {image_id: np.array(each, dtype=float) for image_id, each in found.items()}
    return {
        image_id: Boxes(each[:, :4] - [PIXEL_CORNER, PIXEL_CORNER, 0, 0], each[:, 4])
        for image_id, each in arrays.items()
    }
