"""Scores in training are those that `evaluate` gives, however many processes share the images."""

import json
import random

import numpy as np
import pytest
import torch

from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople
from pose_estimation_ros.data.datasets.wrappers import InSkeleton
from pose_estimation_ros.evaluation.coco_score import coco_score
from pose_estimation_ros.evaluation.detections import coco_detection
from pose_estimation_ros.evaluation.scored_images import coco_images, combined, dataset_images, entry
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.methods.systems import SYSTEMS, find_method
from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.pose.task import Normalise, PoseData
from pose_estimation_ros.training.pose.validation import CocoValidation, LossValidation, pipeline_of
from pose_estimation_ros.training.task import Batch
from test.training.conftest import StickPeople, make_settings, make_task, unchanged

METHOD = find_method('lightweight_openpose')
HEIGHT = 160
PIPELINE = pipeline_of(METHOD, METHOD.options(), HEIGHT)


@pytest.fixture(scope='module')
def annotations(assets):
    return assets / 'coco' / 'annotations' / 'person_keypoints_train2017.json'


@pytest.fixture(scope='module')
def images(assets, annotations):
    return coco_images(assets / 'coco' / 'train2017', annotations).subset(10)


@pytest.fixture(scope='module')
def network(assets):
    state_dict, options = METHOD.read_checkpoint(assets / 'weights' / 'lwop_omz.pth')
    network = METHOD.network(options)
    METHOD.fit_weights(network, state_dict)
    return network.eval()


@pytest.mark.slow
def test_shares_of_processes_make_the_score_of_one(images, network):
    validation = CocoValidation(images, PIPELINE)
    alone = validation.score([validation.run(network, 0, 1, iter)])
    shared = validation.score([validation.run(network, rank, 3, iter) for rank in range(3)])
    assert alone['AP'] > 0.05
    assert shared == pytest.approx(alone, abs=1e-9)


@pytest.mark.slow
def test_score_is_the_offline_one(images, network, assets, annotations):
    validation = CocoValidation(images, PIPELINE)
    scores = validation.score([validation.run(network, 0, 1, iter)])
    learner = LightweightOpenPoseLearner(device='cpu', base_height=HEIGHT, mobilenet_use_stride=False, backend='torch')
    learner.load(assets / 'weights' / 'lwop_omz.pth')
    detections = [
        coco_detection(pose, image_id) for image_id, path in images.sources for pose in learner.infer(path, track=False)
    ]
    ids = [image_id for image_id, _ in images.sources]
    assert scores == pytest.approx(coco_score(annotations, detections, ids).as_dict(), abs=1e-6, nan_ok=True)


def test_subset_is_the_published_choice(images, annotations):
    """Thus a recipe's score is that of `evaluate --subset`."""
    every = [image['id'] for image in json.loads(annotations.read_text())['images']]
    shuffled = list(every)
    random.Random(0).shuffle(shuffled)
    chosen = [image_id for image_id, _ in images.sources]
    assert chosen == sorted(shuffled[:10], key=every.index)
    assert {each['image_id'] for each in images.truth['annotations']} <= set(chosen)
    assert len(images.truth['images']) == len(images) == 10


def test_subset_of_drawn_images_is_chosen_alike():
    shuffled = list(range(12))
    random.Random(0).shuffle(shuffled)
    chosen = dataset_images(SyntheticPeople(12, (64, 64), (1, 1)), 4)
    assert [image_id for image_id, _ in chosen.sources] == sorted(shuffled[:4])
    assert [image['id'] for image in chosen.truth['images']] == sorted(shuffled[:4])


def test_datasets_are_combined_under_new_ids():
    parts = [dataset_images(SyntheticPeople(count, (64, 64), (1, 1), seed)) for count, seed in ((3, 1), (2, 2))]
    both = combined(parts)
    assert [image_id for image_id, _ in both.sources] == [image['id'] for image in both.truth['images']] == [*range(5)]
    assert sorted(each['image_id'] for each in both.truth['annotations']) == [0, 1, 2, 3, 4]
    drawn = dict(map(entry, both.sources))
    for place, source in enumerate([*parts[0].sources, *parts[1].sources]):
        assert (drawn[place] == entry(source)[1]).all()


def test_perfect_poses_score_one():
    """The truth made of samples and the detections made of poses agree on where a pixel's centre is."""
    from pose_estimation_ros.core.pose import Pose

    people = SyntheticPeople(4, (128, 128), (1, 1), 5)
    images = dataset_images(people)
    validation = CocoValidation(images, PIPELINE)
    found = []
    for index in range(4):
        for person in people.sample(index).keypoints:
            missing = person[:, 2:] == 0
            keypoints = np.where(missing, [np.nan, np.nan, 0], np.column_stack([person[:, :2], np.ones(len(person))]))
            found.append(coco_detection(Pose(keypoints.astype(np.float32), 1.0, people.skeleton), index))
    assert validation.score([found])['AP'] == pytest.approx(1.0)


def test_a_validation_by_loss_is_the_mean_over_images_and_prefers_the_lowest(tmp_path):
    people = StickPeople(5)
    task = make_task(people)
    data = PoseData(people, unchanged, task.data.objective)
    validation = LossValidation(data, Normalise(METHOD.preprocessing), limit=4)
    network = task.network.eval()
    alone = validation.score([validation.run(network, 0, 1, iter)])
    assert validation.score([validation.run(network, rank, 3, iter) for rank in range(3)]) == pytest.approx(alone)
    assert next(iter(alone)) == 'validation_loss'
    keys = torch.tensor([[0, 0, index] for index in range(4)])
    items = [data.item(index, np.random.default_rng(0)) for index in range(4)]
    images = torch.from_numpy(np.stack([image for image, _ in items]))
    targets = [torch.from_numpy(np.stack(each)) for each in zip(*(targets for _, targets in items), strict=True)]
    with torch.no_grad():
        together = task.losses(Batch(images, targets, keys))
    assert alone['validation_loss'] == pytest.approx(float(sum(together.values())), rel=1e-5)
    assert alone['validation_stage0_paf_loss'] == pytest.approx(float(together['stage0_paf_loss']), rel=1e-5)

    task.validation = validation
    result = train(task, make_settings(max_epochs=3, val_after=2), tmp_path)
    losses = {int(each['iteration']): each['validation_loss'] for each in result.evaluations}
    assert len(losses) == 3
    best = torch.load(tmp_path / 'checkpoints' / 'best.pth', weights_only=True)['iter']
    assert losses[best] == min(losses.values()) < max(losses.values())


@pytest.mark.parametrize('name', sorted({method.name for system in SYSTEMS.values() for method in system.methods}))
def test_validation_images_are_not_changed_at_random(name):
    method = find_method(name)
    transform = method.augmentation(method.options(), settings=method.training.still)
    skeleton = method.skeleton
    sample = InSkeleton(SyntheticPeople(1, (96, 80)), skeleton).sample(0)
    first, second = (transform(sample, np.random.default_rng(seed)) for seed in (1, 2))
    assert (first.image == second.image).all()
    assert (first.keypoints == second.keypoints).all()
    assert not first.mirrored
