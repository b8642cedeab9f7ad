"""Ground truth in COCO's format out of samples, so that every dataset can be scored."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.sample import NOT_LABELLED, Sample
from pose_estimation_ros.evaluation.detections import PERSON


def coco_truth(samples: Iterable[tuple[int, Sample]], skeleton: Skeleton) -> dict[str, Any]:
    """Return COCO keypoint annotations, in the order of COCO_17, of samples and their image ids.

    Joints that COCO does not have are left out, and those that the samples' skeleton lacks are not labelled. Every
    connected place where the sample's mask is 0 becomes a crowd: people found there are neither right nor wrong. x and
    y are half a pixel more than in the sample, see `coco_detection`.

    Args:
        samples: Image ids, unlike each other, and samples. Only one sample is kept in memory at a time.
        skeleton: That of the samples.

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


def _people(sample: Sample, skeleton: Skeleton) -> list[dict[str, Any]]:
    people = []
    for joints, box, area in zip(sample.joints, sample.boxes, sample.areas, strict=True):
        keypoints = coco_keypoints(joints, skeleton)
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


def coco_keypoints(joints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Return joints (K, 3) of a skeleton as COCO's (17, 3): half a pixel on, zeros where not labelled."""
    converted = np.nan_to_num(skeleton.convert(joints, COCO_17).astype(float))
    labelled = converted[:, 2:] > NOT_LABELLED
    return np.where(labelled, converted + [PIXEL_CORNER, PIXEL_CORNER, 0], 0)


def _crowds(mask: AnyArray) -> list[dict[str, Any]]:
    count, _, statistics, _ = cv2.connectedComponentsWithStats((mask == 0).astype(np.uint8), connectivity=8)
    return [
        {
            'iscrowd': 1,
            'num_keypoints': 0,
            'keypoints': [0.0] * (3 * len(COCO_17)),
            'bbox': statistics[place, :4].astype(float).tolist(),
            'area': float(statistics[place, cv2.CC_STAT_AREA]),
        }
        for place in range(1, count)  # 0 is what counts
    ]
