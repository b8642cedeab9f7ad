"""From poses and samples to COCO's files and back: half a pixel, missing keypoints, crowds."""

import json

import numpy as np
import pytest

from pose_estimation_ros.core.errors import EvaluationError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, MPII_16, OPENPOSE_18
from pose_estimation_ros.data.sample import Sample, boxes_of
from pose_estimation_ros.evaluation.coco_score import coco_score
from pose_estimation_ros.evaluation.detections import coco_detection, read_boxes, read_detections, write_detections
from pose_estimation_ros.evaluation.ground_truth import coco_truth


def pose_of(skeleton, **placed):
    keypoints = np.full((len(skeleton), 3), np.nan)
    for name, xy in placed.items():
        keypoints[skeleton.index(name)] = (*xy, 0.9)
    return Pose(keypoints, 3.0, skeleton)


def test_a_detection_counts_from_the_corner_of_a_pixel():
    detection = coco_detection(pose_of(OPENPOSE_18, nose=(10, 20), neck=(5, 5), r_ank=(7.25, 0)), 42)
    rows = np.reshape(detection['keypoints'], (17, 3))
    assert rows[COCO_17.index('nose')].tolist() == [10.5, 20.5, 1]
    assert rows[COCO_17.index('r_ank')].tolist() == [7.75, 0.5, 1]
    assert np.count_nonzero(rows) == 6
    assert detection['image_id'] == 42
    assert detection['category_id'] == 1


def test_the_score_is_the_ranking_where_there_is_one():
    pose = pose_of(COCO_17, nose=(1, 1))
    assert coco_detection(pose, 1)['score'] == 3.0
    assert coco_detection(Pose(pose.keypoints, 3.0, COCO_17, ranking=51.0), 1)['score'] == 51.0
    assert coco_detection(Pose(pose.keypoints, 3.0, COCO_17, ranking=0.0), 1)['score'] == 0.0


def test_another_skeleton():
    detection = coco_detection(pose_of(MPII_16, head_top=(3, 4)), 1, MPII_16)
    assert len(detection['keypoints']) == 48
    assert detection['keypoints'][27:30] == [3.5, 4.5, 1]


def test_detections_survive_a_file(tmp_path, perfect):
    path = tmp_path / 'new' / 'detections.json'
    write_detections(path, perfect)
    assert read_detections(path) == perfect
    assert path.read_text().startswith('[\n    {\n        "image_id"')
    assert [each.name for each in path.parent.iterdir()] == ['detections.json']


def sample(keypoints, mask=None, image_hw=(480, 640), areas=None):
    keypoints = np.asarray(keypoints, dtype=float)
    return Sample(
        image=np.zeros((*image_hw, 3), np.uint8),
        mask=np.ones(image_hw, np.uint8) if mask is None else mask,
        keypoints=keypoints,
        boxes=boxes_of(keypoints),
        areas=np.full(len(keypoints), 9000.0) if areas is None else np.asarray(areas, dtype=float),
        annotated=np.ones(keypoints.shape[1], bool),
        extras={'path': 'a/b.png'},
    )


@pytest.mark.parametrize('skeleton', [COCO_17, OPENPOSE_18])
def test_poses_of_samples_are_perfect(make, skeleton):
    """Truth and detections go through the same half pixel, whatever skeleton the sample has."""
    people = np.stack([make.person(150, 200), make.person(400, 240, flags=1)])
    keypoints = np.nan_to_num(np.stack([COCO_17.convert(each, skeleton) for each in people]))
    truth = coco_truth([(7, sample(keypoints)), (9, sample(keypoints[:1]))], skeleton)
    flags = truth['annotations'][1]['keypoints'][2::3]
    assert set(flags) == {1.0}
    found = [np.where(each[:, 2:] > 0, each, np.nan) for each in keypoints]
    detections = [coco_detection(Pose(each, 1.0, skeleton), image_id) for each in found for image_id in (7, 9)][:3]
    assert pytest.approx(1) == coco_score(truth, detections).AP
    assert json.loads(json.dumps(truth)) == truth


