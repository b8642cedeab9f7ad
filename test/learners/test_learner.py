"""The Lightweight OpenPose learner: published defaults, inference, tracking, files, refusals."""

import inspect
import json
import re

import cv2
import numpy as np
import onnx
import pytest
import torch

from pose_estimation_ros import Image, Learner, LightweightOpenPoseLearner, create_learner
from pose_estimation_ros.core.errors import (
    BackendError,
    ImageError,
    OutputError,
    PoseEstimationError,
    SettingsError,
    WeightsError,
)
from pose_estimation_ros.inference.backends import opening as backends
from pose_estimation_ros.inference.backends import openvino_backend
from pose_estimation_ros.methods.lightweight_openpose.network import build_network
from pose_estimation_ros.methods.lightweight_openpose.options import NetworkOptions
from pose_estimation_ros.methods.systems import SYSTEMS


def learner_of(tmp_path, **options):
    return LightweightOpenPoseLearner(**{'device': 'cpu', 'temp_path': tmp_path / 'temp', **options})


def random_learner(tmp_path, **options):
    """A learner without people; torch needs no export."""
    learner = learner_of(tmp_path, **{'backend': 'torch', **options})
    learner.init_model()
    return learner


def xy_of(poses):
    return np.stack([pose.keypoints[:, :2] for pose in poses])


def same(poses, others, tolerance=0.0):
    """Whether two lists show the same people in the same places."""
    return len(poses) == len(others) and np.allclose(
        xy_of(poses), xy_of(others), rtol=0, atol=tolerance, equal_nan=True
    )


def alike(poses, others, distance=6):
    """Whether the three best people of one list are among the others, most keypoints within a few pixels."""
    others = xy_of(others)
    best = sorted(poses, key=lambda pose: -pose.score)[:3]
    return len(best) == 3 and all(
        (np.linalg.norm(others - pose.keypoints[:, :2], axis=2) < distance).sum(axis=1).max() >= 10 for pose in best
    )


def refusal(error, action, *args, **kwargs):
    """The sentence an action is refused with, which must be one."""
    with pytest.raises(error) as caught:
        action(*args, **kwargs)
    assert '\n' not in str(caught.value)
    return str(caught.value)


# The published document ------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def document(shared):
    return next((shared / 'seeds').glob('001_*.txt')).read_text()


def documented_signature(document, method):
    """The argument names of the code block that shows a method."""
    return re.search(rf'LightweightOpenPoseLearner{method}\((?:self, )?(.*?)\)', document)[1].split(', ')


def documented_defaults(document, heading):
    """The defaults in the list of parameters below a heading, by name."""
    section = re.split(r'^####', document.split(f'#### `{heading}', 1)[1], flags=re.M)[0]
    found = re.findall(r'^ *- \*\*(\w+)\*\*: \*.*default=(.*?)\*+\s*$', section, flags=re.M)
    return {name: eval(text.strip().rstrip(']')) for name, text in found}  # our own document


def test_constructor_is_the_published_one(document):
    parameters = inspect.signature(LightweightOpenPoseLearner).parameters
    defaults = documented_defaults(document, 'LightweightOpenPoseLearner` constructor')
    published = [*documented_signature(document, ''), 'half_precision']
    assert list(defaults) == published
    assert [name for name, each in parameters.items() if each.kind is not each.KEYWORD_ONLY] == published
    ours = {name: parameters[name].default for name in published}
    defaults['lr_schedule'] = defaults['lr_schedule'].strip()
    assert ours == defaults


@pytest.mark.parametrize('method', ['infer', 'save', 'load', 'optimize', 'download'])
def test_methods_are_the_published_ones(document, method):
    parameters = inspect.signature(getattr(LightweightOpenPoseLearner, method)).parameters
    published = [name for name in documented_signature(document, rf'\.{method}') if name != 'self']
    names = [name for name, each in parameters.items() if each.kind is not each.KEYWORD_ONLY]
    assert names == ['self', *published]
    defaults = documented_defaults(document.replace('OpenDR FTP URL*', '0*'), f'LightweightOpenPoseLearner.{method}`')
    for name, default in defaults.items():
        if name != 'url':
            assert parameters[name].default == default


