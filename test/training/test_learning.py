"""That every parameter learns as published, and that a network can be overfitted."""

import numpy as np
import pytest
import torch

from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.methods.lightweight_openpose.loss import l2_loss
from pose_estimation_ros.training.callbacks.ema import MovingAverage
from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.module import TaskModule
from pose_estimation_ros.training.pose.task import Normalise, PoseData, PoseTask
from pose_estimation_ros.training.settings import EngineSettings, OptimizerSettings, ScheduleSettings
from test.training.conftest import METHOD, StickPeople, make_settings, make_task, unchanged

NETWORKS = {
    'mobilenet': {'backbone': 'mobilenet', 'num_refinement_stages': 1},
    'mobilenet, stride 16': {'backbone': 'mobilenet', 'use_stride': True},
    'mobilenetv2': {'backbone': 'mobilenetv2', 'mobilenetv2_width': 0.35},
    'shufflenet 1': {'backbone': 'shufflenet', 'shufflenet_groups': 1},
    'shufflenet 3': {'backbone': 'shufflenet', 'shufflenet_groups': 3},
    'shufflenet 8': {'backbone': 'shufflenet', 'shufflenet_groups': 8},
    'omz': {'backbone': 'mobilenet', 'variant': 'omz'},
}


def module_of(options, lr=1e-3):
    values = METHOD.options(options)
    torch.manual_seed(0)
    network = METHOD.network(values)
    settings = OptimizerSettings(lr=lr, weight_decay=5e-4)
    data = PoseData(StickPeople(), unchanged, METHOD.objective(values))
    return TaskModule(PoseTask(METHOD, network, data), settings, ScheduleSettings(), 10)


@pytest.mark.parametrize('options', NETWORKS.values(), ids=NETWORKS)
def test_every_parameter_is_in_one_group(options):
    module = module_of(options)
    groups = module.configure_optimizers()['optimizer'].param_groups
    grouped = [id(parameter) for group in groups for parameter in group['params']]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in module.network.parameters()}


@pytest.mark.parametrize('options', NETWORKS.values(), ids=NETWORKS)
def test_every_parameter_changes_in_one_step(options):
    module = module_of(options)
    optimizer = module.configure_optimizers()['optimizer']
    torch.manual_seed(1)
    images = torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8)
    maps = module.task.network(module.task.auxiliary(images))
    targets = [torch.rand_like(maps[-2]), torch.rand_like(maps[-1]) * 2 - 1]
    targets += [torch.ones_like(maps[-1][:, :1]), torch.ones(2, 57, 1, 1)]
    torch.stack(list(module.task.data.objective.loss(maps, targets).values())).sum().backward()
    before = {name: value.detach().clone() for name, value in module.network.named_parameters()}
    optimizer.step()
    same = [name for name, value in module.network.named_parameters() if torch.equal(value, before[name])]
    assert same == []


def test_mobilenet_learns_as_published():
    """FACTS 1.6's table: learning rate and weight decay by kind of parameter."""
    module = module_of(NETWORKS['mobilenet'], lr=1.0)
    groups = module.configure_optimizers()['optimizer'].param_groups
    treatment = {
        id(parameter): (group['lr'], group['weight_decay']) for group in groups for parameter in group['params']
    }
    expected = {
        'model.0.0.weight': (1, 5e-4),
        'model.3.0.weight': (1, 0),  # depthwise
        'model.3.3.weight': (1, 5e-4),
        'model.3.1.weight': (1, 0),
        'model.3.1.bias': (2, 0),
        'cpm.align.0.weight': (1, 5e-4),
        'cpm.align.0.bias': (2, 0),
        'cpm.trunk.0.0.weight': (1, 0),  # depthwise
        'cpm.trunk.0.2.weight': (1, 5e-4),
        'initial_stage.trunk.0.0.weight': (1, 5e-4),
        'initial_stage.heatmaps.1.0.bias': (2, 0),
        'refinement_stages.0.trunk.0.initial.0.weight': (4, 5e-4),
        'refinement_stages.0.trunk.0.initial.0.bias': (8, 0),
        'refinement_stages.0.trunk.0.trunk.0.1.weight': (1, 0),
        'refinement_stages.0.trunk.0.trunk.0.1.bias': (2, 0),
    }
    parameters = dict(module.network.named_parameters())
    assert {name: treatment[id(parameters[name])] for name in expected} == expected


def test_loss_is_the_published_one(golden):
    vectors = golden('losses')
    output, target, mask = (torch.from_numpy(vectors[f'lwop_{name}']) for name in ('pred', 'target', 'mask'))
    assert float(l2_loss(output, target, mask)) == pytest.approx(float(vectors['lwop_l2']), rel=1e-5)


@pytest.mark.parametrize('order', ['bgr', 'rgb'])
def test_normalising_on_the_device_is_what_inference_does(order):
    from pose_estimation_ros.inference.preprocess import prepare
    from pose_estimation_ros.methods.method import Preprocessing

    preprocessing = Preprocessing((1, 2, 3), (0.1, 0.2, 0.3), channel_order=order)
    image = np.random.default_rng(0).integers(0, 255, (32, 40, 3)).astype(np.uint8)
    letterbox = Letterbox((32, 40), 1.0, (32, 40), (0, 0, 0, 0))
    normalised = Normalise(preprocessing)(torch.from_numpy(image)[None])
    np.testing.assert_allclose(normalised[0], prepare(image, letterbox, preprocessing, 'linear'), atol=1e-4)


def test_average_follows_slowly_and_at_first_fast():
    network, target = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    target.weight.data.fill_(1.0)
    average = MovingAverage(network, decay=0.9)
    average.update(target)
    assert float(average.network.weight) == pytest.approx(1 - 2 / 11)  # of (1 + 1) / (10 + 1)
    for _ in range(200):
        average.update(target)
    network.weight.data.fill_(0.0)
    average.update(network)
    assert float(average.network.weight) == pytest.approx(0.9, abs=1e-3)


def test_overfits_two_images_and_decodes_their_people(folder):
    """All the way: targets, loss, optimiser, average, network, decoder."""
    torch.set_num_threads(1)
    images = StickPeople(2, size=128)
    base = make_settings(max_epochs=100, checkpoint_after=0, ema_decay=0.9, logging={'log_after': 50})
    optimizer = OptimizerSettings(lr=1e-3, weight_decay=0)
    settings = EngineSettings(optimizer, ScheduleSettings(kind='cosine', warmup_steps=10), base.trainer, base.logging)
    result = train(make_task(images, unchanged, backbone='mobilenet'), settings, folder)
    decode = METHOD.decoder('fast')
    for index in range(2):
        sample = images.sample(index)
        with torch.no_grad():
            maps = result.network(Normalise(METHOD.preprocessing)(torch.from_numpy(sample.image)[None]))
        letterbox = Letterbox((128, 128), 1.0, (128, 128), (0, 0, 0, 0))
        poses = decode([each[0].numpy() for each in maps[-2:]], letterbox)
        assert len(poses) == 2
        for joints in sample.keypoints:
            distances = [np.linalg.norm(pose.keypoints[:, :2] - joints[:, :2], axis=1) for pose in poses]
            nearest = min(distances, key=np.nanmean)
            assert not np.isnan(nearest).any()
            assert np.median(nearest) < 1.5
            assert nearest.max() < 6  # the figures' hands are 5 pixels from each other
