"""The HigherHRNet network against the published one and thawro's, and reading their files."""

import json

import pytest
import torch
from reference_networks import deviation, empty_state, image_of

from pose_estimation_ros.backbones.hrnet_classifier import HRNetClassifier, build_classifier
from pose_estimation_ros.backbones.hrnet_weights import load_trunk
from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.onnx_export import export_onnx
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.methods.higher_hrnet.network import HigherHRNet, build_network
from pose_estimation_ros.methods.higher_hrnet.options import HigherHRNetOptions
from pose_estimation_ros.methods.higher_hrnet.weights import (
    fit_weights,
    infer_options,
    keypoints_of,
    published_names,
    read_weights,
)

NARROW = HigherHRNetOptions(4, 4)
CONTAINERS = {
    'higherhrnet_model_best.pth.tar': 'keys_higherhrnet_official_w32.json',
    'higherhrnet_checkpoint.pth.tar': 'keys_higherhrnet_official_w32.json',
    'thawro_pose_last.pt': 'keys_thawro_higher_hrnet_32.json',
    'thawro_pose_last_no_numpy.pt': 'keys_thawro_higher_hrnet_32.json',
    'thawro_bare.pt': 'keys_thawro_higher_hrnet_32.json',
}


@pytest.fixture(scope='module')
def narrow():
    """A network of the least widths, with random weights."""
    torch.manual_seed(0)
    return build_network(17, NARROW).eval()


