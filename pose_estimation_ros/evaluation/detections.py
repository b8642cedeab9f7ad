"""Detections in COCO's result format: poses and boxes, made, written, read and checked."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.boxes import Boxes, with_margin
from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.files import read_json, write_json
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.sample import boxes_of

PERSON = 1  # COCO's id of the category
KEYS = ('image_id', 'category_id', 'keypoints', 'score')


def coco_detection(pose: Pose, image_id: int, skeleton: Skeleton = COCO_17) -> dict[str, Any]:
    """Return a pose in COCO's result format.

    x and y are PIXEL_CORNER greater than the pose's. A missing keypoint is 0, 0, 0, a found one has the flag 1. The
    score is the pose's `ranking` if it has one.
    """
    rows = pose.skeleton.convert(pose.keypoints, skeleton).astype(float)
    found = np.isfinite(rows[:, :1])
    rows = np.where(found, np.column_stack([rows[:, :2] + PIXEL_CORNER, found]), 0)
    score = pose.score if pose.ranking is None else pose.ranking
    return {'image_id': int(image_id), 'category_id': PERSON, 'keypoints': rows.ravel().tolist(), 'score': float(score)}


def write_detections(path: Path, detections: Iterable[dict[str, Any]]) -> None:
    write_json(path, list(detections), indent=4)


def read_detections(path: Path, skeleton: Skeleton = COCO_17) -> list[dict[str, Any]]:
    """Read a file of detections; raises EvaluationError if it is invalid."""
    detections = read_json(path, EvaluationError)
    check_detections(detections, skeleton, str(path))
    return list(detections)


def check_detections(detections: Any, skeleton: Skeleton = COCO_17, source: str = 'the detections') -> None:
    """Raise EvaluationError unless these are detections with keypoints of the skeleton."""
    if not isinstance(detections, Sequence) or isinstance(detections, str):
        got = f'an object with {_few(detections)}' if isinstance(detections, dict) else type(detections).__name__
        raise EvaluationError(
            f'{source} must be a list of detections with {", ".join(KEYS)}, got {got}; COCO result files are such lists'
        )
    for index, detection in enumerate(detections):
        if problem := _problem(detection, 3 * len(skeleton)):
            raise EvaluationError(f'detection {index} of {source} {problem}')


def _problem(detection: Any, length: int) -> str:
    """Return the error of one detection, '' if it is valid."""
    if not isinstance(detection, dict):
        return f'must be an object with {", ".join(KEYS)}, got {type(detection).__name__}'
    if missing := [key for key in KEYS if key not in detection]:
        return f'lacks {", ".join(missing)}; it has {_few(detection)}'
    numbers = detection['keypoints']
    if not isinstance(numbers, Sequence) or len(numbers) != length:
        got = len(numbers) if isinstance(numbers, Sequence) else type(numbers).__name__
        return f'must have {length} keypoint numbers (x, y, flag each), got {got}'
    if not all(isinstance(each, int | float) and np.isfinite(each) for each in (*numbers, detection['score'])):
        return 'has keypoints or a score that are not finite numbers'
    if not isinstance(detection['image_id'], int) or not isinstance(detection['category_id'], int):
        return f'must have whole numbers as image_id and category_id, got {detection["image_id"]!r}'
    return ''


def _few(value: dict[str, Any]) -> str:
    keys = ', '.join(map(str, list(value)[:5]))
    return (keys + ', ...' if len(value) > 5 else keys) or 'nothing in it'


def read_boxes(path: Path) -> dict[int, Boxes]:
    """Return the boxes of people in a file of COCO detection results, by image id.

    Keypoints without a bbox, as written by `evaluate`, become boxes with a margin; scores are clipped to 1. Raises
    EvaluationError unless the file is a list of objects with image_id, bbox or keypoints, and score.
    """
    content = read_json(path, EvaluationError)
    if not isinstance(content, list):
        raise EvaluationError(
            f'{path} must be a list of boxes with image_id, bbox and score, or of poses, as COCO results are'
        )
    content = [_with_box(each) for each in content]
    for index, each in enumerate(content):
        if not _is_box(each):
            raise EvaluationError(
                f'box {index} of {path} must be an object with image_id, bbox (x, y, width, height) and score, got'
                f' {str(each)[:80]}'
            )
    people = [each for each in content if each.get('category_id', PERSON) == PERSON]
    return boxes_by_image((each['image_id'], each['bbox'], min(each['score'], 1)) for each in people)


def _with_box(each: Any) -> Any:
    """Return a pose with a box around the found keypoints; anything else unchanged."""
    keypoints = each.get('keypoints') if isinstance(each, dict) and 'bbox' not in each else None
    try:
        rows = np.array(keypoints, dtype=float).reshape(-1, 3)
    except (TypeError, ValueError):
        return each
    return {**each, 'bbox': with_margin(boxes_of(rows[None]))[0].tolist()} if (rows[:, 2] > 0).any() else each


def _is_box(each: Any) -> bool:
    if not isinstance(each, dict) or not isinstance(each.get('image_id'), int):
        return False
    box = each.get('bbox')
    numbers = (*box, each.get('score')) if isinstance(box, list) else ()
    return len(numbers) == 5 and all(isinstance(value, int | float) for value in numbers)


def boxes_by_image(rows: Iterable[tuple[int, Any, float]]) -> dict[int, Boxes]:
    """Return boxes by image id, counted from pixel centres."""
    found = defaultdict(list)
    for image_id, (x, y, *size), score in rows:
        found[image_id].append((x - PIXEL_CORNER, y - PIXEL_CORNER, *size, score))
    arrays = {image_id: np.array(each, dtype=float) for image_id, each in found.items()}
    return {image_id: Boxes(each[:, :4], each[:, 4]) for image_id, each in arrays.items()}