def test_is_a_learner(tmp_path):
    learner = create_learner('lightweight_openpose', base_height=128, backend=None)
    assert isinstance(learner, Learner)
    assert isinstance(learner, LightweightOpenPoseLearner)
    assert learner.base_height == 128
    assert 'got ' in refusal(SettingsError, create_learner, 'openpose')
    assert 'no option colour' in refusal(SettingsError, create_learner, 'lightweight_openpose', colour=1)


def test_making_a_learner_touches_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LightweightOpenPoseLearner()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'backbone': 'resnet'}, 'backbone must be one of mobilenet, mobilenetv2, shufflenet'),
        ({'num_refinement_stages': -1}, 'num_refinement_stages'),
        ({'shufflenet_groups': 5}, 'shufflenet_groups'),
        ({'lr': 0}, 'lr must be above 0, got 0'),
        ({'lr_schedule': 'step'}, 'lr_schedule must be a function'),
        ({'scales': [0.5, -1]}, 'scales'),
        ({'img_mean': (1, 2)}, 'img_mean must be one number or three, got 2'),
        ({'decode': 'slow'}, 'decode must be one of fast, reference, evaluation'),
        ({'decoding': {'keypoint_threshold': 2}}, 'keypoint_threshold must be a number from 0 to 1'),
        ({'device': 'gpu'}, 'device must be'),
        ({'backend': 'tensorrt'}, 'backend must be'),
        ({'precision': 'int8'}, 'precision must be'),
    ],
)
def test_settings_are_refused_at_once(options, expected):
    assert expected in refusal(PoseEstimationError, LightweightOpenPoseLearner, **options)


def test_a_height_out_of_range_is_refused_at_once():
    message = refusal(SettingsError, LightweightOpenPoseLearner, base_height=0)
    assert 'the input height must be from 32 to 4320 pixels, got 0' in message


def test_an_unknown_decoding_setting_is_named():
    message = refusal(SettingsError, LightweightOpenPoseLearner, decoding={'treshold': 0.2})
    assert 'treshold' in message
    assert 'keypoint_threshold' in message


@pytest.mark.parametrize('schedule', ['', ' ', lambda optimizer: None], ids=['empty', 'blank', 'None'])
def test_lr_schedule_is_a_function_or_nothing(schedule):
    assert LightweightOpenPoseLearner(lr_schedule=schedule).training.lr_schedule is schedule


def test_multiscale_overwrites_scales():
    assert LightweightOpenPoseLearner().training.scales == (1.0,)
    assert LightweightOpenPoseLearner(scales=[1, 2]).training.scales == (1, 2)
    assert LightweightOpenPoseLearner(scales=[1, 2], multiscale=True).training.scales == (0.5, 1.0, 1.5, 2.0)


# Inference -------------------------------------------------------------------------------------------------------


def test_infer_before_load_says_what_to_do(tmp_path, grey):
    learner = learner_of(tmp_path)
    for action in (learner.infer, learner.infer_timed):
        assert refusal(WeightsError, action, grey) == (
            'no weights are loaded: call load(path) first (download() fetches published ones)'
        )
    assert 'no weights are loaded' in refusal(WeightsError, learner.optimize)
    assert 'no weights are loaded' in refusal(WeightsError, learner.save, tmp_path / 'model')
    assert not (tmp_path / 'model').exists()
    assert 'load a .pth file or call init_model() first' in refusal(WeightsError, learner.count_parameters)


def test_nobody(tmp_path, grey):
    learner = random_learner(tmp_path, num_refinement_stages=0)
    assert learner.infer(grey) == []
    assert learner.infer(grey, 4, False, False) == []
    assert learner.infer_batch([]) == []


