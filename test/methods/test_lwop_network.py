"""The Lightweight OpenPose network against the published ones, and its dials."""

import numpy as np
import onnxruntime
import pytest
import torch

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.methods.lightweight_openpose.network import build_network
from pose_estimation_ros.methods.lightweight_openpose.options import NetworkOptions

GOLDEN = {
    'mobilenet_r0': NetworkOptions(num_refinement_stages=0),
    'mobilenet_r1': NetworkOptions(),
    'mobilenet_r3': NetworkOptions(num_refinement_stages=3),
    'mobilenet_stride16_r1': NetworkOptions(use_stride=True),
    'mobilenet_stride16_r2': NetworkOptions(use_stride=True, num_refinement_stages=2),
    'mobilenetv2_r1': NetworkOptions('mobilenetv2'),
    'shufflenet_g3_r1': NetworkOptions('shufflenet'),
    'shufflenet_g8_r1': NetworkOptions('shufflenet', shufflenet_groups=8),
}
DIALS = [
    *(NetworkOptions(num_refinement_stages=stages) for stages in range(4)),
    *(NetworkOptions('mobilenetv2', mobilenetv2_width=width) for width in (0.5, 0.75, 1.0, 1.4)),
    *(NetworkOptions('shufflenet', shufflenet_groups=groups) for groups in (1, 2, 3, 4, 8)),
    NetworkOptions(use_stride=True),
    NetworkOptions(variant='omz'),
    NetworkOptions(variant='slim', num_refinement_stages=0),
    NetworkOptions(variant='slim', use_stride=True),
    NetworkOptions('shufflenet', variant='omz', num_refinement_stages=2),
    NetworkOptions('efficientnet_lite', num_refinement_stages=0),
    NetworkOptions('efficientnet_lite', use_stride=True),
]


def described(value):
    return value if isinstance(value, str) else '-'.join(map(str, value.to_dict().values()))


def tensor_shapes(network):
    return [(name, list(value.shape)) for name, value in network.state_dict().items()]


@pytest.fixture(scope='module', params=GOLDEN)
def case(request, golden, seeded):
    """A network without weights, its golden arrays and its plain seeded weights."""
    network = build_network(GOLDEN[request.param]).eval()
    arrays = golden(f'net_lwop_{request.param}')
    return network, arrays, seeded(network.state_dict(), int(arrays['salt']))


def input_of(arrays):
    random = np.random.default_rng(int(arrays['input_seed']))
    return torch.from_numpy(random.normal(0, 0.5, tuple(arrays['input_shape'])).astype(np.float32))


def largest_deviation(maps, arrays, name):
    """The largest difference from the golden maps in units of their spread; `name` has places for kind and stage."""
    names = [name.format(kind=kind, stage=stage) for stage in range(len(maps) // 2) for kind in ('heatmaps', 'pafs')]
    expected = [arrays[name] for name in names]
    assert [each.shape for each in maps] == [each.shape for each in expected]
    return max(abs(a.numpy() - b).max() / b.std() for a, b in zip(maps, expected, strict=True))


@pytest.mark.parametrize('name', GOLDEN)
def test_tensor_names_shapes_and_order_are_the_published_ones(name, golden):
    assert tensor_shapes(build_network(GOLDEN[name])) == list(golden(f'keys_lwop_{name}.json').items())


@torch.no_grad()
def test_network_gives_the_golden_maps(request, case, calibrated):
    network, arrays, weights = case
    image = input_of(arrays)
    network.load_state_dict(weights)
    tolerance = 5e-4 if 'mobilenetv2' in request.node.callspec.id else 1e-4
    assert largest_deviation(network(image), arrays, '{kind}_{stage}') < tolerance
    network.load_state_dict(calibrated(weights, arrays))
    assert largest_deviation(network(image), arrays, 'cal_{kind}_{stage}_f64') < 5e-3
    maps = network.double()(image.double())
    network.float()
    assert largest_deviation(maps, arrays, 'cal_{kind}_{stage}_f64') < 1e-6


@torch.no_grad()
def test_omz_weights_give_what_their_onnx_file_gives(assets):
    network = build_network(NetworkOptions(variant='omz')).eval()
    network.load_state_dict(torch.load(assets / 'weights/lwop_omz.pth', weights_only=True)['state_dict'])
    session = onnxruntime.InferenceSession(assets / 'weights/lwop_omz.onnx', providers=['CPUExecutionProvider'])
    image = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 3, 128, 160)).astype(np.float32)
    expected = session.run(None, {'data': image})
    maps = network(torch.from_numpy(image))
    assert [output.name for output in session.get_outputs()][-2:] == [
        *('stage_1_output_1_heatmaps', 'stage_1_output_0_pafs')
    ]
    assert max(abs(a.numpy() - b).max() for a, b in zip(maps, expected, strict=True)) < 1e-4


