"""Reading published weights files: every container loads whole, everything else is refused with a sentence."""

import argparse
import logging
import os
import re
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch.nn import functional

from pose_estimation_ros.backbones import weights_file
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.methods.lightweight_openpose.network import build_network
from pose_estimation_ros.methods.lightweight_openpose.options import NetworkOptions
from pose_estimation_ros.methods.lightweight_openpose.weights import (
    fit_weights,
    infer_options,
    load_backbone,
    read_weights,
)

LEGACY = {'_use_new_zipfile_serialization': False}
SMALL = {'a.weight': torch.arange(6.0).reshape(2, 3), 'a.bias': torch.ones(2)}
NETWORKS = [
    *(NetworkOptions(num_refinement_stages=stages) for stages in (0, 1, 3)),
    NetworkOptions(variant='omz'),
    NetworkOptions(variant='slim'),
    *(NetworkOptions('mobilenetv2', mobilenetv2_width=width) for width in (0.5, 0.75, 1.0, 1.4, 1.17)),
    *(NetworkOptions('shufflenet', shufflenet_groups=groups) for groups in (1, 2, 3, 4, 8)),
    NetworkOptions('efficientnet_lite', num_refinement_stages=0),
]


@pytest.fixture(scope='module')
def weights():
    """The tensors of a network with one refinement stage; take a copy to change them."""
    return build_network(NetworkOptions()).state_dict()


def network_with(stages=1, backbone='mobilenet', **dials):
    return build_network(NetworkOptions(backbone, num_refinement_stages=stages, **dials))


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def prefixed(prefix, tensors):
    return {prefix + name: value for name, value in tensors.items()}


def refusal(action, *args, **kwargs):
    """The sentence an action is refused with, which must be one."""
    with pytest.raises(WeightsError) as caught:
        action(*args, **kwargs)
    sentence = str(caught.value)
    assert '\n' not in sentence
    assert len(sentence) < 600
    return sentence


