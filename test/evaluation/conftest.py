"""Truth and detections of a few people, made up."""

import copy

import numpy as np
import pytest

from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17

STANDING = np.array(
    [
        *((0, -60), (4, -64), (-4, -64), (9, -61), (-9, -61), (20, -40), (-20, -40), (28, -10), (-28, -10)),
        *((30, 18), (-30, 18), (13, 20), (-13, 20), (14, 60), (-14, 60), (14, 100), (-14, 100)),
    ],
    dtype=float,
)
"""(17, 2) keypoints of someone 164 pixels tall, about the middle."""


def person(x, y, scale=1.0, flags=2):
    xy = STANDING * scale + (x, y)
    return np.column_stack([xy, np.full(17, flags)])


def annotation(image_id, keypoints, **fields):
    labelled = keypoints[keypoints[:, 2] > 0, :2]
    corner, size = (labelled.min(0), np.ptp(labelled, axis=0)) if len(labelled) else (np.zeros(2), np.zeros(2))
    return {
        'image_id': image_id,
        'category_id': 1,
        'iscrowd': 0,
        'num_keypoints': len(labelled),
        'keypoints': keypoints.ravel().tolist(),
        'bbox': [*corner.tolist(), *size.tolist()],
        'area': float(size.prod()) * 0.6,
        **fields,
    }


def detection(image_id, keypoints, score=1.0):
    return {'image_id': image_id, 'category_id': 1, 'keypoints': keypoints.ravel().tolist(), 'score': score}


def truth_of(people, images=None):
    """COCO truth of {image id: [keypoints (17, 3), ...]}."""
    rows = [annotation(image_id, keypoints) for image_id, each in people.items() for keypoints in each]
    return {
        'images': [{'id': each, 'file_name': f'{each}.png', 'width': 640, 'height': 480} for each in images or people],
        'annotations': [{'id': number, **row} for number, row in enumerate(rows)],
        'categories': [{'id': 1, 'name': 'person'}],
    }


PEOPLE = {1: [person(150, 150), person(400, 200, 1.3)], 2: [person(300, 240, 0.4)], 5: []}


@pytest.fixture
def truth():
    """Three images: two large people, one medium, nobody."""
    return copy.deepcopy(truth_of(PEOPLE))


@pytest.fixture
def perfect():
    """Detections that are the truth itself."""
    return [detection(image_id, keypoints) for image_id, people in PEOPLE.items() for keypoints in people]


@pytest.fixture
def poses():
    """The truth as poses, by image id: half a pixel less, as this package counts."""
    return {
        image_id: [Pose(keypoints - [0.5, 0.5, 1], 1.0, COCO_17) for keypoints in people]
        for image_id, people in PEOPLE.items()
    }


@pytest.fixture(scope='session')
def make():
    """The functions above, for tests that make their own."""

    class Make:
        person = staticmethod(person)
        annotation = staticmethod(annotation)
        detection = staticmethod(detection)
        truth = staticmethod(truth_of)

    return Make
