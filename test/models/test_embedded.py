"""The model that comes with the package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_estimation_ros import LightweightOpenPoseLearner
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople
from pose_estimation_ros.methods.lightweight_openpose.augmentation import published_augmentation
from pose_estimation_ros.models import embedded
from pose_estimation_ros.models.embedded import embedded_model
from pose_estimation_ros.synthetic import SceneSettings, generate_image

REPOSITORY = Path(__file__).resolve().parents[2]
SCENE = SceneSettings(width=640, height=360, people=2, person_height=(0.7, 0.8), objects=0, background='street')

WITHOUT_TORCH_OR_NETWORK = """
import socket, sys
def refused(*_, **__): raise AssertionError('asked the network')
socket.socket.connect = socket.getaddrinfo = refused
import numpy as np
from pose_estimation_ros import LightweightOpenPoseLearner
learner = LightweightOpenPoseLearner(backend='onnxruntime')
learner.load()
learner.infer(np.zeros((256, 256, 3), np.uint8))
assert 'torch' not in sys.modules
"""


def found(learner, seed=3):
    """Poses in a scene, beside the people who are in it."""
    frame = generate_image(seed, SCENE)
    return learner.infer(frame.image, track=False), frame.people


def assert_same_people(poses, others):
    assert len(poses) == len(others)
    for pose, other in zip(poses, others, strict=True):
        assert np.allclose(pose.keypoints, other.keypoints, atol=0.2, equal_nan=True)


def test_finds_people_with_nothing_downloaded():
    """Everybody in twelve scenes, whole and in place; in one scene at most there is a fragment besides."""
    learner, exact = LightweightOpenPoseLearner(), 0
    learner.load()
    for seed in range(1, 13):
        poses, people = found(learner, seed)
        assert sum(np.isfinite(pose.keypoints[:, 0]).sum() > 12 for pose in poses) == len(people), seed
        for person in people:
            seen = person.keypoints[:, 2] > 0
            height = np.ptp(person.keypoints[seen, 1])
            errors = [np.nanmedian(np.linalg.norm((p.keypoints - person.keypoints)[seen, :2], axis=1)) for p in poses]
            assert min(errors) < 0.05 * height, seed
        exact += len(poses) == len(people)
    assert exact >= 11


def test_torch_and_onnx_hold_the_same_weights():
    learners = [LightweightOpenPoseLearner(backend=backend, device='cpu') for backend in ('torch', 'onnxruntime')]
    for learner in learners:
        learner.load()
    first, second = (found(learner)[0] for learner in learners)
    assert first
    assert_same_people(first, second)


def test_needs_neither_torch_nor_network():
    command = [sys.executable, '-c', WITHOUT_TORCH_OR_NETWORK]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_says_what_it_is():
    learner = LightweightOpenPoseLearner()
    learner.load()
    assert learner.options.backbone == 'efficientnet_lite'
    assert learner.options.num_refinement_stages == 0


def test_training_starts_from_it(tmp_path):
    """A step that is too small to change anything leaves the embedded weights, not ImageNet's or random ones."""
    named = {'temp_path': str(tmp_path), 'device': 'cpu', 'lr': 1e-12, 'batch_size': 2, 'num_workers': 0}
    learner = LightweightOpenPoseLearner(**named, checkpoint_after_iter=1)
    learner.load()
    with pytest.raises(WeightsError, match='no torch network'):
        _ = learner.network
    data = SyntheticPeople(2, (96, 96), seed=1), published_augmentation(96)
    losses = learner.fit(data[0], epochs=1, transform=data[1], silent=True)
    assert np.isfinite(losses['paf_losses']).all()
    assert learner.options.backbone == 'efficientnet_lite'
    kept = LightweightOpenPoseLearner(backend='torch', device='cpu')
    kept.load()
    for (name, ours), theirs in zip(kept.network.named_parameters(), learner.network.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6), name
    again = LightweightOpenPoseLearner(**named, checkpoint_after_iter=0, checkpoint_load_iter=1)
    again.load()
    again.fit(data[0], epochs=2, transform=data[1], silent=True)
    assert again.options.backbone == 'efficientnet_lite'


def test_a_dial_that_was_asked_for_is_turned():
    learner = LightweightOpenPoseLearner(mobilenet_use_stride=True, device='cpu')
    learner.load()
    assert learner.options.use_stride
    assert learner.pipeline().stride == 16


def test_files_are_small():
    sizes = [path.stat().st_size for path in embedded.FOLDER.rglob('*') if path.is_file()]
    assert len(sizes) == 4
    assert max(sizes) < 9e6


def test_saved_models_describe_themselves():
    for trainable in (False, True):
        folder = embedded_model('lightweight_openpose', trainable)
        description = json.loads((folder / f'{folder.name}.json').read_text())
        assert description['backbone'] == 'efficientnet_lite'
        assert description['inference_params']['base_height'] == 256


def test_saved_again_it_keeps_its_name(tmp_path):
    learner = LightweightOpenPoseLearner(device='cpu')  # whose own backbone is mobilenet
    learner.load()
    learner.save(tmp_path / 'mine')
    assert json.loads((tmp_path / 'mine' / 'mine.json').read_text())['backbone'] == 'efficientnet_lite'


def test_methods_without_one_and_installations_without_files(monkeypatch, tmp_path):
    with pytest.raises(WeightsError, match='none of dekr come with this package: give a saved folder'):
        embedded_model('dekr')
    monkeypatch.setattr(embedded, 'FOLDER', tmp_path)
    with pytest.raises(WeightsError, match='efficientnet_lite is missing from this installation'):
        LightweightOpenPoseLearner().load()