def test_pictures_of_every_form(omz, photo, tmp_path):
    path = tmp_path / 'street.png'
    cv2.imwrite(str(path), photo)
    expected = omz.infer(photo, track=False)
    assert len(expected) >= 3
    for picture in (Image(photo), Image(photo[..., ::-1].transpose(2, 0, 1)), path, str(path), Image.open(path)):
        assert same(omz.infer(picture, track=False), expected)
    transparent = np.dstack([photo, photo[..., 0]])
    assert same(omz.infer(transparent, track=False), expected)
    assert 'got (480, 854, 3) float64' in refusal(ImageError, omz.infer, photo.astype(float))
    assert 'No such file' in refusal(ImageError, omz.infer, tmp_path / 'missing.png')
    assert 'got NoneType' in refusal(ImageError, omz.infer, None)


def test_upsample_ratio(omz, photo):
    coarse, fine = (omz.infer(photo, ratio, track=False) for ratio in (1, 8))
    assert not same(coarse, fine)
    assert alike(coarse, fine)
    assert 'upsample_ratio must be' in refusal(SettingsError, omz.infer, photo, 0)


def test_upsample_ratio_of_decoding_holds_unless_the_caller_passes_one(load_omz, photo):
    coarse, fine = (load_omz(backend='onnxruntime', decoding=each) for each in ({'upsample_ratio': 1}, None))
    found = coarse.infer(photo, track=False)
    assert same(found, coarse.infer(photo, 1, track=False))
    assert not same(found, fine.infer(photo, track=False))
    assert same(coarse.infer(photo, 4, track=False), fine.infer(photo, track=False))


def test_batches_and_timings(omz, photo):
    single = omz.infer_timed(photo)
    assert single.timings.forward_ms > 0
    assert {pose.id for pose in single.poses} == {None}
    batch = omz.infer_batch([photo, Image(photo[:, ::-1])])
    assert same(batch[0].poses, single.poses, 0.05)
    assert not same(batch[1].poses, single.poses, 0.05)


@pytest.mark.parametrize('decode', ['fast', 'reference', 'evaluation'])
def test_decoders(decode, omz, load_omz, photo):
    poses = load_omz(backend='torch', decode=decode, decoding={'max_persons': 3}).infer(photo, track=False)
    assert len(poses) == 3
    assert alike(poses, omz.infer(photo, track=False))


def test_base_height_and_normalisation_are_used(load_omz, photo):
    def found(**options):
        return load_omz(backend='torch', **options).infer(photo, track=False)

    plain, finer = found(), found(base_height=368)
    assert not same(plain, finer)
    assert alike(plain, finer)
    assert same(plain, found(img_mean=(128, 128, 128), img_scale=1 / 256, pad_value=(0, 0, 0)))
    assert found(img_scale=0.0) == []


# Tracking --------------------------------------------------------------------------------------------------------


def ids_of(poses):
    """Ids of the people who are no fragments."""
    return {pose.id for pose in poses if len(pose.found) > 12}


def test_ids_last_and_are_reset(omz, frames):
    seen = [ids_of(omz.infer(frame, stamp=index / 25)) for index, frame in enumerate(frames)]
    lasting = set.intersection(*seen)
    assert len(lasting) >= 2
    assert None not in lasting
    repeated = [ids_of(omz.infer(frame, stamp=1 + index / 25)) for index, frame in enumerate(frames[::-1])]
    assert len(lasting & repeated[0]) >= 2
    omz.reset()
    assert [ids_of(omz.infer(frame, stamp=2 + index / 25)) for index, frame in enumerate(frames)] == seen


def test_without_tracking_nothing_is_remembered(omz, frames):
    first, second = (omz.infer(frame, track=False) for frame in frames[:2])
    assert {pose.id for pose in first + second} == {None}
    assert same(omz.infer(frames[0], track=False), first)
    tracked = omz.infer(frames[0], stamp=0.0)
    assert min(ids_of(tracked)) == 0
    assert same(tracked, first)


