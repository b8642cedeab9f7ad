"""The ImageNet classifier on HRNet against the published one and thawro's, and reading their files."""

import json

import pytest
import torch
from reference_networks import deviation, empty_state, image_of

from pose_estimation_ros.backbones.hrnet import HRNet
from pose_estimation_ros.backbones.hrnet_classifier import HRNetClassifier, build_classifier
from pose_estimation_ros.backbones.hrnet_weights import THAWRO_CLASSIFIER, fit_classifier, read_classifier, renamed
from pose_estimation_ros.backbones.weights_file import read_state_dict
from pose_estimation_ros.core.errors import WeightsError

CONTAINERS = {
    'hrnetv2_w32_imagenet_pretrained.pth': 'keys_hrnet_imagenet_official_w32.json',
    'cls_hrnet_checkpoint.pth.tar': 'keys_hrnet_imagenet_official_w32.json',
    'thawro_cls_best.pt': 'keys_thawro_cls_hrnet_32.json',
    'thawro_cls_best_no_numpy.pt': 'keys_thawro_cls_hrnet_32.json',
}


def test_tensor_names_shapes_and_order_are_the_published_ones(golden):
    with torch.device('meta'):
        network = HRNetClassifier()
    shapes = [(name, list(value.shape)) for name, value in network.state_dict().items()]
    assert shapes == list(golden('keys_hrnet_imagenet_official_w32.json').items())
    assert sum(value.numel() for value in network.parameters()) == 41_232_680


@torch.no_grad()
def assert_logits(network, arrays):
    image, expected = image_of(arrays), arrays['cal_logits_f64'][..., None, None]
    (logits,) = network(image)
    assert deviation(logits, expected) < 5e-3
    (logits,) = network.double()(image.double())
    assert deviation(logits, expected) < 1e-6


def test_network_gives_the_published_logits(golden, seeded, calibrated):
    arrays, network = golden('net_hrnet_imagenet_official_w32'), HRNetClassifier().eval()
    network.load_state_dict(calibrated(seeded(network.state_dict(), int(arrays['salt'])), arrays))
    assert_logits(network, arrays)


def test_renamed_weights_give_the_logits_of_the_other_code(golden, seeded, calibrated):
    arrays, network = golden('net_thawro_cls_hrnet_32'), HRNetClassifier().eval()
    weights = seeded(empty_state(golden('keys_thawro_cls_hrnet_32.json')), int(arrays['salt']))
    tensors, facts = read_classifier(calibrated(weights, arrays), 'hrnet_32.pt')
    assert facts == {'width': 32, 'stem_width': 64, 'classes': 1000}
    assert fit_classifier(network, tensors, 'hrnet_32.pt') == 'loaded 1956 of 1956 tensors from hrnet_32.pt'
    assert_logits(network, arrays)


def test_names_of_the_other_code_become_the_published_ones(golden):
    names = golden('map_thawro_cls_hrnet_32_to_official.json')
    assert list(renamed(dict.fromkeys(names), THAWRO_CLASSIFIER)) == list(names.values())
    assert list(renamed(dict.fromkeys(names.values()), THAWRO_CLASSIFIER)) == list(names.values())


@pytest.mark.parametrize('name', CONTAINERS)
def test_published_containers_are_read_without_trust(golden, shared, name):
    expected = json.loads((shared / 'golden/checkpoints/expected.json').read_text())[name]['tensors']
    tensors = read_state_dict(shared / 'golden' / 'checkpoints' / name)
    sums = {key: [list(value.shape), pytest.approx(float(value.double().sum()))] for key, value in tensors.items()}
    assert sums == expected
    assert tensors.keys() <= golden(CONTAINERS[name]).keys()
    assert renamed(tensors, THAWRO_CLASSIFIER).keys() <= golden('keys_hrnet_imagenet_official_w32.json').keys()


def refusal(action, *args):
    with pytest.raises(WeightsError) as caught:
        action(*args)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_files_of_other_networks_are_refused_with_a_sentence():
    with torch.device('meta'):
        network = HRNetClassifier(4, 10, 4)
        trunk, wide = HRNet(4, 4).state_dict(), HRNetClassifier(8, 7, 4).state_dict()
    pose = {**trunk, 'final_layers.0.weight': torch.ones(34, 4, 1, 1), 'deconv_layers.0.0.0.weight': torch.ones(2, 2)}
    assert refusal(read_classifier, pose, 'x.pth') == (
        'x.pth: expected an HRNet classifier with the tensor classifier.weight, got a network with deconv_layers,'
        ' final_layers on HRNet-W4 with a stem of 4; choose a classifier such as hrnetv2_w32_imagenet_pretrained.pth'
        ' or hrnet_32.pt'
    )
    assert 'got a network with head on' in refusal(read_classifier, {**trunk, 'head.0.weight': torch.ones(2)})
    assert 'expected a network on an HRNet trunk' in refusal(read_classifier, {'fc.weight': torch.ones(2, 2)})
    assert refusal(fit_classifier, network, wide).endswith('build the network with width 8 and classes 7')
    assert '1 of 1956 tensors do not fit' in refusal(
        fit_classifier, network, {name: value for name, value in network.state_dict().items() if name != 'bn1.bias'}
    )


def test_a_fresh_classifier_tells_classes_apart_and_all_of_it_learns():
    torch.manual_seed(0)
    network = build_classifier(4, 10, 4)
    (logits,) = network(torch.rand(4, 3, 64, 64) - 0.5)
    assert logits.shape == (4, 10, 1, 1)
    torch.nn.functional.cross_entropy(logits[..., 0, 0], torch.arange(4)).backward()
    assert [name for name, value in network.named_parameters() if not value.grad.any()] == []
    spread = float(network.final_layer[0].weight.detach().std())
    assert spread == pytest.approx((2 / 2048) ** 0.5, rel=0.02), 'by the number of outputs'
