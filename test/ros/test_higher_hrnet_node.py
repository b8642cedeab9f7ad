"""The node with a method that groups keypoints by tags: answers, live parameters, and a camera that is too fast."""

import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('torch')

import torch
from reference_networks import lively
from ros_fakes import make_image
from ros_graph import until

from pose_estimation_ros import HigherHRNetLearner
from pose_estimation_ros.inference.pipeline import Result, Timings
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons

WARN = 30


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """A narrow network with random weights, as ONNX."""
    folder = tmp_path_factory.mktemp('model')
    learner = HigherHRNetLearner(
        backbone='hrnet_w4', stem_width=4, base_height=128, device='cpu', temp_path=folder / 'temp'
    )
    learner.init_model()
    with torch.no_grad():
        for head in lively(learner.network).final_layers:
            head.weight *= 0.3
    learner.optimize()
    learner.save(folder / 'narrow')
    return folder / 'narrow'


@pytest.fixture(scope='module')
def image():
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def own_answer(model, image, **options):
    learner = HigherHRNetLearner(device='cpu', backend='onnxruntime', **options)
    learner.load(model)
    return learner.infer(image, track=False)


def same(poses, others):
    assert len(poses) == len(others) > 0
    for pose, other in zip(poses, others, strict=True):
        np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=0.01)
    return True


def test_answers_are_the_learners_own_and_parameters_change_live(make_robot, monkeypatch, model, image):
    monkeypatch.undo()  # the real learner
    options = {'method': 'higher_hrnet', 'backend': 'onnxruntime', 'track': False, 'base_height': 128}
    robot = make_robot(model_path=str(model), **options).start()
    poses = decode_skeletons(robot.ask(image, seconds=100))
    assert same(poses, own_answer(model, image, base_height=128))
    assert robot.set(tag_threshold=0.1, max_persons=2, refine=False).successful
    changed = decode_skeletons(robot.ask(image, seconds=101))
    decoding = {'tag_threshold': 0.1, 'max_persons': 2, 'refine': False}
    assert same(changed, own_answer(model, image, base_height=128, decoding=decoding))
    assert not robot.set(nms_window=4).successful


def test_a_camera_faster_than_frames_are_processed_is_told_once(robot, workshop, monkeypatch):
    """For any method: frames take a tenth of a second and come every fiftieth."""
    learner = workshop.learner
    plain = learner.infer_timed
    monkeypatch.setattr(learner, 'infer_timed', lambda *args, **given: slowly(plain(*args, **given)))
    for _ in range(200):
        robot.send(make_image(1))
        time.sleep(0.02)
        if robot.said('frames between are dropped', WARN):
            break
    until(lambda: robot.said('frames between are dropped', WARN))
    robot.explained('frames between are dropped')
    (sentence,) = robot.said('frames between are dropped', WARN)
    assert 'a frame takes 1' in sentence


def slowly(result):
    time.sleep(0.1)
    return Result(result.poses, Timings(forward_ms=100.0))
