"""The SimpleBaselines network against the published one, and reading its published files."""

import numpy as np
import pytest
import torch

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.methods.simple_baseline import network as networks
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SIMPLE_BASELINE_MPII
from pose_estimation_ros.methods.simple_baseline.options import PoseResNetOptions

DEPTHS = (18, 34, 50, 101, 152)


@pytest.fixture(scope='module')
def arrays(golden):
    return golden('net_pose_resnet_50_17j')


@pytest.fixture(scope='module')
def image(arrays):
    random = np.random.default_rng(int(arrays['input_seed']))
    values = random.normal(0, 0.5, tuple(arrays['input_shape'])).astype(np.float32)
    np.testing.assert_array_equal(values.ravel()[:8], arrays['input_first8'])
    return torch.from_numpy(values)


@pytest.fixture(scope='module')
def small():
    """A network of the least depth, with random weights."""
    torch.manual_seed(0)
    return SIMPLE_BASELINE.network(SIMPLE_BASELINE.options({'depth': 18})).eval()


def deviation(heatmaps, expected):
    """The largest difference in units of the expected maps' spread."""
    assert heatmaps.shape == expected.shape
    return abs(heatmaps.numpy() - expected).max() / expected.std()


def test_tensor_names_shapes_and_order_are_the_published_ones(golden):
    network = networks.build_network(17, PoseResNetOptions())
    shapes = [(name, list(value.shape)) for name, value in network.state_dict().items()]
    assert shapes == list(golden('keys_pose_resnet_50_17j.json').items())


@torch.no_grad()
def test_network_gives_the_golden_heatmaps(arrays, image, seeded, calibrated):
    network = networks.build_network(17, PoseResNetOptions()).eval()
    weights = seeded(network.state_dict(), int(arrays['salt']))
    network.load_state_dict(weights)
    assert deviation(network(image)[0], arrays['heatmap']) < 1e-4
    network.load_state_dict(calibrated(weights, arrays))
    assert deviation(network(image)[0], arrays['cal_heatmap_f64']) < 5e-3
    assert deviation(network.double()(image.double())[0], arrays['cal_heatmap_f64']) < 1e-6


@pytest.mark.parametrize(
    ('depth', 'joints', 'parameters', 'tensors'),
    [
        (50, 16, 33_999_440, 338),
        (50, 17, 33_999_697, 338),
        (101, 16, 52_991_568, 644),
        (101, 17, 52_991_825, 644),
        (152, 16, 68_635_216, 950),
        (152, 17, 68_635_473, 950),
    ],
)
def test_size_is_the_published_one(depth, joints, parameters, tensors):
    with torch.device('meta'):
        network = networks.PoseResNet(joints, depth)
    assert sum(value.numel() for value in network.parameters()) == parameters
    assert len(network.state_dict()) == tensors


@pytest.mark.parametrize('depth', DEPTHS)
@pytest.mark.parametrize('caffe_style', [False, True])
def test_every_depth_gives_maps_at_a_quarter_of_the_crop(depth, caffe_style):
    with torch.device('meta'):
        network = networks.PoseResNet(17, depth, caffe_style)
        (heatmaps,) = network(torch.zeros(2, 3, 256, 192))
    assert heatmaps.shape == (2, 17, 64, 48)


def test_caffe_style_moves_the_strides_of_bottlenecks_and_no_tensor():
    with torch.device('meta'):
        plain, caffe = networks.PoseResNet(17, 50), networks.PoseResNet(17, 50, caffe_style=True)
    assert plain.state_dict().keys() == caffe.state_dict().keys()
    block, moved = plain.layer2[0], caffe.layer2[0]
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))
    assert (moved.conv1.stride, moved.conv2.stride) == ((2, 2), (1, 1))


def test_a_fresh_network_starts_quiet_and_every_part_of_it_learns():
    torch.manual_seed(0)
    network = SIMPLE_BASELINE.network(PoseResNetOptions(18))
    (heatmaps,) = network(torch.rand(2, 3, 64, 64) - 0.5)
    assert heatmaps.std() < 0.2
    (heatmaps - 1).square().mean().backward()
    assert [name for name, value in network.named_parameters() if not value.grad.isfinite().all()] == []
    assert [name for name, value in network.named_parameters() if not value.grad.any()] == []


