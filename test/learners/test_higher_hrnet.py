"""HigherHRNet's learner: arguments, files of all codes, exported models, mirrored inputs, scales, a short training."""

import json

import numpy as np
import pytest
import torch
from reference_networks import lively

from pose_estimation_ros import HigherHRNetLearner, Pose
from pose_estimation_ros.backbones.hrnet_classifier import build_classifier
from pose_estimation_ros.core.errors import DownloadError, SettingsError, WeightsError
from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople

NARROW = {'backbone': 'hrnet_w8', 'stem_width': 8, 'device': 'cpu', 'base_height': 128}
EVERYBODY = {'keypoint_threshold': 0.0, 'max_persons': 3}


@pytest.fixture(scope='module')
def image():
    return np.random.default_rng(0).integers(0, 256, (96, 150, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A folder with a narrow network, whose random maps have peaks."""
    learner = HigherHRNetLearner(**NARROW)
    learner.init_model()
    with torch.no_grad():
        for head in lively(learner.network).final_layers:
            head.weight *= 0.1
    folder = tmp_path_factory.mktemp('higher') / 'narrow'
    learner.save(folder)
    return folder


def loaded(path, **arguments):
    learner = HigherHRNetLearner(**{'device': 'cpu', 'backend': 'torch', 'decoding': EVERYBODY, **arguments})
    learner.load(path)
    return learner


def keypoints(poses):
    return np.array([pose.keypoints for pose in poses])


def equal_poses(poses, others, pixels=0.01):
    assert len(poses) == len(others) > 0
    np.testing.assert_allclose(keypoints(poses)[..., 2], keypoints(others)[..., 2], atol=1e-3)
    np.testing.assert_allclose(keypoints(poses), keypoints(others), atol=pixels)
    return True


def test_a_saved_network_is_found_again_with_its_widths_and_its_input_size(saved, image):
    learner = loaded(saved)
    assert (learner.options.width, learner.options.stem_width, learner.base_height) == (8, 8, 128)
    poses = learner.infer(image, track=False)
    assert 0 < len(poses) <= 3
    assert all(isinstance(pose, Pose) and pose.keypoints.shape == (17, 3) for pose in poses)
    again = loaded(saved)
    assert equal_poses(poses, again.infer(image, track=False))


def test_explicit_arguments_override_the_file(saved):
    assert loaded(saved, base_height=192).base_height == 192
    assert loaded(saved, input_size=256).base_height == 256
    with pytest.raises(SettingsError, match='the input short side must be from 32 to 4320 pixels, got 8'):
        loaded(saved).tune(base_height=8)


@pytest.mark.parametrize('decode', ['fast', 'published', 'thawro'])
def test_decoders_find_people_in_images_of_any_shape(saved, decode):
    learner = loaded(saved, decode=decode, base_height=64, decoding=None)
    for hw in ((1, 1), (300, 30), (30, 300), (64, 64)):
        for pose in learner.infer(np.full((*hw, 3), 200, np.uint8), track=False):
            assert np.isfinite(pose.keypoints[pose.keypoints[:, 2] > 0]).all()


def test_words_of_pytorch_human_pose(saved, image):
    ours = loaded(
        saved, base_height=192, flip=True, decoding={'keypoint_threshold': 0.01, 'tag_threshold': 0.2, 'max_persons': 3}
    )
    theirs = loaded(saved, input_size=192, use_flip=True, det_thr=0.01, tag_thr=0.2, decoding={'max_persons': 3})
    poses = ours.infer(image, track=False)
    assert equal_poses(poses, theirs.infer(image, track=False))
    without = loaded(saved, input_size=192, det_thr=0.01, tag_thr=0.2, decoding={'max_persons': 3})
    plain = without.infer(image, track=False)
    assert len(plain) != len(poses) or not np.allclose(keypoints(plain), keypoints(poses), equal_nan=True)


def test_mirrored_inputs_are_tags_of_their_own_and_scales_are_averaged(saved, image):
    learner = loaded(saved, flip=True)
    (output,) = learner.pipeline().forward([image])
    heatmaps, tags = output.maps
    assert (len(heatmaps), len(tags)) == (17, 34)
    learner.look((0.5, 1, 2))
    (scaled,) = learner.pipeline().forward([image])
    assert [len(each) for each in scaled.maps] == [17, 17]
    assert scaled.maps[0].shape[1:] == scaled.placement.network_hw  # as fine as the largest scale allows


def test_tracks_and_smooths(saved, image):
    learner = loaded(saved)
    first = learner.infer(image, stamp=0.0)
    second = learner.infer(image, stamp=0.1)
    assert {pose.id for pose in second} == {pose.id for pose in first} != {None}
    learner.reset()
    assert min(pose.id for pose in learner.infer(image, stamp=0.2)) == 0


def test_onnx_of_any_size_in_both_runtimes(saved, image, tmp_path):
    learner = loaded(saved, temp_path=tmp_path / 'temp')
    expected = learner.infer(image, track=False)
    learner.optimize()
    learner.save(tmp_path / 'onnx')
    assert json.loads((tmp_path / 'onnx' / 'onnx.json').read_text())['inference_params']['method'] == 'higher_hrnet'
    for backend in ('onnxruntime', 'openvino'):
        pytest.importorskip(backend)
        other = loaded(tmp_path / 'onnx', backend=backend)
        assert other.base_height == 128
        assert equal_poses(expected, other.infer(image, track=False), pixels=0.1)
        other.tune(192)
        assert other.pipeline().forward([image])[0].maps[0].shape[1] == 96


@pytest.mark.parametrize('precision', ['fp16', 'int8'])
def test_lower_precisions(saved, image, tmp_path, precision):
    learner = loaded(saved, temp_path=tmp_path / 'temp', base_height=64)
    expected = learner.pipeline().forward([image])[0].maps[0]
    learner.optimize(precision=precision, calibration=[image] * 2)
    other = HigherHRNetLearner(device='cpu', base_height=64)
    learner.save(tmp_path / precision)
    other.load(tmp_path / precision)
    maps = other.pipeline().forward([image])[0].maps[0]
    allowed = {'fp16': 0.05, 'int8': 0.5}[precision]
    assert np.sqrt(np.mean((maps - expected) ** 2)) < allowed * expected.std()


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ({'backbone': 'resnet50'}, 'backbone must be hrnet_w and a number of channels, .*resnet50'),
        ({'backbone': 'hrnet_w2'}, 'width must be a whole number from 4 to 128, got 2'),
        ({'base_height': 8}, 'the input short side must be from 32 to 4320 pixels, got 8'),
        ({'decode': 'reference'}, 'decode must be one of fast, published, thawro'),
        ({'det_thr': 2.0}, 'keypoint_threshold must be a number from 0 to 1, got 2.0'),
        ({'decoding': {'upsample_ratio': 4}}, 'got upsample_ratio'),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, words):
    with pytest.raises(SettingsError, match=words):
        HigherHRNetLearner(**{'device': 'cpu', **arguments})


def test_files_of_pytorch_human_pose_run(golden, tmp_path, image):
    """Its names and container, of a narrow network."""
    learner = HigherHRNetLearner(**NARROW, backend='torch')
    learner.init_model()
    theirs = {ours: name for name, ours in golden('map_thawro_higher_hrnet_32_to_official.json').items()}
    state = learner.network.state_dict()
    renamed = {theirs[name]: value for name, value in state.items()}
    torch.save({'module': {'model': renamed}, 'epoch': 3}, tmp_path / 'higher_hrnet.pt')
    other = loaded(tmp_path / 'higher_hrnet.pt')
    assert all(torch.equal(value, state[name]) for name, value in other.network.state_dict().items())


def test_a_classifier_is_refused_as_a_pose_network_and_starts_a_training(tmp_path):
    classifier = build_classifier(8, 5, 8)
    torch.save(classifier.state_dict(), tmp_path / 'classifier.pth')
    learner = HigherHRNetLearner(**NARROW)
    with pytest.raises(WeightsError, match='expected a HigherHRNet pose network, got an HRNet classifier'):
        learner.load(tmp_path / 'classifier.pth')
    learner.init_model()
    text = learner.method.load_backbone(learner.network, tmp_path / 'classifier.pth')
    assert 'head' in text
    first = learner.network.state_dict()['conv1.weight']
    assert torch.equal(first, classifier.state_dict()['conv1.weight'])


def test_another_width_and_other_keypoints_are_refused(saved, tmp_path):
    learner = HigherHRNetLearner(**NARROW)
    learner.init_model()
    state = learner.network.state_dict()
    head = {name: value[: value.shape[0] * 14 // 17] for name, value in state.items() if name.startswith('final_')}
    torch.save({**state, **head}, tmp_path / 'crowd.pth')
    with pytest.raises(WeightsError, match='finds 14 keypoints, expected the 17 of'):
        learner.load(tmp_path / 'crowd.pth')
    with pytest.raises(WeightsError, match='build the network with width 8'):
        HigherHRNetLearner(device='cpu', backbone='hrnet_w16', stem_width=8).load(saved)


def test_files_to_fetch_by_hand_are_named_with_where_they_are(tmp_path, serve):
    learner = HigherHRNetLearner(device='cpu', temp_path=tmp_path / 'temp')
    with pytest.raises(DownloadError, match=r'pose_higher_hrnet_w32_512.pth is in .*drive.google.com.*--url'):
        learner.download()
    with pytest.raises(SettingsError, match='mode must be one of pretrained, weights'):
        learner.download(mode='detector')
    with pytest.raises(SettingsError, match='published for the backbones hrnet_w32, hrnet_w48, not for hrnet_w8'):
        HigherHRNetLearner(**NARROW).download(mode='weights')
    (tmp_path / 'pose_higher_hrnet_w48_640.pth').write_bytes(b'weights')
    wide = HigherHRNetLearner(device='cpu', backbone='hrnet_w48', temp_path=tmp_path / 'temp')
    assert wide.download(url=serve(tmp_path)) == [tmp_path / 'temp' / 'pose_higher_hrnet_w48_640.pth']


def test_trains_and_is_evaluated(tmp_path):
    learner = HigherHRNetLearner(
        **{**NARROW, 'base_height': 64}, epochs=1, batch_size=2, num_workers=0, temp_path=tmp_path / 'temp'
    )
    learner.init_model()
    people = SyntheticPeople(4, (96, 96), (1, 2))
    result = learner.fit(people, silent=True)
    names = ('coarse_heatmap_losses', 'heatmap_losses', 'push_losses', 'pull_losses')
    assert all(len(result[name]) == 2 and np.isfinite(result[name]).all() for name in names)
    scores = learner.eval(people, silent=True)
    assert set(scores) == {'average_precision', 'average_recall'}
    assert (learner.temp_path / 'detections.json').exists()