def test_smoothing(omz, frames):
    plain = [omz.infer(frame, track=False) for frame in frames]
    unsmoothed = [omz.infer(frame, smooth=False, stamp=index / 25) for index, frame in enumerate(frames)]
    assert all(same(a, b) for a, b in zip(unsmoothed, plain, strict=True))
    omz.reset()
    smoothed = [omz.infer(frame, stamp=index / 25) for index, frame in enumerate(frames)]
    assert same(smoothed[0], plain[0])
    assert not any(same(a, b) for a, b in zip(smoothed[1:], plain[1:], strict=True))
    assert all(alike(a, b) for a, b in zip(smoothed, plain, strict=True))

    def jitter(poses_of_frames):
        best = [max(poses, key=lambda pose: pose.score) for poses in poses_of_frames]
        tracks = [np.stack([pose.keypoints[:, :2] for pose in best if pose.id == best[0].id])]
        return np.nanmean(abs(np.diff(tracks[0], n=2, axis=0)))

    assert jitter(smoothed) < jitter(plain)


def test_loading_forgets_people(own_omz, frames, weights):
    own_omz.infer(frames[0], stamp=5.0)
    own_omz.load(weights / 'lwop_omz.pth')
    assert min(ids_of(own_omz.infer(frames[1], stamp=5.1))) == 0


# Devices and precision -------------------------------------------------------------------------------------------


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(backends, 'gpu_backends', lambda among=(): ())


def test_cuda_where_there_is_none_warns_and_runs(no_gpu, tmp_path, grey, caplog):
    learner = random_learner(tmp_path, device='cuda', num_refinement_stages=0)
    assert learner.infer(grey) == []
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == 'WARNING']
    assert warning.startswith('device cuda was requested')
    assert warning.endswith('running on the CPU')


def test_cuda_may_be_required(no_gpu, tmp_path, grey):
    learner = random_learner(tmp_path, device='cuda', num_refinement_stages=0, require_device=True)
    assert 'no CUDA device is available' in refusal(BackendError, learner.infer, grey)


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_half_precision_on_the_cpu_warns_and_runs(device, no_gpu, tmp_path, grey, caplog):
    learner = random_learner(tmp_path, device=device, half_precision=True, num_refinement_stages=0)
    assert learner.infer(grey) == []
    assert 'half precision needs a GPU; running in fp32 on the CPU' in caplog.text


def test_half_precision_runs_on_processors_without_it(no_gpu, tmp_path, grey, monkeypatch, caplog):
    monkeypatch.setattr(openvino_backend, 'CAPABILITIES', {'fp16': 'NOT HERE', 'bf16': 'NOT HERE'})
    learner = random_learner(tmp_path, half_precision=True, num_refinement_stages=0, backend='openvino')
    assert learner.infer(grey) == []
    assert 'half precision' in caplog.text


# Files -----------------------------------------------------------------------------------------------------------


def saved_and_loaded(learner, folder, **options):
    learner.save(folder)
    assert json.loads((folder / f'{folder.name}.json').read_text())['model_paths'][0].startswith(folder.name)
    fresh = LightweightOpenPoseLearner(device='cpu', **options)
    fresh.load(folder)
    return fresh


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_checkpoint_round_trip(omz, photo, tmp_path):
    before = omz.infer(photo, track=False)
    fresh = saved_and_loaded(omz, tmp_path / 'models' / 'mine', backend='onnxruntime')
    assert files_of(tmp_path / 'models' / 'mine') == ['mine.json', 'mine.pth']
    assert same(fresh.infer(photo, track=False), before)
    assert fresh.options == omz.options
    container = torch.load(tmp_path / 'models' / 'mine' / 'mine.pth', weights_only=True)
    assert list(container) == ['state_dict']
    description = json.loads((tmp_path / 'models' / 'mine' / 'mine.json').read_text())
    assert description['framework'] == 'pytorch'
    assert description['format'] == 'pth'
    assert description['backbone'] == 'mobilenet'
    assert description['optimized'] is False