@pytest.mark.parametrize(
    ('wrap', 'name', 'hw'),
    [
        (lambda tensors: tensors, 'pose_resnet_18_384x288.pth.tar', (384, 288)),
        (lambda tensors: {f'module.{key}': value for key, value in tensors.items()}, 'x_256x256.pth', (256, 256)),
        (
            lambda tensors: {
                'epoch': 140,
                'model': 'pose_resnet',
                'state_dict': {f'module.{key}': value for key, value in tensors.items()},
                'perf': 0.7,
                'optimizer': {'state': {}, 'param_groups': []},
            },
            'checkpoint.pth.tar',
            (256, 192),
        ),
    ],
    ids=['plain', 'prefixed', 'of training'],
)
def test_published_containers_load(small, tmp_path, wrap, name, hw):
    torch.save(wrap(small.state_dict()), tmp_path / name)
    tensors, options = SIMPLE_BASELINE.read_checkpoint(tmp_path / name)
    assert (options.depth, options.input_hw, options.label_corner) == (18, hw, True)
    assert bool(options.guessed) == (name == 'checkpoint.pth.tar'), (
        'the size is a guess where the name does not tell it'
    )
    other = SIMPLE_BASELINE.network(options)
    assert (
        SIMPLE_BASELINE.fit_weights(other, tensors, name)
        == f'loaded {len(tensors)} of {len(tensors)} tensors from {name}'
    )
    for key, value in small.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value)


def test_depths_are_told_by_their_blocks(tmp_path):
    for depth in (18, 34):
        network = SIMPLE_BASELINE_MPII.network(PoseResNetOptions(depth))
        torch.save(network.state_dict(), tmp_path / 'net_256x256.pth')
        _, options = SIMPLE_BASELINE_MPII.read_checkpoint(tmp_path / 'net_256x256.pth')
        assert (options.depth, options.label_corner) == (depth, False)


def test_an_imagenet_file_fills_the_trunk_and_nothing_else(small, tmp_path):
    torch.manual_seed(1)
    trunk = {
        name: torch.randn_like(value) if value.is_floating_point() else value
        for name, value in small.state_dict().items()
        if not name.startswith(('deconv_layers', 'final_layer')) and not name.endswith('num_batches_tracked')
    }
    torch.save({**trunk, 'fc.weight': torch.zeros(1000, 512), 'fc.bias': torch.zeros(1000)}, tmp_path / 'resnet18.pth')
    network = SIMPLE_BASELINE.network(PoseResNetOptions(18))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    told = SIMPLE_BASELINE.load_backbone(network, tmp_path / 'resnet18.pth')
    assert told.startswith(f'loaded {len(trunk)} of {len(trunk)} backbone tensors')
    assert '2 others in it are not used' in told
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, trunk.get(name, before[name]))


def test_files_of_other_networks_are_refused_with_a_sentence(small, tmp_path):
    tensors = small.state_dict()
    path = tmp_path / 'x_256x192.pth'
    torch.save({'a.weight': torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match='expected a SimpleBaselines network'):
        SIMPLE_BASELINE.read_checkpoint(path)
    torch.save(tensors, path)
    with pytest.raises(WeightsError, match='finds 17 keypoints, expected the 16 of mpii_16'):
        SIMPLE_BASELINE_MPII.read_checkpoint(path)
    network = SIMPLE_BASELINE.network(PoseResNetOptions(34))
    with pytest.raises(WeightsError, match='build the network with depth 18 and 17 keypoints'):
        SIMPLE_BASELINE.fit_weights(network, tensors)
    with pytest.raises(WeightsError, match='choose the ImageNet file of a ResNet of this depth'):
        SIMPLE_BASELINE.load_backbone(network, path)
    del tensors['layer3.1.conv1.weight'], tensors['layer3.1.bn1.weight']
    with pytest.raises(WeightsError, match=r'2 of \d+ tensors do not fit: first layer3.1.conv1.weight \(missing\)'):
        SIMPLE_BASELINE.fit_weights(SIMPLE_BASELINE.network(PoseResNetOptions(18)), tensors)


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'depth': 20}, 'depth must be one of 18, 34, 50, 101, 152, got 20'),
        ({'input_height': 250}, 'input_height must be a whole number from 64 to 1024 in steps of 32'),
        ({'input_width': '192'}, "got '192'"),
        ({'caffe_style': 1}, 'true or false, got 1'),
        ({'joints': 16}, 'got joints'),
    ],
)
def test_bad_options_are_refused_with_a_sentence(values, words):
    with pytest.raises(SettingsError, match=words):
        SIMPLE_BASELINE.options(values)
    assert SIMPLE_BASELINE.options(SIMPLE_BASELINE.options().to_dict()) == SIMPLE_BASELINE.options()