@pytest.fixture(scope='module')
def thawro_names(golden):
    """thawro's name of each published one."""
    return {official: name for name, official in golden('map_thawro_higher_hrnet_32_to_official.json').items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def refusal(action, *args):
    with pytest.raises(WeightsError) as caught:
        action(*args)
    assert '\n' not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(('width', 'parameters'), [(32, 28_645_331), (48, 63_827_139)])
def test_tensor_names_shapes_and_order_are_the_published_ones(golden, width, parameters):
    with torch.device('meta'):
        network = HigherHRNet(width=width)
    shapes = [(name, list(value.shape)) for name, value in network.state_dict().items()]
    assert shapes == list(golden(f'keys_higherhrnet_official_w{width}.json').items())
    assert sum(value.numel() for value in network.parameters()) == parameters


@torch.no_grad()
@pytest.mark.parametrize('width', [32, 48])
def test_network_gives_the_published_outputs(golden, seeded, calibrated, width):
    arrays, network = golden(f'net_higherhrnet_official_w{width}'), HigherHRNet(width=width).eval()
    weights, image = seeded(network.state_dict(), int(arrays['salt'])), image_of(arrays)
    if 'out_0' in arrays:
        network.load_state_dict(weights)
        assert all(deviation(maps, arrays[f'out_{index}']) < 1e-4 for index, maps in enumerate(network(image)))
    network.load_state_dict(calibrated(weights, arrays))
    assert_calibrated(network, image, [arrays['cal_out_0_f64'], arrays['cal_out_1_f64']])


def assert_calibrated(network, image, expected):
    for maps, each in zip(network(image), expected, strict=True):
        assert deviation(maps, each) < 5e-3
    for maps, each in zip(network.double()(image.double()), expected, strict=True):
        assert deviation(maps, each) < 1e-6


@torch.no_grad()
def test_renamed_weights_give_the_outputs_of_the_other_code(golden, seeded, calibrated):
    arrays = golden('net_thawro_higher_hrnet_32')
    weights = seeded(empty_state(golden('keys_thawro_higher_hrnet_32.json')), int(arrays['salt']))
    network = HigherHRNet().eval()
    text = fit_weights(network, calibrated(weights, arrays), 'higher_hrnet_32.pt')
    assert text == 'loaded 1810 of 1810 tensors from higher_hrnet_32.pt'
    coarse = torch.cat([torch.from_numpy(arrays[f'cal_{name}_f64']) for name in ('kpts_heatmap_0', 'tags')], dim=1)
    assert_calibrated(network, image_of(arrays), [coarse.numpy(), arrays['cal_kpts_heatmap_1_f64']])


def test_names_of_the_other_code_become_the_published_ones(golden):
    names = golden('map_thawro_higher_hrnet_32_to_official.json')
    assert list(published_names(dict.fromkeys(names))) == list(names.values())
    assert list(published_names(dict.fromkeys(names.values()))) == list(names.values()), 'published names stay'


@pytest.mark.parametrize('name', CONTAINERS)
def test_published_containers_are_read_without_trust(golden, shared, name):
    expected = json.loads((shared / 'golden/checkpoints/expected.json').read_text())[name]['tensors']
    tensors = read_weights(shared / 'golden' / 'checkpoints' / name)
    sums = {key: [list(value.shape), pytest.approx(float(value.double().sum()))] for key, value in tensors.items()}
    assert sums == expected
    assert tensors.keys() <= golden(CONTAINERS[name]).keys()
    assert published_names(tensors).keys() <= golden('keys_higherhrnet_official_w32.json').keys()


@pytest.mark.parametrize('options', [NARROW, HigherHRNetOptions(8, 64), HigherHRNetOptions(48)], ids=str)
def test_widths_are_seen_in_the_tensors(options):
    with torch.device('meta'):
        tensors = HigherHRNet(17, options.width, options.stem_width).state_dict()
    assert infer_options(tensors) == options
    assert keypoints_of(tensors, 'x.pth') == 17
    assert not options.guessed


def test_files_of_both_codes_load_whole(narrow, thawro_names):
    tensors = narrow.state_dict()
    for file in (tensors, {thawro_names[name]: value for name, value in tensors.items()}):
        network = build_network(17, NARROW)
        assert fit_weights(network, file, 'x.pth') == 'loaded 1810 of 1810 tensors from x.pth'
        assert equal(network.state_dict(), tensors)
        assert infer_options(published_names(file)) == NARROW


def test_files_of_other_networks_are_refused_with_a_sentence(narrow, thawro_names):
    with torch.device('meta'):
        classifier, wide = HRNetClassifier(4, 10, 4).state_dict(), HigherHRNet(17, 8, 4).state_dict()
    for other in (classifier, {'classification_head.classifier.weight': torch.ones(2, 2)}):
        assert refusal(infer_options, published_names(other), None, 'x.pth') == (
            'x.pth: expected a HigherHRNet pose network, got an HRNet classifier;'
            ' use it to classify images or to start a training (--start.backbone)'
        )
    assert 'got 1 tensors of another, such as a; choose a pose checkpoint' in refusal(infer_options, {'a': 1})
    before = {name: value.clone() for name, value in narrow.state_dict().items()}
    sentence = refusal(fit_weights, narrow, wide, 'x.pth')
    assert 'transition1.0.0.weight (expected (4, 16, 3, 3), got (8, 16, 3, 3))' in sentence
    assert sentence.endswith('build the network with width 8')
    assert 'got an HRNet classifier; use it to classify' in refusal(fit_weights, narrow, classifier)
    partial = {name: value for name, value in before.items() if name != 'stage4.2.fuse_layers.0.3.1.bias'}
    assert '1 of 1810 tensors do not fit: first stage4.2.fuse_layers.0.3.1.bias (missing)' in refusal(
        fit_weights, narrow, partial
    )
    assert equal(before, narrow.state_dict())


# The ImageNet file in the trunk


@pytest.fixture(scope='module')
def imagenet():
    torch.manual_seed(1)
    return build_classifier(4, 10, 4).state_dict()


def other_head(tensors):
    """The layout of hrnet_w32-36af842e.pth: the same trunk and another head."""
    trunk = {name: value for name, value in tensors.items() if not name.startswith(('incre', 'down', 'final', 'class'))}
    return {**trunk, 'head.0.0.0.conv1.weight': torch.ones(2, 3), 'head.0.1.0.conv1.weight': torch.ones(2, 3)}


def as_thawro(tensors, golden):
    names = {official: name for name, official in golden('map_thawro_cls_hrnet_32_to_official.json').items()}
    return {names[name]: value for name, value in tensors.items()}


@pytest.mark.parametrize('layout', ['official', 'other head', 'thawro'])
def test_imagenet_files_fill_the_trunk_and_nothing_else(narrow, imagenet, golden, layout):
    file = {'other head': other_head(imagenet), 'thawro': as_thawro(imagenet, golden)}.get(layout, imagenet)
    network = build_network(17, NARROW)
    network.load_state_dict(narrow.state_dict())
    text = load_trunk(network, file, 'hrnet.pth')
    head = {'other head': 2}.get(layout, 126)
    assert text == (
        f'loaded 1752 of 1752 trunk tensors from hrnet.pth; its classification head ({head} tensors) is left out,'
        ' and so are 78 tensors that this network has no use for'
    )
    for name, value in network.state_dict().items():
        is_head = name.startswith(('final_layers', 'deconv_layers'))
        assert torch.equal(value, (narrow.state_dict() if is_head else imagenet)[name]), name


def test_trunks_that_do_not_fit_change_nothing(narrow, imagenet):
    before = {name: value.clone() for name, value in narrow.state_dict().items()}
    with torch.device('meta'):
        wide = HRNetClassifier(8, 10, 4).state_dict()
    assert refusal(load_trunk, narrow, wide, 'x.pth') == (
        'x.pth: expected HRNet-W4 with a stem of 4, got HRNet-W8 with a stem of 4;'
        ' build the network with width 8 and stem_width 4, or choose another file'
    )
    partial = {name: value for name, value in imagenet.items() if not name.startswith('stage3.2')}
    assert 'of 1752 trunk tensors do not fit: first stage3.2' in refusal(load_trunk, narrow, partial)
    assert 'expected a network on an HRNet trunk, got 1 tensors' in refusal(load_trunk, narrow, {'fc.weight': 1})
    assert equal(before, narrow.state_dict())


# Building and exporting


def test_a_fresh_network_has_the_published_values_and_all_of_it_learns(narrow):
    convolutions = [module for module in narrow.modules() if isinstance(module, torch.nn.Conv2d)]
    spread = torch.cat([module.weight.detach().ravel() for module in convolutions]).std()
    assert spread == pytest.approx(0.001, rel=0.05)
    assert all(not module.bias.any() for module in convolutions if module.bias is not None)
    network = build_network(17, NARROW)
    loss = sum((maps - 1).square().mean() for maps in network(torch.rand(2, 3, 64, 96) - 0.5))
    loss.backward()
    assert [name for name, value in network.named_parameters() if not value.grad.isfinite().all()] == []
    assert [name for name, value in network.named_parameters() if not value.grad.any()] == []


def test_export_gives_the_outputs_of_torch_at_any_size(golden, seeded):
    network = build_network(17, NARROW).eval()
    weights = seeded(network.state_dict(), 0)
    network.load_state_dict({name: value * 0.3 if value.ndim == 4 else value for name, value in weights.items()})
    backend = open_backend(Model((34, 17), onnx=export_onnx(network)), BackendSettings('onnxruntime', 'cpu'))
    for shape in ((1, 3, 64, 64), (2, 3, 96, 160)):
        image = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            expected = network(image)
        assert [tuple(maps.shape[2:]) for maps in expected] == [
            (shape[2] // 4, shape[3] // 4),
            (shape[2] // 2, shape[3] // 2),
        ]
        for maps, each in zip(backend(image.numpy()), expected, strict=True):
            assert deviation(torch.from_numpy(maps), each.numpy()) < 1e-4


@pytest.mark.parametrize('values', [{'width': 0}, {'width': 32.5}, {'stem_width': 1000}, {'depth': 50}])
def test_bad_options_are_refused_with_a_sentence(values):
    with pytest.raises(SettingsError, match=r'published networks have|network options are width, stem_width'):
        HigherHRNetOptions.from_dict(values)
    assert HigherHRNetOptions.from_dict(NARROW.to_dict()) == NARROW
    assert (HigherHRNetOptions().backbone, HigherHRNetOptions().stride) == ('hrnet_w32', 4)