@pytest.mark.parametrize('precision', ['fp32', 'fp16', pytest.param('int8', marks=pytest.mark.slow)])
def test_optimized_round_trip(precision, own_omz, frames, tmp_path):
    photo = frames[0]
    plain = own_omz.infer(photo, track=False)
    own_omz.optimize(precision=precision, calibration=frames[2:5] if precision == 'int8' else ())
    optimized = own_omz.infer(photo, track=False)
    if precision == 'fp32':
        assert same(optimized, plain, 0.05)
    else:
        assert not same(optimized, plain)
    assert alike(plain, optimized)
    assert (tmp_path / 'temp' / 'onnx_model_temp.onnx').exists()
    fresh = saved_and_loaded(own_omz, tmp_path / 'fast', backend='onnxruntime')
    assert files_of(tmp_path / 'fast') == ['fast.json', 'fast.onnx']
    description = json.loads((tmp_path / 'fast' / 'fast.json').read_text())
    assert (description['format'], description['optimized']) == ('onnx', True)
    assert same(fresh.infer(photo, track=False), optimized)
    # And once more, from what was loaded.
    again = saved_and_loaded(fresh, tmp_path / 'again', backend='onnxruntime')
    assert same(again.infer(photo, track=False), optimized)
    assert again.options == own_omz.options


def test_an_onnx_file_by_itself_says_what_it_expects(own_omz, photo, tmp_path):
    own_omz.tune(200)
    own_omz.optimize()
    own_omz.save(tmp_path / 'fast')
    (tmp_path / 'fast' / 'fast.onnx').rename(tmp_path / 'alone.onnx')
    fresh = learner_of(tmp_path, backend='onnxruntime')
    fresh.load(tmp_path / 'alone.onnx')
    assert fresh.base_height == 200
    assert fresh.options == own_omz.options
    assert same(fresh.infer(photo, track=False), own_omz.infer(photo, track=False))


def test_openvino_round_trip(weights, photo, tmp_path):
    learner = learner_of(tmp_path)
    learner.load(weights / 'omz_int8' / 'human-pose-estimation-0001.xml')
    poses = learner.infer(photo, track=False)
    assert len(poses) >= 3
    fresh = saved_and_loaded(learner, tmp_path / 'int8')
    assert files_of(tmp_path / 'int8') == ['int8.bin', 'int8.json', 'int8.xml']
    assert same(fresh.infer(photo, track=False), poses)
    assert 'cannot be turned into ONNX' in refusal(BackendError, fresh.optimize)


def test_published_onnx_file(weights, omz, photo, tmp_path):
    learner = learner_of(tmp_path, backend='onnxruntime')
    learner.load(str(weights / 'lwop_omz.onnx'))
    assert same(learner.infer(photo, track=False), omz.infer(photo, track=False), 0.05)


def test_loading_again_replaces_what_was_optimized(own_omz, photo, weights):
    plain = own_omz.infer(photo, track=False)
    own_omz.optimize(precision='fp16')
    assert not same(own_omz.infer(photo, track=False), plain)
    own_omz.load(weights / 'lwop_omz.pth')
    assert same(own_omz.infer(photo, track=False), plain)


def test_optimize_keeps_the_graph_dynamic(tmp_path, grey):
    learner = random_learner(tmp_path, num_refinement_stages=0, backend='auto', mobilenet_use_stride=True)
    learner.optimize(True)
    graph = onnx.load(str(tmp_path / 'temp' / 'onnx_model_temp.onnx')).graph
    assert [side.dim_value for side in graph.input[0].type.tensor_type.shape.dim] == [0, 3, 0, 0]
    for shape in ((96, 128), (500, 20), (33, 700)):
        assert learner.infer(np.full((*shape, 3), 128, np.uint8)) == []
    assert learner.pipeline().stride == 16


def test_optimize_refuses(tmp_path, grey):
    learner = random_learner(tmp_path, num_refinement_stages=0, backend='auto')
    assert 'fp32, fp16 or int8' in refusal(SettingsError, learner.optimize, precision='int4')
    assert 'calibration' in refusal(SettingsError, learner.optimize, precision='int8')
    assert learner.infer(grey) == []  # and stays as it was


def test_int8_is_calibrated_on_the_pictures_given(tmp_path, grey, monkeypatch):
    seen = []
    learner = random_learner(tmp_path, num_refinement_stages=0, backend='auto')
    real = learner.pipeline().prepare
    monkeypatch.setattr(type(learner.pipeline()), 'prepare', lambda self, image: seen.append(image) or real(image))
    learner.optimize(precision='int8', calibration=(picture for picture in (grey, grey)))
    assert len(seen) == 2