def harmless_refusal(load, network, *args):
    """The sentence that loading is refused with, which must leave the network as it was."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    sentence = refusal(load, network, *args)
    assert equal(before, network.state_dict())
    return sentence


# Containers


@pytest.mark.parametrize('options', [{}, LEGACY], ids=['zip', 'legacy'])
@pytest.mark.parametrize(
    'content',
    [
        SMALL,
        {'state_dict': SMALL, 'optimizer': {'state': {}, 'lr': 4e-5}, 'scheduler': {}, 'iter': 9, 'current_epoch': 1},
        {'epoch': 1, 'arch': 'mobilenet', 'state_dict': prefixed('module.', SMALL), 'best_prec1': torch.tensor(68.8)},
        prefixed('module.', SMALL),
        prefixed('_orig_mod.', SMALL),
        OrderedDict(prefixed('net.', SMALL)),
        {'state_dict': prefixed('net._orig_mod.module.', SMALL)},
        {
            'module': {'model': prefixed('_orig_mod.', SMALL), 'optimizers': {}},
            'datamodule': {'numpy_random_state': np.random.get_state(legacy=True)},
            'epoch': 3,
        },
        {'net': prefixed('module.', SMALL), 'acc': 0.5},
        {'net': {'a.weight': torch.zeros(1)}, 'ema_net': SMALL},
    ],
    ids=[
        *('plain', 'checkpoint_iter', 'pth_tar', 'data_parallel', 'compiled', 'wrapped', 'all_prefixes'),
        *('random_states', 'net', 'averaged'),
    ],
)
def test_every_container_is_read(tmp_path, content, options):
    torch.save(content, tmp_path / 'file.pth.tar', **options)
    assert equal(read_weights(tmp_path / 'file.pth.tar'), SMALL)


def test_a_prefix_that_only_some_names_have_belongs_to_them(tmp_path):
    tensors = {'module.a': torch.ones(1), 'b': torch.ones(1)}
    torch.save(tensors, tmp_path / 'file.pth')
    assert equal(read_weights(tmp_path / 'file.pth'), tensors)


def test_real_weights_load_and_say_what_they_are(assets):
    path = assets / 'weights/lwop_omz.pth'
    tensors = read_weights(path)
    options = infer_options(tensors)
    assert options == NetworkOptions(variant='omz')
    network = build_network(options)
    report = fit_weights(network, tensors, str(path))
    assert equal(network.state_dict(), tensors)
    assert (report.loaded, report.total, report.dropped_stages) == (255, 255, 0)
    assert report.text == f'loaded 255 of 255 tensors from {path}'


# Files that are refused


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'is empty'),
        (b'\n<!DOCTYPE html><html>Sign in</html>', 'is a web page'),
        (b'<?xml version="1.0"?><net></net>', 'XML'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'Git LFS pointer'),
        (b'\x08\x07\x12\x07pytorch' + bytes(100), 'not a file of torch.save'),
        (b'\x93NUMPY' * 40, 'not a file of torch.save'),
        (b'PK\x03\x04' + bytes(300), 'cut off or damaged (304 bytes)'),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, words):
    path = tmp_path / 'file.pth'
    path.write_bytes(content)
    sentence = refusal(read_weights, path)
    assert words in sentence
    assert str(path) in sentence


def test_missing_files_and_folders_are_named(tmp_path):
    assert 'does not exist' in refusal(read_weights, tmp_path / 'none.pth')
    assert 'does not exist' in refusal(read_weights, str(tmp_path / 'none.pth'))
    assert 'is a folder' in refusal(read_weights, tmp_path)
    assert 'cannot read' in refusal(read_weights, tmp_path / ('long' * 100))


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read every file')
def test_files_without_permission_are_named(tmp_path):
    torch.save(SMALL, tmp_path / 'file.pth')
    (tmp_path / 'file.pth').chmod(0)
    assert 'Permission denied' in refusal(read_weights, tmp_path / 'file.pth')


@pytest.mark.parametrize('options', [{}, LEGACY], ids=['zip', 'legacy'])
@pytest.mark.parametrize('part', [0.001, 0.01, 0.3, 0.7, 0.999])
def test_cut_off_files_are_refused(tmp_path, options, part):
    path = tmp_path / 'file.pth'
    torch.save({'state_dict': {'a': torch.zeros(5000)}}, path, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert re.search('cut off|damaged', refusal(read_weights, path))


def test_a_hole_in_the_middle_of_a_file_is_found(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save({'a': torch.ones(5000)}, path)
    content = bytearray(path.read_bytes())
    content[10000:12000] = bytes(2000)
    path.write_bytes(content)
    assert 'does not match its checksum' in refusal(read_weights, path)


def test_archives_that_would_fill_the_memory_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / 'file.pth'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f'archive/data/{number}', bytes(1 << 20))
    monkeypatch.setattr(weights_file, 'MAX_UNPACKED_BYTES', 10 << 20)
    assert 'would unpack' in refusal(read_weights, path)
    monkeypatch.setattr(weights_file, 'MAX_UNPACKED_BYTES', 4 << 30)
    monkeypatch.setattr(weights_file, 'MAX_UNPACKED_RATIO', 100)
    assert 'would unpack' in refusal(read_weights, path)


@pytest.mark.filterwarnings('ignore')  # TorchScript is deprecated, but its files are not gone
def test_other_archives_are_refused(tmp_path):
    np.savez(tmp_path / 'file.npz', a=np.ones(3))
    assert 'not a file of torch.save' in refusal(read_weights, tmp_path / 'file.npz')
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / 'file.pt')
    assert 'not a file of torch.save' in refusal(read_weights, tmp_path / 'file.pt')


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ({'epoch': 3}, "holds a int under 'epoch'"),
        ({'state_dict': {'a': torch.ones(1), 'b': [1]}}, "holds a list under 'b'"),
        ({'state_dict': {1: torch.ones(1)}}, 'holds a Tensor under 1'),
        ({'state_dict': None}, 'holds a NoneType'),
        ({}, 'holds an empty dictionary'),
        ([torch.ones(1)], 'holds a list'),
        (torch.ones(1), 'holds a Tensor'),
        ({'a': torch.ones(1).expand(10**6, 10**6)}, 'another form than a plain tensor'),
        ({'a': torch.ones(3, device='meta')}, 'another form than a plain tensor'),
        ({'a': torch.eye(3).to_sparse()}, 'another form than a plain tensor'),
        ({'a': torch.ones(2, dtype=torch.complex64)}, 'another form than a plain tensor'),
        ({'a': torch.ones(2), 'b': torch.tensor([1, float('nan')])}, 'in 1 of 2 tensors, first b'),
        ({'state_dict': {'a': torch.tensor(float('inf'))}}, 'NaN or infinite values in 1 of 1'),
    ],
)
def test_contents_that_are_no_weights_are_named(tmp_path, content, words):
    torch.save(content, tmp_path / 'file.pth')
    assert words in refusal(read_weights, tmp_path / 'file.pth')


class Trap:
    """Runs code when it is unpickled without care."""

    def __reduce__(self):
        return os.mkdir, ('trapped',)


@pytest.mark.parametrize('options', [{}, LEGACY], ids=['zip', 'legacy'])
def test_code_in_a_file_is_not_run(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    for extra, words in ((Trap(), '.mkdir'), (np.array([Trap()], dtype=object), 'ObjectDType')):
        torch.save({'state_dict': SMALL, 'extra': extra}, 'file.pth', **options)
        sentence = refusal(read_weights, 'file.pth')
        assert f'{words}, expected tensors only' in sentence
        assert 'trust=True' in sentence
        assert not (tmp_path / 'trapped').exists()


@pytest.mark.parametrize('extra', [np.float64(0.4), argparse.Namespace(lr=1)], ids=['numpy', 'namespace'])
def test_files_with_other_objects_are_read_when_trusted(tmp_path, caplog, extra):
    path = tmp_path / 'file.pth'
    torch.save({'state_dict': SMALL, 'extra': extra}, path)
    assert 'trust=True' in refusal(read_weights, path)
    with caplog.at_level(logging.WARNING):
        assert equal(read_weights(path, trust=True), SMALL)
    assert 'may run arbitrary code' in caplog.text


def test_trusted_files_may_hold_a_network_and_are_checked_too(tmp_path):
    path = tmp_path / 'file.pth'
    layer = torch.nn.Linear(3, 2)
    torch.save(layer, path)
    assert equal(read_weights(path, trust=True), layer.state_dict())
    layer.bias.data[0] = float('nan')
    torch.save(layer, path)
    assert 'first bias' in refusal(read_weights, path, trust=True)


# Which network


@pytest.mark.parametrize('options', NETWORKS, ids=str)
def test_options_are_seen_in_the_tensors(options):
    with torch.device('meta'):
        tensors = build_network(options).state_dict()
    seen = infer_options(tensors)
    with torch.device('meta'):
        again = build_network(seen).state_dict()
    assert {name: value.shape for name, value in again.items()} == {n: v.shape for n, v in tensors.items()}
    assert infer_options(tensors, hint=options) == options
    assert seen == options or options.mobilenetv2_width == 1.17  # widths with the same channels cannot be told apart


def test_what_cannot_be_seen_comes_from_the_hint(weights):
    assert infer_options(weights, NetworkOptions(use_stride=True)).use_stride
    assert infer_options(weights, NetworkOptions('shufflenet', num_refinement_stages=3)) == NetworkOptions()
    shufflenet = network_with(0, 'shufflenet').state_dict()
    assert not infer_options(shufflenet, NetworkOptions(use_stride=True)).use_stride


def test_options_of_other_files_are_refused(weights):
    backbone = {name: value for name, value in weights.items() if name.startswith('model.')}
    assert 'x.pth: expected a Lightweight OpenPose network' in refusal(infer_options, backbone, source='x.pth')
    assert 'got 0 tensors' in refusal(infer_options, {})
    rest = {name: value for name, value in weights.items() if not name.startswith('model.')}
    assert 'expected a backbone' in refusal(infer_options, rest)
    odd = network_with(0, 'mobilenetv2').state_dict()
    odd['model.features.4.conv.6.weight'] = torch.ones(7, 144, 1, 1)
    assert 'which belong to none' in refusal(infer_options, odd)
    odd = network_with(0, 'shufflenet').state_dict() | {'cpm.align.0.weight': torch.ones(128)}
    assert 'expected a ShuffleNet' in refusal(infer_options, odd)


# Loading


def test_further_stages_of_a_file_are_dropped_and_reported():
    file, network = network_with(3).state_dict(), network_with(1)
    report = fit_weights(network, file, 'x.pth')
    assert equal(network.state_dict(), {name: file[name] for name in network.state_dict()})
    assert (report.loaded, report.total, report.dropped_stages) == (250, 250, 2)
    assert (
        report.text
        == 'loaded 250 of 250 tensors from x.pth; 2 refinement stages of it not used, as the network has fewer'
    )


def test_files_without_batch_counters_load(weights):
    old = {name: value for name, value in weights.items() if 'num_batches_tracked' not in name}
    network = network_with()
    report = fit_weights(network, old)
    assert (report.loaded, report.total) == (217, 217)
    assert equal({name: network.state_dict()[name] for name in old}, old)


def test_half_precision_files_load(weights):
    network = network_with()
    fit_weights(network, {name: v.half() if v.is_floating_point() else v for name, v in weights.items()})
    assert network.state_dict()['cpm.conv.0.weight'].dtype == torch.float32


def test_new_stages_are_allowed_on_request_only(weights):
    network = network_with(3)
    assert 'build the network with num_refinement_stages=1' in refusal(fit_weights, network, weights)
    report = fit_weights(network, weights, new_stages=True)
    assert (report.loaded, report.total) == (250, 426)
    assert 'loaded 250 of 426' in report.text
    assert '2 refinement stages not in it start from random values' in report.text
    assert equal({name: network.state_dict()[name] for name in weights}, weights)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'cpm.conv.0.bias': None}, r'1 of 250 tensors do not fit: first cpm\.conv\.0\.bias \(missing\).*altered'),
        ({'cpm.conv.0.bias': torch.ones(5)}, r'1 of 250 .*\(expected \(128,\), got \(5,\)\)'),
        ({'cpm.conv.0.bias': torch.ones(128).long()}, r'1 of 250 .*expected torch\.float32, got torch\.int64'),
        ({'cpm.other': torch.ones(5)}, r'1 of 251 .*cpm\.other \(unexpected\)'),
        ({f'refinement_stages.{9**99}.x': torch.ones(5)}, r'1 of 251 .*\(unexpected\)'),
        ({'cpm.red.0.weight': torch.ones(128, 128, 1, 1)}, r'1 of 251 .*build the network with variant=omz'),
        ({'cpm.align.0.weight': None, 'model.0.0.weight': None}, r'2 of 250 .*not of this network'),
    ],
)
def test_files_that_do_not_fit_change_nothing(weights, change, words):
    changed = {name: value for name, value in {**weights, **change}.items() if value is not None}
    assert re.match('x.pth: ' + words, harmless_refusal(fit_weights, network_with(), changed, 'x.pth'))


def test_checkpoints_of_another_network_are_refused():
    resnet = {f'layer{number}.conv1.weight': torch.ones(2, 2, 1, 1) for number in range(9)}
    network = network_with()
    sentence = refusal(fit_weights, network, resnet)
    assert '226 of 259 tensors do not fit' in sentence
    assert 'choose a Lightweight OpenPose checkpoint' in sentence
    assert 'backbone=shufflenet' in refusal(fit_weights, network, network_with(1, 'shufflenet').state_dict())
    narrow = network_with(1, 'mobilenetv2', mobilenetv2_width=0.5).state_dict()
    assert 'mobilenetv2_width=0.5' in refusal(fit_weights, network_with(1, 'mobilenetv2'), narrow)


# The ImageNet classifier's file


def backbone_of(network):
    return {name: value for name, value in network.state_dict().items() if name.startswith('model.')}


def classifier(network, prefix):
    """What the published ImageNet file of a network's backbone looks like."""
    return {
        **{prefix + name.removeprefix('model.'): value for name, value in backbone_of(network).items()},
        'module.fc.weight': torch.ones(10, 10),
        'module.fc.bias': torch.ones(10),
    }


