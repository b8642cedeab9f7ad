"""Who was found, and how well each keypoint."""

import numpy as np
import pytest

from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.evaluation.matching import keypoint_scores, match_images

NOSE, WRIST = COCO_17.index('nose'), COCO_17.index('l_wri')


def test_everybody_is_found_once(make):
    truth = make.truth({1: [make.person(150, 150), make.person(400, 200)]})
    found = [
        make.detection(1, make.person(402, 200), 0.9),
        make.detection(1, make.person(150, 150), 0.5),
        make.detection(1, make.person(153, 150), 0.8),
    ]
    (match,) = match_images(truth, found, [1])
    assert match.found[:, NOSE, 0].tolist() == [402, 153, 150]  # by score
    assert match.partner.tolist() == [2, 0]
    assert match.oks[0] == pytest.approx(1)
    assert 0.5 < match.oks[1] < 1
    assert match.false_positives == 1
    assert match.loss == pytest.approx(1.5 - match.oks[1])


def test_missed_people_and_crowds(make):
    truth = make.truth({1: [make.person(150, 150), make.person(400, 200), make.person(250, 150, flags=0)], 2: []})
    truth['annotations'][1]['iscrowd'] = 1
    truth['annotations'][2] |= {'bbox': [230, 80, 60, 180], 'area': 5000.0}
    found = [make.detection(1, make.person(400, 200)), make.detection(1, make.person(260, 160))]
    first, second = match_images(truth, found, [1, 2])
    assert first.partner.tolist() == [-1]
    assert first.oks.tolist() == [0]
    assert (first.false_positives, first.loss) == (0, 1)
    assert (len(second.truth), len(second.found), second.loss) == (0, 0, 0)


def test_detections_below_a_score_are_left_out(make):
    truth = make.truth({1: [make.person(150, 150)]})
    found = [make.detection(1, make.person(150, 150), 0.2)]
    assert match_images(truth, found, [1], threshold=0.3)[0].oks.tolist() == [0]
    assert match_images(truth, found, [1], threshold=0.1)[0].oks == pytest.approx([1])


def test_keypoints(make):
    truth = make.truth({1: [make.person(150, 150)], 2: [make.person(300, 200)], 3: [make.person(90, 90)]})
    for row in truth['annotations']:
        row['area'] = 10000.0
    moved, without = make.person(150, 150), make.person(300, 200)
    moved[NOSE, 0] += 4
    without[WRIST] = 0
    scores = keypoint_scores(match_images(truth, [make.detection(1, moved), make.detection(2, without)], [1, 2, 3]))
    assert scores.found[WRIST] == 50
    assert scores.found[NOSE] == 100
    assert scores.distance[NOSE] == pytest.approx(2)  # the median of 4 and 0 percent
    assert scores.distance[WRIST] == pytest.approx(0)
    assert scores.similarity[WRIST] == pytest.approx(0.5)
    nose = np.exp(-16 / (2 * 10000 * (2 * 0.026) ** 2))
    assert scores.similarity[NOSE] == pytest.approx((1 + nose) / 2)


def test_keypoints_that_nobody_has(make):
    person = make.person(150, 150)
    person[WRIST, 2] = 0
    scores = keypoint_scores(match_images(make.truth({1: [person]}), [make.detection(1, person)], [1]))
    assert np.isnan([scores.similarity[WRIST], scores.distance[WRIST], scores.found[WRIST]]).all()
    assert scores.similarity[NOSE] == pytest.approx(1)
    assert np.isnan(keypoint_scores([]).similarity).all()