def test_options_are_adopted_from_the_file(tmp_path, caplog):
    learner = random_learner(
        tmp_path, mobilenet_use_stride=False, num_refinement_stages=1, base_height=200, img_mean=(1, 2, 3)
    )
    fresh = saved_and_loaded(learner, tmp_path / 'model')
    assert fresh.options == learner.options == NetworkOptions(use_stride=False, num_refinement_stages=1)
    assert fresh.base_height == 200
    assert fresh.preprocessing.mean == (1, 2, 3)
    assert [record.getMessage() for record in caplog.records if record.levelname == 'WARNING'] == []


@pytest.mark.parametrize(
    'options',
    [
        {'backbone': 'mobilenetv2', 'mobilenetv2_width': 0.5},
        {'backbone': 'shufflenet', 'shufflenet_groups': 8},
        {'variant': 'omz', 'mobilenet_use_stride': False},
    ],
    ids=str,
)
def test_the_network_of_the_file_is_built(options, tmp_path, grey):
    learner = random_learner(tmp_path, num_refinement_stages=1, **options)
    fresh = saved_and_loaded(learner, tmp_path / 'model', backend='torch')
    assert fresh.options == learner.options
    assert fresh.count_parameters() == learner.count_parameters()
    assert fresh.infer(grey) == []


def test_explicit_arguments_stand(tmp_path, caplog):
    learner = random_learner(tmp_path, mobilenet_use_stride=False, num_refinement_stages=1, base_height=200)
    learner.save(tmp_path / 'model')
    fresh = learner_of(tmp_path, mobilenet_use_stride=True, base_height=256, img_mean=(9, 9, 9))
    fresh.load(tmp_path / 'model')
    assert fresh.options.use_stride
    assert fresh.options.num_refinement_stages == 1
    assert fresh.base_height == 256
    assert fresh.preprocessing.mean == (9, 9, 9)
    assert 'use_stride=True overrides use_stride=False of the weights file' in caplog.text


def test_what_one_file_said_does_not_count_for_the_next(tmp_path):
    random_learner(tmp_path, base_height=200, num_refinement_stages=1, img_mean=(1, 2, 3)).save(tmp_path / 'first')
    learner = learner_of(tmp_path)
    learner.load(tmp_path / 'first')
    torch.save(build_network(NetworkOptions(num_refinement_stages=0)).state_dict(), tmp_path / 'second.pth')
    learner.load(tmp_path / 'second.pth')
    assert learner.base_height == 256
    assert learner.preprocessing == LightweightOpenPoseLearner().preprocessing
    assert learner.options.num_refinement_stages == 0
    learner.init_model()
    assert learner.options.num_refinement_stages == 2


def test_a_file_of_more_stages_says_which_are_not_used(tmp_path, grey, capsys, caplog):
    caplog.set_level('INFO')
    path = tmp_path / 'checkpoint_iter_370000.pth'
    state = build_network(NetworkOptions(num_refinement_stages=3)).state_dict()
    torch.save({'state_dict': state, 'iter': 370000, 'current_epoch': 279}, path)
    learner = learner_of(tmp_path, num_refinement_stages=1, backend='torch')
    learner.load(path, verbose=True)
    sentence = '2 refinement stages of it not used, as the network has fewer'
    assert sentence in capsys.readouterr().out
    assert sentence in caplog.text
    assert learner.options.num_refinement_stages == 1
    assert learner.infer(grey) == []
    unasked = learner_of(tmp_path)
    unasked.load(path)
    assert capsys.readouterr().out == ''
    assert unasked.options.num_refinement_stages == 3


def test_more_stages_than_the_file_has_are_refused(tmp_path):
    torch.save(build_network(NetworkOptions(num_refinement_stages=1)).state_dict(), tmp_path / 'one.pth')
    learner = learner_of(tmp_path, num_refinement_stages=2)
    message = refusal(WeightsError, learner.load, tmp_path / 'one.pth')
    assert 'num_refinement_stages=1' in message


