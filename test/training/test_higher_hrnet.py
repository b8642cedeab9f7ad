"""HigherHRNet through the training engine: targets of two sizes, tags, plots, resuming, validation by loss."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.data.datasets.wrappers import InSkeleton
from pose_estimation_ros.methods.plots import plots_of
from pose_estimation_ros.methods.systems import find_method
from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.pose.recipe import PoseRecipe
from pose_estimation_ros.training.pose.task import Normalise, PoseData, PoseTask
from pose_estimation_ros.training.pose.validation import LossValidation
from pose_estimation_ros.training.task import Batch
from test.training.conftest import StickPeople, make_settings

METHOD = find_method('higher_hrnet')
NARROW = METHOD.options({'width': 4, 'stem_width': 8})
LOSSES = ['hm_0_loss', 'hm_1_loss', 'push_0_loss', 'pull_0_loss']
RECIPES = Path(__file__).resolve().parents[2] / 'config' / 'train'


def task_of(validated=False, **augmentation):
    torch.manual_seed(3)
    people, objective = InSkeleton(StickPeople(6), COCO_17), METHOD.objective(NARROW)
    data = PoseData(people, METHOD.augmentation(NARROW, 64, augmentation), objective)
    task = PoseTask(METHOD, METHOD.network(NARROW), data)
    if validated:
        still = PoseData(people, METHOD.augmentation(NARROW, 64, METHOD.training.still), objective)
        task.validation = LossValidation(still, Normalise(METHOD.preprocessing))
    return task


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The folder and the result of six steps."""
    folder = tmp_path_factory.mktemp('whole')
    settings = make_settings(max_epochs=2, val_after=3, logging={'images_after': 6})
    return folder, train(task_of(validated=True), settings, folder)


def test_its_losses_have_the_published_names_and_a_training_can_be_resumed(whole, tmp_path):
    folder, result = whole
    assert list(result.losses) == LOSSES
    assert all(len(values) == 6 and min(values) > 0 for values in result.losses.values())
    start = folder / 'checkpoints' / 'checkpoint_iter_3.pth'
    rest = train(task_of(validated=True), make_settings(max_epochs=2, val_after=3), tmp_path, resume=start)
    assert rest.losses == {name: values[3:] for name, values in result.losses.items()}


def test_it_is_validated_by_the_loss_of_images_without_random_changes(whole):
    _, result = whole
    assert [each['iteration'] for each in result.evaluations] == [3, 6]
    assert set(result.evaluations[0]) == {'validation_loss', 'iteration', *(f'validation_{name}' for name in LOSSES)}


def test_a_training_shows_connections_heatmaps_and_embeddings(whole):
    folder, _ = whole
    images = folder / 'images'
    assert cv2.imread(str(images / 'iter_6.png')).shape == (18 + 2 * 64, 3 * 64, 3)
    assert cv2.imread(str(images / 'iter_6_connections.png')).shape == (64, 64, 3)
    assert cv2.imread(str(images / 'iter_6_heatmaps.png')).shape[1] == round((9 * (64 + 5) + 5) * 0.6)
    examples = cv2.imread(str(images / 'data_examples.png'))
    assert examples.shape == (3 * (64 + 5) + 5, 2 * (64 + 5) + 5, 3)


class Told(torch.nn.Module):
    """A network that answers with the targets of one input, and tags of 1 and 3."""

    def __init__(self, targets, columns):
        super().__init__()
        coarse, fine = (torch.from_numpy(each) for each in targets[:2])
        tags = torch.where(torch.arange(coarse.shape[-1]) < columns, 1.0, 3.0).expand_as(coarse)
        self.maps = [torch.cat([coarse, tags])[None], fine[None]]

    def forward(self, images):
        return [each.expand(len(images), *each.shape[1:]) for each in self.maps]


def test_drawn_poses_lie_on_the_labels(monkeypatch):
    """What the targets say is drawn as two people, whose embeddings have two colours, in the places of the labels."""
    task = task_of(rotation=0.0, min_scale=1.0, max_scale=1.0, translation=0.0, flip=0.0)
    image, targets = task.data.item(0, np.random.default_rng(1))
    sample = task.data.sample(0, np.random.default_rng(1))
    task.network = Told(targets, 8)
    found = []

    def plots(image, explanation):
        found.append(explanation)
        return plots_of(image, explanation)

    monkeypatch.setattr('pose_estimation_ros.training.pose.task.plots_of', plots)
    batch = Batch(torch.from_numpy(image)[None], [torch.from_numpy(each)[None] for each in targets], torch.zeros(1, 3))
    assert list(task.plots(batch)) == ['connections', 'heatmaps', 'associative_embedding']
    (explanation,) = found
    poses = sorted(explanation.poses, key=lambda pose: pose.keypoints[0, 0])
    assert len(poses) == 2
    assert sorted(np.nanmean(explanation.tags, axis=(1, 2)).round(1)) == [1, 3]
    for pose, truth in zip(poses, sample.keypoints, strict=True):
        apart = np.linalg.norm(pose.keypoints[:, :2] - truth[:, :2], axis=1)
        assert np.nanmax(apart) < 2
        assert abs(np.nanmean(pose.keypoints[:, :2] - truth[:, :2])) < 0.3


@pytest.mark.parametrize(
    ('name', 'size', 'batch_size', 'scales'),
    [('w32', 512, 12, (0.75, 1.5)), ('w48', 640, 10, (0.75, 1.5)), ('w32_thawro', 512, 72, (0.7, 1.6))],
)
def test_recipes_have_the_published_numbers(name, size, batch_size, scales):
    content = yaml.safe_load((RECIPES / f'higherhrnet_{name}.yaml').read_text())
    options = METHOD.options(content['network'])
    assert METHOD.input_hw(options) == (size, size) == METHOD.input_hw(options, content['transform']['size'])
    assert content['trainer']['batch_size'] == batch_size
    assert METHOD.augmentation(options, settings=content['augmentation']) == METHOD.augmentation(
        options, settings={'min_scale': scales[0], 'max_scale': scales[1]}
    )
    published = METHOD.training
    assert content['optimizer'] == published.optimizer
    assert content['schedule'] == {**published.schedule, 'milestones': [200, 260]}
    assert content['trainer']['max_epochs'] == published.trainer['max_epochs'] == 300
    assert METHOD.objective(options, **content.get('objective', {})) == METHOD.objective(options)
    assert [each['kind'] for each in content['data']['train']] == ['coco_annotated']
    assert PoseRecipe.defaults(content.get)['optimizer.lr'] == 1e-3