@pytest.mark.parametrize(
    ('backbone', 'prefix'),
    [('mobilenet', 'module.model.'), ('mobilenetv2', 'module.'), ('shufflenet', 'module.')],
)
def test_imagenet_files_fill_the_backbone_alone(tmp_path, backbone, prefix):
    torch.manual_seed(0)
    source, network = network_with(0, backbone), network_with(1, backbone)
    last_blocks = {
        f'{prefix}12.0.weight': torch.ones(512, 1, 3, 3),
        f'{prefix}12.3.weight': torch.ones(1024, 512, 1, 1),
    }
    content = {'epoch': 1, 'arch': backbone, 'state_dict': {**classifier(source, prefix), **last_blocks}}
    torch.save(content, tmp_path / 'file.pth.tar', **LEGACY)
    heads = {name: value.clone() for name, value in network.state_dict().items() if not name.startswith('model.')}
    report = load_backbone(network, read_weights(tmp_path / 'file.pth.tar'), 'file.pth.tar')
    expected = backbone_of(source)
    assert equal(backbone_of(network), expected)
    assert equal({name: network.state_dict()[name] for name in heads}, heads)
    assert report.loaded == report.total == len(expected)
    assert report.text == (
        f'loaded {len(expected)} of {len(expected)} backbone tensors from file.pth.tar; 4 others in it are not used'
    )