def test_a_failed_load_leaves_the_learner_as_it_was(omz, photo, tmp_path):
    before = omz.infer(photo, track=False)
    (tmp_path / 'bad.pth').write_bytes(b'garbage')
    (tmp_path / 'bad.onnx').write_bytes(b'garbage')
    options, height = omz.options, omz.base_height
    for name in ('bad.pth', 'bad.onnx', 'missing.pth'):
        refusal(WeightsError, omz.load, tmp_path / name)
    assert same(omz.infer(photo, track=False), before)
    assert (omz.options, omz.base_height) == (options, height)


def opendr_folder(path, **changes):
    """A folder as OpenDR's own learner writes it: it says nothing of stages, stride and the like."""
    path.mkdir()
    state = build_network(NetworkOptions(use_stride=True, num_refinement_stages=2)).state_dict()
    torch.save({'state_dict': state}, path / f'{path.name}.pth')
    description = {
        'model_paths': [f'{path.name}.pth'],
        'framework': 'pytorch',
        'format': 'pth',
        'has_data': False,
        'inference_params': {},
        'optimized': False,
        'optimizer_info': {},
        'backbone': 'mobilenet',
    }
    (path / f'{path.name}.json').write_text(json.dumps({**description, **changes}))
    return path


def test_opendr_folder(tmp_path, grey):
    learner = learner_of(tmp_path, backend='torch')
    folder = opendr_folder(tmp_path / 'trained')
    for path in (folder, str(folder), f'{folder}/', folder / 'trained.json', folder / 'trained.pth'):
        learner.load(path)
        assert learner.options == NetworkOptions(use_stride=True, num_refinement_stages=2)
        assert learner.pipeline().stride == 16
        assert learner.infer(grey) == []


def test_the_folder_one_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(opendr_folder(tmp_path / 'trained'))
    learner = learner_of(tmp_path)
    learner.load('.')
    assert learner.count_parameters() > 0


def test_the_documented_name_finds_what_download_fetches(tmp_path, grey):
    opendr_folder(tmp_path / 'openpose_default')
    learner = learner_of(tmp_path, backend='torch')
    learner.load(tmp_path / 'mobilenet_openpose')
    assert learner.infer(grey) == []
    opendr_folder(tmp_path / 'mobilenet_openpose', model_paths=['gone.pth'])
    assert 'gone.pth' in refusal(WeightsError, learner.load, tmp_path / 'mobilenet_openpose')


def test_paths_in_a_description_do_not_lead_elsewhere(tmp_path):
    folder = opendr_folder(tmp_path / 'trained', model_paths=['/etc/../tmp/trained.pth'])
    learner_of(tmp_path).load(folder)  # the file beside the description is meant
    outside = opendr_folder(tmp_path / 'other', model_paths=['../trained/trained.pth'])
    assert 'trained.pth' in refusal(WeightsError, learner_of(tmp_path).load, outside)


@pytest.mark.parametrize(
    ('description', 'expected'),
    [
        (None, 'trained.json is missing'),
        ('', 'does not describe a saved model'),
        ('[1, 2]', 'does not describe a saved model'),
        ('{"model_paths": []}', 'does not describe a saved model'),
        ('{"model_paths": ["model.exe"]}', 'model.exe'),
        (b'\xff\xfe', 'does not describe a saved model'),
    ],
)
def test_folders_that_hold_no_model(description, expected, tmp_path):
    folder = opendr_folder(tmp_path / 'trained')
    if description is None:
        (folder / 'trained.json').unlink()
    else:
        (folder / 'trained.json').write_bytes(description if isinstance(description, bytes) else description.encode())
    assert expected in refusal(WeightsError, learner_of(tmp_path).load, folder)