@pytest.mark.parametrize('options', DIALS, ids=described)
def test_every_dial_builds_a_network_that_can_be_trained(options):
    torch.manual_seed(0)
    network = build_network(options)
    maps = network(torch.rand(2, 3, 64, 96) - 0.5)
    cells = (2, 64 // options.stride, 96 // options.stride)
    assert [(each.shape[0], *each.shape[2:]) for each in maps] == [cells] * len(maps)
    assert [each.shape[1] for each in maps] == [19, 38] * (options.num_refinement_stages + 1)
    torch.stack([(each - 1).square().mean() for each in maps]).sum().backward()
    gradients = {name: value.grad for name, value in network.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.isfinite().all()] == []
    # A batch norm takes the mean away, and with it whatever the bias of the convolution before it does.
    assert [name for name, gradient in gradients.items() if not gradient.any() and not name.endswith('bias')] == []


@torch.no_grad()
@pytest.mark.parametrize('backbone', ['mobilenet', 'mobilenetv2', 'shufflenet', 'efficientnet_lite'])
def test_fresh_networks_start_with_lively_features_and_quiet_maps(backbone):
    torch.manual_seed(0)
    network = build_network(NetworkOptions(backbone, num_refinement_stages=3))
    image = torch.rand(2, 3, 96, 96) - 0.5
    assert 0.1 < network.cpm(network.model(image)).std() < 10
    assert all(each.std() < 0.2 for each in network(image))


@pytest.mark.parametrize('backbone', ['mobilenet', 'efficientnet_lite'])
def test_stride_changes_no_tensor(backbone):
    strided = build_network(NetworkOptions(backbone, use_stride=True))
    assert tensor_shapes(strided) == tensor_shapes(build_network(NetworkOptions(backbone)))
    if backbone == 'mobilenet':
        assert strided.model[1][0].stride == (2, 2)


@torch.no_grad()
@pytest.mark.parametrize('hw', [(72, 104), (64, 88), (8, 8)])
def test_coarse_maps_that_are_half_a_cell_too_large_are_cut(hw):
    """Numbers of rows and columns that 16 does not divide."""
    network = build_network(NetworkOptions('efficientnet_lite', num_refinement_stages=0)).eval()
    maps = network(torch.rand(1, 3, *hw) - 0.5)
    assert [each.shape[2:] for each in maps] == [(hw[0] // 8, hw[1] // 8)] * 2


@pytest.mark.parametrize(('stages', 'parameters', 'tensors'), [(0, 2_483_065, 162), (1, 4_091_698, 250)])
def test_size_is_the_published_one(stages, parameters, tensors):
    network = build_network(NetworkOptions(num_refinement_stages=stages))
    assert sum(value.numel() for value in network.parameters()) == parameters
    assert len(network.state_dict()) == tensors


@pytest.mark.parametrize('options', DIALS, ids=described)
def test_options_survive_a_dictionary(options):
    assert NetworkOptions.from_dict(options.to_dict()) == options


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'backbone': 'resnet'}, "one of mobilenet, mobilenetv2, shufflenet, efficientnet_lite, got 'resnet'"),
        ({'backbone': ['mobilenet']}, 'got'),
        ({'variant': None}, 'one of published, omz, slim, got None'),
        ({'variant': 'slim', 'backbone': 'shufflenet'}, 'slim is for the backbone mobilenet, got shufflenet'),
        ({'shufflenet_groups': 5}, 'one of 1, 2, 3, 4, 8, got 5'),
        ({'shufflenet_groups': True}, 'got True'),
        ({'mobilenetv2_width': 0}, 'from 0.1 to 4, got 0'),
        ({'mobilenetv2_width': float('nan')}, 'got nan'),
        ({'mobilenetv2_width': '1.0'}, "got '1.0'"),
        ({'num_refinement_stages': -1}, ', 0 or more, got -1'),
        ({'num_refinement_stages': 1.0}, 'got 1.0'),
        ({'use_stride': 'yes'}, "got 'yes'"),
        ({'use_stride': True, 'backbone': 'shufflenet'}, 'backbones mobilenet and efficientnet_lite, got shufflenet'),
        ({'width': 1.0, 'groups': 3}, 'got width, groups'),
    ],
)
def test_bad_options_are_refused_with_a_sentence(values, words):
    with pytest.raises(SettingsError, match=words):
        NetworkOptions.from_dict(values)