def test_fields(make):
    truth = coco_truth([(7, sample(make.person(150, 200)[None], areas=[1234]))], COCO_17)
    (person,) = truth['annotations']
    assert truth['images'] == [{'id': 7, 'file_name': 'a/b.png', 'height': 480, 'width': 640}]
    assert person['area'] == 1234
    assert person['num_keypoints'] == 17
    assert person['keypoints'][:3] == [150.5, 140.5, 2]
    assert person['bbox'] == [120.5, 136.5, 60, 164]
    assert truth['categories'][0]['keypoints'] == list(COCO_17.keypoints)


def test_keypoints_that_are_not_labelled_have_no_place(make):
    keypoints = make.person(150, 200)
    keypoints[5:, 2] = 0
    (person,) = coco_truth([(7, sample(keypoints[None]))], COCO_17)['annotations']
    assert person['num_keypoints'] == 5
    assert set(person['keypoints'][15:]) == {0}


def test_people_found_in_a_crowd_are_not_wrong(make):
    mask = np.ones((480, 640), np.uint8)
    mask[100:420, 400:600] = 0
    mask[:20, :20] = 0
    here, crowd = make.person(150, 200), make.person(500, 240)
    detections = [coco_detection(Pose(each, score, COCO_17), 7) for each, score in ((here, 1.0), (crowd, 2.0))]
    with_crowd = coco_truth([(7, sample(here[None], mask))], COCO_17)
    boxes = [each['bbox'] for each in with_crowd['annotations'] if each['iscrowd']]
    assert boxes == [[0, 0, 20, 20], [400, 100, 200, 320]]
    assert pytest.approx(1) == coco_score(with_crowd, detections).AP
    assert coco_score(coco_truth([(7, sample(here[None]))], COCO_17), detections).AP < 0.6


def test_synthetic_people():
    from pose_estimation_ros.synthetic import SceneSettings, generate_image

    frame = generate_image(5, SceneSettings(width=320, height=240, people=3, objects=0))
    keypoints = np.stack([person.keypoints for person in frame.people])
    whole = Sample(
        frame.image,
        np.ones(frame.image.shape[:2], np.uint8),
        keypoints,
        np.array([person.bbox for person in frame.people]),
        np.array([person.area for person in frame.people]),
        np.ones(18, bool),
    )
    truth = coco_truth([(1, whole)], OPENPOSE_18)
    labelled = [np.where(each[:, 2:] > 0, each, np.nan) for each in keypoints]
    detections = [coco_detection(Pose(each, 1.0), 1) for each in labelled]
    assert len(truth['annotations']) == len(frame.people)
    assert pytest.approx(1) == coco_score(truth, detections).AR


def test_poses_of_another_method_are_boxes_with_a_margin(tmp_path):
    pose = pose_of(OPENPOSE_18, nose=(10, 20), r_ank=(30, 60))
    write_detections(tmp_path / 'detections.json', [coco_detection(pose, 7)])
    (found,) = read_boxes(tmp_path / 'detections.json').items()
    assert found[0] == 7
    np.testing.assert_allclose(found[1].xywh, [[10 - 4, 20 - 4, 20 + 8, 40 + 8]])
    assert found[1].scores.tolist() == [1.0], 'the raw score of 3 is no share'


@pytest.mark.parametrize('keypoints', [[0, 0, 0] * 17, [1, 2], 'many', None])
def test_poses_without_keypoints_are_no_boxes(tmp_path, keypoints):
    row = {'image_id': 7, 'category_id': 1, 'keypoints': keypoints, 'score': 1}
    (tmp_path / 'detections.json').write_text(json.dumps([row]))
    with pytest.raises(EvaluationError, match=r'box 0 of .* must be an object with image_id, bbox'):
        read_boxes(tmp_path / 'detections.json')