def test_descriptions_that_make_no_sense_are_refused(tmp_path):
    metadata = {'network': {'num_refinement_stages': 2, 'colour': 'red'}}
    folder = opendr_folder(tmp_path / 'first', inference_params=metadata)
    assert 'colour' in refusal(PoseEstimationError, learner_of(tmp_path).load, folder)
    folder = opendr_folder(tmp_path / 'second', inference_params={'preprocessing': {'median': 3}})
    assert 'description of the input' in refusal(WeightsError, learner_of(tmp_path).load, folder)


@pytest.mark.parametrize(
    ('name', 'content', 'expected'),
    [
        ('model.pth', b'', 'model.pth'),
        ('model.pth', b'garbage', 'model.pth'),
        ('model.onnx', b'', 'model.onnx cannot be used'),
        ('model.onnx', b'garbage', 'model.onnx cannot be used'),
        ('model.xml', b'garbage', 'is not an OpenVINO model'),
        ('model.xml', b'<?xml version="1.0"?><net name="x"/>', 'model.bin must lie beside it'),
        ('model.xml', b'\xff\xfe\x00', 'is not an OpenVINO model'),
        ('model.h5', b'garbage', "a model file ends in .pth, .pt, .tar, .ckpt, .onnx, .xml, this one in '.h5'"),
    ],
)
def test_files_that_are_no_model(name, content, expected, tmp_path):
    (tmp_path / name).write_bytes(content)
    message = refusal(WeightsError, learner_of(tmp_path).load, tmp_path / name)
    assert expected in message
    assert name in message


def test_a_missing_path_is_named(tmp_path):
    message = refusal(WeightsError, learner_of(tmp_path).load, tmp_path / 'nowhere')
    assert message.startswith(f'there are no weights at {tmp_path / "nowhere"}')


def test_models_for_something_else(weights, tmp_path):
    message = refusal(WeightsError, learner_of(tmp_path).load, weights / 'simplepose_ultralight.onnx')
    assert 'does not fit: expected outputs' in message
    torch.save({'fc.weight': torch.zeros(3)}, tmp_path / 'other.pth')
    assert 'Lightweight OpenPose' in refusal(WeightsError, learner_of(tmp_path).load, tmp_path / 'other.pth')


def test_saving_over_what_is_there(tmp_path, capsys):
    learner = random_learner(tmp_path, num_refinement_stages=0)
    learner.save(tmp_path / 'model')
    assert capsys.readouterr().out == ''
    learner.save(str(tmp_path / 'model'), verbose=True)
    assert capsys.readouterr().out == f'saved {tmp_path / "model" / "model.pth"}\n'
    assert files_of(tmp_path / 'model') == ['model.json', 'model.pth']
    (tmp_path / 'taken').write_text('a file')
    assert 'cannot make the folder' in refusal(OutputError, learner.save, tmp_path / 'taken')


def test_a_folder_saved_again_in_another_form_loads_that(own_omz, photo, tmp_path):
    own_omz.save(tmp_path / 'model')
    own_omz.optimize()
    own_omz.save(tmp_path / 'model')
    fresh = learner_of(tmp_path, backend='onnxruntime')
    fresh.load(tmp_path / 'model')
    assert same(fresh.infer(photo, track=False), own_omz.infer(photo, track=False))
    assert 'no torch network' in refusal(WeightsError, fresh.count_parameters)


@pytest.mark.parametrize('system', SYSTEMS.values(), ids=SYSTEMS)
def test_a_class_has_its_systems_default_method_and_an_object_that_of_its_model(system):
    kind = system.learner_class()
    assert kind.method is system.method
    assert kind(device='cpu').method is system.method
    assert type('Own', (kind,), {}).method is system.method


def test_a_class_that_is_no_systems_learner_has_no_method():
    with pytest.raises(AttributeError, match='Learner is not the learner of a system'):
        Learner.method  # noqa: B018
    assert not hasattr(Learner, 'method')


def test_the_former_name_of_explicit_arguments_works_and_warns(tmp_path):
    learner = learner_of(tmp_path, base_height=200)
    with pytest.warns(DeprecationWarning, match='given is now called explicit') as caught:
        given = learner.given
    assert given == learner.explicit == {'device', 'temp_path', 'base_height'}
    assert [each.filename for each in caught] == [__file__]
