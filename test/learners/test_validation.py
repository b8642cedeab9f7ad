"""Scores in training are those that `evaluate` gives, however many processes share the pictures."""

import json
import random

import numpy as np
import pytest

from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople
from pose_estimation_ros.evaluation.coco_score import coco_score
from pose_estimation_ros.evaluation.detections import coco_detection
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.learners.pictures import coco_pictures, drawn_pictures, together
from pose_estimation_ros.learners.validation import CocoValidation
from pose_estimation_ros.methods.systems import find_method

METHOD = find_method('lightweight_openpose')
HEIGHT = 160


@pytest.fixture(scope='module')
def annotations(assets):
    return assets / 'coco' / 'annotations' / 'person_keypoints_train2017.json'


@pytest.fixture(scope='module')
def pictures(assets, annotations):
    return coco_pictures(assets / 'coco' / 'train2017', annotations).subset(10)


@pytest.fixture(scope='module')
def network(assets):
    state_dict, options = METHOD.read_checkpoint(assets / 'weights' / 'lwop_omz.pth')
    network = METHOD.network(options)
    METHOD.fit_weights(network, state_dict)
    return network.eval()


@pytest.mark.slow
def test_shares_of_processes_make_the_score_of_one(pictures, network):
    validation = CocoValidation(METHOD, pictures, HEIGHT)
    alone = validation.score([validation.run(network, 0, 1)])
    shared = validation.score([validation.run(network, rank, 3) for rank in range(3)])
    assert alone['AP'] > 0.05
    assert shared == pytest.approx(alone, abs=1e-9)


@pytest.mark.slow
def test_score_is_the_offline_one(pictures, network, assets, annotations):
    validation = CocoValidation(METHOD, pictures, HEIGHT)
    scores = validation.score([validation.run(network, 0, 1)])
    learner = LightweightOpenPoseLearner(device='cpu', base_height=HEIGHT, mobilenet_use_stride=False, backend='torch')
    learner.load(assets / 'weights' / 'lwop_omz.pth')
    detections = [
        coco_detection(pose, image_id)
        for image_id, path in pictures.entries()
        for pose in learner.infer(path, track=False)
    ]
    ids = [image_id for image_id, _ in pictures.entries()]
    assert scores == pytest.approx(coco_score(annotations, detections, ids).as_dict(), abs=1e-6, nan_ok=True)


def test_subset_is_the_published_choice(pictures, annotations):
    """Thus a recipe's score is that of `evaluate --subset`."""
    every = [image['id'] for image in json.loads(annotations.read_text())['images']]
    shuffled = list(every)
    random.Random(0).shuffle(shuffled)
    chosen = [image_id for image_id, _ in pictures.sources]
    assert chosen == sorted(shuffled[:10], key=every.index)
    assert {each['image_id'] for each in pictures.truth['annotations']} <= set(chosen)
    assert len(pictures.truth['images']) == len(pictures) == 10


def test_subset_of_drawn_pictures_is_chosen_alike():
    shuffled = list(range(12))
    random.Random(0).shuffle(shuffled)
    chosen = drawn_pictures(SyntheticPeople(12, (64, 64), (1, 1)), 4)
    assert [image_id for image_id, _ in chosen.sources] == sorted(shuffled[:4])
    assert [image['id'] for image in chosen.truth['images']] == sorted(shuffled[:4])


def test_parts_are_scored_together_under_ids_of_their_own():
    parts = [drawn_pictures(SyntheticPeople(count, (64, 64), (1, 1), seed)) for count, seed in ((3, 1), (2, 2))]
    both = together(parts)
    assert [image_id for image_id, _ in both.sources] == [image['id'] for image in both.truth['images']] == [*range(5)]
    assert sorted(each['image_id'] for each in both.truth['annotations']) == [0, 1, 2, 3, 4]
    drawn = dict(both.entries())
    for place, (_, original) in enumerate([*parts[0].entries(), *parts[1].entries()]):
        assert (drawn[place] == original).all()
    assert sorted(image_id for rank in (0, 1) for image_id, _ in both.entries(rank, 2)) == [*range(5)]


def test_perfect_poses_score_one():
    """The truth made of samples and the detections made of poses agree on where a pixel's centre is."""
    from pose_estimation_ros.core.pose import Pose

    people = SyntheticPeople(4, (128, 128), (1, 1), 5)
    pictures = drawn_pictures(people)
    validation = CocoValidation(METHOD, pictures, HEIGHT)
    found = []
    for index in range(4):
        for person in people.sample(index).joints:
            missing = person[:, 2:] == 0
            keypoints = np.where(missing, [np.nan, np.nan, 0], np.column_stack([person[:, :2], np.ones(len(person))]))
            found.append(coco_detection(Pose(keypoints.astype(np.float32), 1.0, people.skeleton), index))
    assert validation.score([found])['AP'] == pytest.approx(1.0)