def test_imagenet_files_from_before_batch_counters_load():
    source, network = network_with(0), network_with(0)
    old = {name: value for name, value in backbone_of(source).items() if 'num_batches_tracked' not in name}
    assert load_backbone(network, old).loaded == len(old)


def test_imagenet_files_of_another_backbone_change_nothing():
    network = network_with(0)
    other = classifier(network_with(0, 'mobilenetv2'), '')
    sentence = harmless_refusal(load_backbone, network, other, 'x.pth')
    assert sentence.startswith('x.pth: 115 of 138 backbone tensors do not fit: first model.0.0.weight (missing)')
    wider = backbone_of(network) | {'model.5.3.weight': torch.ones(300, 256, 1, 1)}
    assert '1 of 138 backbone tensors do not fit' in refusal(load_backbone, network, wider)


def published_efficientnet(blocks=16):
    """A classifier's tensors under the names, and of the shapes, that EfficientNet-Lite0 is published with."""
    generator = torch.Generator().manual_seed(1)
    tensors = {}

    def norm(name, channels):
        for part in ('weight', 'bias', 'running_mean', 'running_var'):
            tensors[f'{name}.{part}'] = torch.rand(channels, generator=generator) + 0.5 * (part != 'bias')
        tensors[f'{name}.num_batches_tracked'] = torch.tensor(7)

    def conv(name, outputs, inputs, kernel, bn):
        tensors[f'{name}.weight'] = torch.randn(outputs, inputs, kernel, kernel, generator=generator) / 5
        norm(bn, outputs)

    conv('_conv_stem', 32, 3, 3, '_bn0')
    inputs, block = 32, 0
    for expansion, outputs, count, kernel in PUBLISHED_GROUPS:
        for _ in range(count):
            if block < blocks:
                name, hidden = f'_blocks.{block}', inputs * expansion
                if expansion > 1:
                    conv(f'{name}._expand_conv', hidden, inputs, 1, f'{name}._bn0')
                conv(f'{name}._depthwise_conv', hidden, 1, kernel, f'{name}._bn1')
                conv(f'{name}._project_conv', outputs, hidden, 1, f'{name}._bn2')
            inputs, block = outputs, block + 1
    conv('_conv_head', 1280, inputs, 1, '_bn1')
    return {**tensors, '_fc.weight': torch.ones(10, 1280), '_fc.bias': torch.ones(10)}


