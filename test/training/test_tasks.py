"""The engine trains what has nothing to do with poses: a classifier of images and a small network of vectors."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.training import tasks
from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.settings import (
    EngineSettings,
    LoggingSettings,
    OptimizerSettings,
    Recipe,
    TrainerSettings,
)
from pose_estimation_ros.training.task import Task, Validation
from pose_estimation_ros.training.tasks import TaskKind, find_task


class Stripes:
    """Images (16, 16, 3) of three classes: vertical, horizontal and no stripes."""

    def __len__(self):
        return 24

    def item(self, index, rng):
        lines = np.arange(16) % 4 < 2
        pattern = (
            lines[None, :] | np.zeros((16, 1), bool),
            lines[:, None] | np.zeros((1, 16), bool),
            np.ones((16, 16)),
        )
        image = pattern[index % 3][..., None] * rng.integers(120, 250, 3)
        return image.astype(np.uint8), [index % 3]


class Accuracy(Validation):
    def run(self, network, rank, world, progress):
        with torch.no_grad():
            return [predicted(network, index) == index % 3 for index in progress(range(rank, 24, world))]

    def score(self, parts):
        return {'top1': float(np.mean(np.concatenate(parts)))}


def predicted(network, index):
    image, _ = Stripes().item(index, np.random.default_rng(99))
    return int(network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255).argmax())


class Classifier(Task):
    unit = 'image'
    parameters = {'network': 'tiny'}  # noqa: RUF012

    def __init__(self):
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.network = nn.Sequential(convolution, nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 3))
        self.data, self.validation = Stripes(), Accuracy()

    def losses(self, batch):
        return {'cross_entropy': cross_entropy(self.network(batch.inputs.permute(0, 3, 1, 2) / 255), batch.targets[0])}

    def draw(self, batch):
        assert not self.network.training
        return np.vstack([image.numpy() for image in batch.inputs])


class Vectors:
    """74 features of which the first alone decides about the target."""

    def __len__(self):
        return 64

    def item(self, index, rng):
        features = np.random.default_rng(index).normal(size=74).astype(np.float32)
        return features, [np.float32([features[0] > 0])]


class Rescoring(Task):
    unit = 'pose'

    def __init__(self):
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(74, 32), nn.ReLU(), nn.Linear(32, 1))
        self.auxiliary = nn.Linear(1, 1)  # trained beside the network, which is saved without it
        self.data = Vectors()

    def losses(self, batch):
        logits = self.network(batch.inputs)
        own, target = self.auxiliary(logits.detach()), batch.targets[0]
        return {'bce': binary_cross_entropy_with_logits(logits, target), 'auxiliary': (own - target).square().mean()}


def settings(epochs, **trainer):
    trainer = {'max_epochs': epochs, 'batch_size': 8, 'num_workers': 0, 'device': 'cpu', 'val_after': 3} | trainer
    return EngineSettings(
        OptimizerSettings('adamw', lr=3e-3, weight_decay=1e-4),
        trainer=TrainerSettings(checkpoint_after=5, **trainer),
        logging=LoggingSettings(log_after=2, images_after=6, progress=False),
        seed=4,
    )


@pytest.mark.parametrize('make', [Classifier, Rescoring])
def test_a_task_trains_and_resumes_exactly(make, tmp_path):
    whole = train(make(), settings(8, ema_decay=0.5), tmp_path / 'whole')
    losses = next(iter(whole.losses.values()))
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])
    assert whole.timings[f'{make.unit}s_per_second'] > 0
    start = tmp_path / 'whole' / 'checkpoints' / 'checkpoint_iter_10.pth'
    rest = train(make(), settings(8, ema_decay=0.5), tmp_path / 'rest', resume=start)
    assert rest.losses == {name: values[10:] for name, values in whole.losses.items()}
    for result in (whole, rest):
        saved = torch.load(result.checkpoints[-1], weights_only=True)
        assert saved['state_dict'].keys() == make().network.state_dict().keys()
        assert all(torch.equal(value, whole.network.state_dict()[name]) for name, value in saved['state_dict'].items())
    assert saved['resume']['auxiliary'].keys() == ({'weight', 'bias'} if make is Rescoring else set())


def test_a_task_validates_and_draws(tmp_path):
    result = train(Classifier(), settings(8), tmp_path)
    assert result.evaluations[-1]['top1'] == 1
    assert [each['iteration'] for each in result.evaluations] == [*range(3, 25, 3)]
    assert (tmp_path / 'checkpoints' / 'best.pth').exists()
    assert len(list((tmp_path / 'images').iterdir())) == 4


def test_too_little_data_is_reported_in_the_units_of_the_task(tmp_path):
    with pytest.raises(SettingsError, match='64 poses do not fill one step of 100'):
        train(Rescoring(), settings(1, batch_size=100), tmp_path)


# --- recipes ---


@dataclass(frozen=True)
class StripesRecipe(Recipe):
    """A recipe of a task outside the package."""

    task: str = 'stripes'
    width: int = 8
    """Width of the network."""


class StripesBuilder:
    def make_task(self, recipe, resumed, alone):
        assert isinstance(recipe, StripesRecipe)
        return Classifier(), 'random weights'

    def summary(self, recipe):
        return {'classifier': f'of width {recipe.width}', 'classes': '3'}

    def save_model(self, recipe, network, folder):
        folder.mkdir(exist_ok=True)
        torch.save(network.state_dict(), folder / 'weights.pth')


BUILDER = StripesBuilder()


@pytest.fixture
def stripes(monkeypatch):
    kind = TaskKind(f'{__name__}:StripesRecipe', f'{__name__}:BUILDER')
    monkeypatch.setitem(tasks.TASKS, 'stripes', kind)


def test_a_task_of_ones_own_is_trained_by_the_command(stripes, tmp_path, capsys):
    from pose_estimation_ros.apps.cli import main

    recipe, folder = tmp_path / 'stripes.yaml', tmp_path / 'run'
    trainer = 'trainer: {batch_size: 8, num_workers: 0, device: cpu, checkpoint_after: 2}'
    recipe.write_text(f'task: stripes\nwidth: 16\noptimizer: {{lr: 3.0e-3}}\n{trainer}\n')
    assert main(['train', '--config', str(recipe), '--output', str(folder), '--trainer.max_epochs', '1']) == 0
    out = capsys.readouterr().out
    assert 'of width 16, 0.00 million parameters' in out
    assert '24, an epoch is 3 steps' in out
    assert (folder / 'model' / 'weights.pth').exists()
    assert main(['train', '--output', str(folder), '--resume']) == 0
    assert 'resumed from' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(['train', '--task', 'stripes', '--teacher.weights', 'x'])
    assert 'teacher' in capsys.readouterr().err


def test_unknown_tasks_are_refused():
    with pytest.raises(SettingsError, match=r"task must be one of pose, classification, got 'juggling'"):
        find_task('juggling')
