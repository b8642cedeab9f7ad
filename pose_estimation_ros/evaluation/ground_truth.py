"""Ground truth in COCO's format: read and checked, made from samples, and indexed for pycocotools."""

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import DatasetError, EvaluationError
from pose_estimation_ros.core.files import read_json
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.core.packages import require_package
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.sample import NOT_LABELLED, Sample, boxes_of
from pose_estimation_ros.evaluation.detections import PERSON, boxes_by_image

if TYPE_CHECKING:
    from pycocotools.coco import COCO

PARTS = ('images', 'annotations', 'categories')
REQUIRED = ('image_id', 'keypoints', 'area')


def read_truth(path: Path, skeleton: Skeleton = COCO_17) -> dict[str, Any]:
    """Read and check an annotation file; raises DatasetError."""
    truth = read_json(path, DatasetError)
    check_truth(truth, skeleton, str(path))
    return dict(truth)


def check_truth(truth: Any, skeleton: Skeleton = COCO_17, source: str = 'the truth') -> None:
    """Raise DatasetError unless these are keypoint annotations of the skeleton with at least one image."""
    if not isinstance(truth, dict) or any(not isinstance(truth.get(part), list) for part in PARTS):
        got = ', '.join(map(str, truth)) if isinstance(truth, dict) else type(truth).__name__
        raise DatasetError(
            f'{source} must be COCO keypoint annotations with the lists {", ".join(PARTS)}, got {got or "nothing"}'
        )
    if not truth['images']:
        raise DatasetError(f'{source} has no images; there is nothing to score')
    if any(not isinstance(image, dict) or not isinstance(image.get('id'), int) for image in truth['images']):
        raise DatasetError(f'every image of {source} must be an object with a whole number as id')
    known = {image['id'] for image in truth['images']}
    for index, annotation in enumerate(truth['annotations']):
        if problem := _problem(annotation, known, 3 * len(skeleton)):
            raise DatasetError(f'annotation {index} of {source} {problem}')


def _problem(annotation: Any, known: set[int], length: int) -> str:
    """Return the error of one annotation, '' if it is valid."""
    if not isinstance(annotation, dict):
        return f'must be an object, got {type(annotation).__name__}'
    if missing := [key for key in REQUIRED if key not in annotation]:
        hint = '; is this a file of boxes rather than person_keypoints?' if 'keypoints' in missing else ''
        return f'lacks {", ".join(missing)}{hint}'
    if len(annotation['keypoints']) != length:
        return f'must have {length} keypoint numbers (x, y, flag each), got {len(annotation["keypoints"])}'
    if annotation['image_id'] not in known:
        return f'is of image {annotation["image_id"]}, which the file does not list'
    return ''


def require_pycocotools() -> None:
    require_package('pycocotools.cocoeval', 'scoring', EvaluationError)


def indexed(truth: 'dict[str, Any] | Path | COCO', skeleton: Skeleton = COCO_17) -> 'COCO':
    """Return a copy of the truth in pycocotools' form, which scoring may modify.

    Annotations are renumbered from 1, because pycocotools treats a match with id 0 as no match. Raises DatasetError if
    it is not COCO keypoint annotations, and EvaluationError if pycocotools is not installed.
    """
    require_pycocotools()
    from pycocotools.coco import COCO

    if isinstance(truth, Path | str):
        truth = read_truth(Path(truth), skeleton)
    else:
        truth = truth.dataset if isinstance(truth, COCO) else truth
        check_truth(truth, skeleton)
    coco = COCO()
    people = enumerate(truth['annotations'], start=1)
    coco.dataset = {
        'info': {},
        'images': truth['images'],
        'categories': truth['categories'],
        'annotations': [{**_completed(person), 'id': number} for number, person in people],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _completed(person: dict[str, Any]) -> dict[str, Any]:
    """Return an annotation with the fields that pycocotools reads and that are optional here."""
    keypoints = np.reshape(person['keypoints'], (1, -1, 3))
    labelled, box = int((keypoints[..., 2] > NOT_LABELLED).sum()), boxes_of(keypoints)[0].tolist()
    return {'category_id': PERSON, 'iscrowd': 0, 'num_keypoints': labelled, 'bbox': box, **person}


def coco_truth(samples: Iterable[tuple[int, Sample]], skeleton: Skeleton) -> dict[str, Any]:
    """Return COCO keypoint annotations in the order of COCO_17 for image ids and samples of a skeleton.

    Keypoints that COCO lacks are dropped, and those that the samples' skeleton lacks are not labelled. Every connected
    region in which the sample's mask is 0 becomes a crowd, in which detections are ignored. x and y are PIXEL_CORNER
    greater than in the sample. Only one sample is in memory at a time.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, sample in samples:
        height, width = sample.image.shape[:2]
        name = str(sample.extras.get('path', image_id))
        images.append({'id': int(image_id), 'file_name': name, 'height': height, 'width': width})
        for entry in [*_people(sample, skeleton), *_crowds(sample.mask)]:
            annotations.append({'id': len(annotations) + 1, 'image_id': int(image_id), 'category_id': PERSON, **entry})
    category = {'id': PERSON, 'name': 'person', 'supercategory': 'person', 'keypoints': list(COCO_17.keypoints)}
    skeleton_limbs = [[a + 1, b + 1] for a, b in COCO_17.limbs]
    return {'images': images, 'annotations': annotations, 'categories': [{**category, 'skeleton': skeleton_limbs}]}


def truth_boxes(truth: dict[str, Any]) -> dict[int, Boxes]:
    """Return the boxes, by image id, of annotated people with labelled keypoints, without crowds."""
    people = [each for each in truth['annotations'] if not each.get('iscrowd') and any(each['keypoints'][2::3])]
    return boxes_by_image((each['image_id'], each['bbox'], 1.0) for each in people if each.get('bbox'))


def _people(sample: Sample, skeleton: Skeleton) -> list[dict[str, Any]]:
    people = []
    for keypoints, box, area in zip(sample.keypoints, sample.boxes, sample.areas, strict=True):
        keypoints = coco_keypoints(keypoints, skeleton)
        x, y, width, height = box.tolist()
        people.append(
            {
                'iscrowd': 0,
                'num_keypoints': int((keypoints[:, 2] > NOT_LABELLED).sum()),
                'keypoints': keypoints.ravel().tolist(),
                'bbox': [x + PIXEL_CORNER, y + PIXEL_CORNER, width, height],
                'area': float(area),
            }
        )
    return people


def coco_keypoints(keypoints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Return keypoints (K, 3) of a skeleton in COCO's form (17, 3), zeros if not labelled."""
    converted = np.nan_to_num(skeleton.convert(keypoints, COCO_17).astype(float))
    labelled = converted[:, 2:] > NOT_LABELLED
    return np.where(labelled, converted + [PIXEL_CORNER, PIXEL_CORNER, 0], 0)


def _crowds(mask: AnyArray) -> list[dict[str, Any]]:
    count, _, statistics, _ = cv2.connectedComponentsWithStats((mask == 0).astype(np.uint8), connectivity=8)
    return [
        {
            'iscrowd': 1,
            'num_keypoints': 0,
            'keypoints': [0.0] * (3 * len(COCO_17)),
            'bbox': statistics[component, :4].astype(float).tolist(),
            'area': float(statistics[component, cv2.CC_STAT_AREA]),
        }
        for component in range(1, count)  # 0 is the rest of the image
    ]