# expansion, channels, blocks, kernel
PUBLISHED_GROUPS = (
    *((1, 16, 1, 3), (6, 24, 2, 3), (6, 40, 2, 5), (6, 80, 3, 3), (6, 112, 3, 5), (6, 192, 4, 5), (6, 320, 1, 3)),
)
STRIDES = {1: 2, 3: 2, 5: 2}
"""Of the published blocks with one, up to the last that is used."""


def published_features(tensors, rgb):
    """What EfficientNet-Lite0 makes of RGB pictures 0..255, after blocks 4 and 10, padded as torch does."""

    def norm(features, name):
        mean, var, weight, bias = (
            tensors[f'{name}.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return functional.batch_norm(features, mean, var, weight, bias, eps=1e-3)

    features = functional.conv2d((rgb - 127) / 128, tensors['_conv_stem.weight'], stride=2, padding=1)
    features = functional.relu6(norm(features, '_bn0'))
    seen = []
    for block in range(11):
        name, before = f'_blocks.{block}', features
        if block:
            features = functional.conv2d(features, tensors[f'{name}._expand_conv.weight'])
            features = functional.relu6(norm(features, f'{name}._bn0'))
        weight, stride = tensors[f'{name}._depthwise_conv.weight'], STRIDES.get(block, 1)
        features = functional.conv2d(features, weight, None, stride, weight.shape[2] // 2, groups=len(weight))
        features = functional.relu6(norm(features, f'{name}._bn1'))
        features = norm(functional.conv2d(features, tensors[f'{name}._project_conv.weight']), f'{name}._bn2')
        features = features + before if features.shape == before.shape else features
        seen.append(features)
    return seen[4], seen[10]


@torch.no_grad()
def test_published_efficientnet_files_fill_the_backbone(tmp_path):
    """Away from borders, beyond which the published network sees 127 and this one 128, features are the published."""
    published = published_efficientnet()
    torch.save(published, tmp_path / 'file.pth')
    network = network_with(0, 'efficientnet_lite')
    report = load_backbone(network, read_weights(tmp_path / 'file.pth'), 'file.pth')
    assert report.loaded == report.total == len(backbone_of(network))
    assert re.fullmatch(r'loaded (\d+) of \1 backbone tensors from file.pth; 98 others in it are not used', report.text)
    picture = torch.randint(0, 256, (1, 3, 256, 256), generator=torch.Generator().manual_seed(0)).double()
    fine, coarse = published_features({name: value.double() for name, value in published.items()}, picture)
    ours = network.double().eval().model((picture.flip(1) - 128) / 256)
    assert torch.allclose(ours[:, :40, 8:24, 8:24], fine[..., 8:24, 8:24], rtol=1e-4, atol=1e-4)
    assert torch.allclose(ours[:, 40:, 14:18:2, 14:18:2], coarse[..., 7:9, 7:9], rtol=1e-4, atol=1e-4)
    assert torch.equal(ours[:, 40:, ::2, ::2], ours[:, 40:, 1::2, 1::2])


def test_efficientnet_files_that_lack_blocks_change_nothing():
    network = network_with(0, 'efficientnet_lite')
    sentence = harmless_refusal(load_backbone, network, published_efficientnet(blocks=9), 'x.pth')
    assert '30 of 198 backbone tensors do not fit: first model.coarse.4.conv.0.weight (missing)' in sentence
