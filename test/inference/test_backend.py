"""Backends give the same maps, and refuse what they cannot run with a sentence."""

from dataclasses import replace

import numpy as np
import pytest

from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends import opening
from pose_estimation_ros.inference.backends.backend import (
    BackendSettings,
    Model,
    pick_outputs,
    probe_stride,
    thread_count,
)
from pose_estimation_ros.inference.backends.opening import open_backend

CPU = BackendSettings(device='cpu')
CHANNELS = (19, 38)


def refusal(model, settings):
    with pytest.raises(BackendError) as caught:
        open_backend(model, settings)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def spread(maps, expected):
    """The largest difference in units of the expected maps' spread."""
    assert [each.shape for each in maps] == [each.shape for each in expected]
    assert all(each.dtype == np.float32 for each in maps)
    return max(abs(a - b).max() / b.std() for a, b in zip(maps, expected, strict=True))


@pytest.fixture(scope='module')
def expected(omz_network, batch):
    return open_backend(Model(CHANNELS, network=omz_network), replace(CPU, backend='torch'))(batch)


def processor_calculates_in(precision):
    import openvino

    return precision.upper() in openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


@pytest.fixture
def without(monkeypatch):
    """Function that hides a backend's package."""

    def hide(*names):
        real = opening.installed
        monkeypatch.setattr(opening, 'installed', lambda name: name not in names and real(name))

    return hide


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(opening, 'gpu_backends', lambda among=(): ())


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
@pytest.mark.parametrize('form', ['network', 'onnx'])
def test_backends_agree(name, form, omz_network, omz_onnx, batch, expected):
    model = omz_onnx if form == 'onnx' else Model(CHANNELS, network=omz_network)
    backend = open_backend(model, replace(CPU, backend=name))
    assert (backend.name, backend.device, backend.precision, backend.fixed_hw) == (name, 'cpu', 'fp32', None)
    assert spread(backend(batch), expected) < 2e-3
    assert [each.shape for each in backend(batch[1:, :, 16:, 8:80])] == [(1, 19, 14, 9), (1, 38, 14, 9)]  # any size
    assert probe_stride(backend) == 8


def test_the_maps_of_the_last_stage_are_taken(tiny, batch):
    import torch

    backend = open_backend(Model(CHANNELS, network=tiny), replace(CPU, backend='torch'))
    with torch.inference_mode():
        stages = tiny(torch.from_numpy(batch))
    assert [(a == b.numpy()).all() for a, b in zip(backend(batch), stages[2:], strict=True)] == [True, True]
    swapped = open_backend(Model(CHANNELS[::-1], network=tiny), replace(CPU, backend='torch'))
    assert [each.shape[1] for each in swapped(batch)] == [38, 19]


@pytest.mark.parametrize(
    ('requested', 'limit', 'expected'), [(0, None, 0), (0, '2', 2), (3, '2', 3), (0, '2,1', 0), (0, '', 0)]
)
def test_omp_num_threads_limits_backends_that_do_not_read_it(monkeypatch, requested, limit, expected):
    monkeypatch.delenv('OMP_NUM_THREADS')
    if limit is not None:
        monkeypatch.setenv('OMP_NUM_THREADS', limit)
    assert thread_count(requested) == expected


@pytest.mark.parametrize('name', ['torch', 'onnxruntime', 'openvino'])
def test_maps_stay_as_they_were_when_the_backend_runs_again(name, tiny, batch):
    backend = open_backend(Model(CHANNELS, network=tiny), replace(CPU, backend=name, threads=1))
    first = backend(batch)
    before = [each.copy() for each in first]
    backend(batch * 2)
    assert all((a == b).all() for a, b in zip(first, before, strict=True))


@pytest.mark.parametrize('name', ['torch', 'onnxruntime', 'openvino'])
def test_inputs_need_not_lie_in_one_piece(name, tiny, batch):
    backend = open_backend(Model(CHANNELS, network=tiny), replace(CPU, backend=name))
    mirrored = batch[..., ::-1]
    assert spread(backend(mirrored), backend(np.ascontiguousarray(mirrored))) < 1e-5


def test_channels_last_gives_the_same(omz_network, batch, expected):
    backend = open_backend(Model(CHANNELS, network=omz_network), replace(CPU, backend='torch', channels_last=True))
    assert spread(backend(batch), expected) < 2e-3


def test_auto_takes_the_fastest_installed(tiny, fixed_onnx, without, no_gpu):
    network, onnx = Model(CHANNELS, network=tiny), Model(CHANNELS, onnx=fixed_onnx(1, 3, 64, 64))
    assert open_backend(network, BackendSettings()).name == 'openvino'
    without('openvino')
    assert open_backend(network, BackendSettings()).name == 'onnxruntime'
    assert open_backend(onnx, BackendSettings()).name == 'onnxruntime'
    without('openvino', 'onnxruntime')
    assert open_backend(network, BackendSettings()).name == 'torch'
    message = refusal(onnx, BackendSettings())
    assert 'needs the backend openvino or onnxruntime on cpu, which is not installed' in message
    assert 'pip install' in message


def test_a_package_that_is_missing_is_named(tiny, without):
    without('openvino')
    message = refusal(Model(CHANNELS, network=tiny), replace(CPU, backend='openvino'))
    assert 'needs the backend openvino on cpu, which is not installed here: pip install openvino' in message


def test_providers_mean_onnx_runtime(tiny, no_gpu):
    model = Model(CHANNELS, network=tiny)
    assert open_backend(model, replace(CPU, providers=('CPUExecutionProvider',))).name == 'onnxruntime'
    assert open_backend(model, BackendSettings(providers=('CPUExecutionProvider',))).name == 'onnxruntime'
    message = refusal(model, replace(CPU, providers=('NoSuchExecutionProvider',)))
    assert 'ONNX Runtime here has no NoSuchExecutionProvider (it has ' in message
    assert 'CPUExecutionProvider' in message


@pytest.mark.parametrize('device', ['cuda', 'cuda:1'])
@pytest.mark.parametrize('name', ['auto', 'torch', 'onnxruntime', 'openvino'])
def test_a_device_that_is_not_there(name, device, tiny, batch, no_gpu, caplog):
    model, settings = Model(CHANNELS, network=tiny), BackendSettings(backend=name, device=device)
    message = refusal(model, settings)
    assert message.startswith(f'device {device} was requested, but no CUDA device is available')
    assert 'use device cpu or auto' in message
    backend = open_backend(model, replace(settings, may_fall_back=True))
    assert backend.device == 'cpu'
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert caplog.messages[0].endswith('; running on the CPU')
    assert len(backend(batch)) == 2


def test_device_auto_does_not_complain(tiny, no_gpu, caplog):
    assert open_backend(Model(CHANNELS, network=tiny), BackendSettings()).device == 'cpu'
    assert caplog.records == []


@pytest.mark.parametrize('name', ['torch', 'openvino'])
def test_bf16(name, omz_network, batch, expected):
    if not processor_calculates_in('bf16'):
        pytest.skip('this processor does not calculate in bf16')
    settings = replace(CPU, backend=name, precision='bf16')
    backend = open_backend(Model(CHANNELS, network=omz_network), settings)
    assert backend.precision == 'bf16'
    assert 1e-4 < spread(backend(batch), expected) < 2
    assert np.mean([abs(a - b).mean() / b.std() for a, b in zip(backend(batch), expected, strict=True)]) < 0.1
    # The learner's own network is left as it is.
    assert {str(each.dtype) for each in omz_network.parameters()} == {'torch.float32'}


@pytest.mark.parametrize('precision', ['fp16', 'bf16'])
def test_precisions_that_openvino_lacks_here_are_refused(precision, tiny):
    if processor_calculates_in(precision):
        pytest.skip(f'this processor calculates in {precision}')
    message = refusal(Model(CHANNELS, network=tiny), replace(CPU, backend='openvino', precision=precision))
    assert f'does not calculate in {precision}; use fp32' in message


def test_torch_has_no_fp16_on_the_cpu_and_says_so(tiny, caplog):
    backend = open_backend(Model(CHANNELS, network=tiny), replace(CPU, backend='torch', precision='fp16'))
    assert backend.precision == 'fp32'
    assert caplog.messages == ['half precision needs a GPU; running in fp32 on the CPU']


def test_onnx_runtime_runs_a_file_in_its_own_precision_and_says_so(fixed_onnx, caplog):
    model = Model(CHANNELS, onnx=fixed_onnx(1, 3, 64, 64), label='tiny.onnx')
    assert open_backend(model, replace(CPU, backend='onnxruntime', precision='fp16')).precision == 'fp32'
    assert 'tiny.onnx is an fp32 model' in caplog.text


def test_published_int8_model(weights, batch, expected):
    model = Model(CHANNELS, xml=weights / 'omz_int8' / 'human-pose-estimation-0001.xml')
    backend = open_backend(model, BackendSettings())
    assert (backend.name, backend.precision, backend.fixed_hw) == ('openvino', 'int8', None)
    maps = backend(batch * 256 + 128)  # it takes raw pixels
    assert [each.shape for each in maps] == [each.shape for each in expected]
    assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95 for a, b in zip(maps, expected, strict=True))
    assert 'runs on openvino, not on torch' in refusal(model, BackendSettings(backend='torch'))


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
class TestFiles:
    def test_a_model_with_other_outputs_is_refused(self, name, weights):
        content = (weights / 'simplepose_ultralight.onnx').read_bytes()
        message = refusal(Model(CHANNELS, onnx=content, label='simple.onnx'), replace(CPU, backend=name))
        assert message == 'simple.onnx does not fit: expected outputs with 19 and 38 channels, got 17'

    @pytest.mark.parametrize('content', [b'garbage', b'', b'\x08\x07' * 2000], ids=len)
    def test_garbage(self, name, content):
        message = refusal(Model(CHANNELS, onnx=content, label='broken.onnx'), replace(CPU, backend=name))
        assert 'broken.onnx' in message

    def test_a_model_that_was_cut_off(self, name, fixed_onnx):
        content = fixed_onnx(1, 3, 64, 64)
        message = refusal(
            Model(CHANNELS, onnx=content[: len(content) // 2], label='part.onnx'), replace(CPU, backend=name)
        )
        assert 'part.onnx' in message

    def test_a_batch_fixed_at_one(self, name, fixed_onnx, tiny):
        backend = open_backend(Model(CHANNELS, onnx=fixed_onnx(1, 3, 64, 96)), replace(CPU, backend=name))
        inputs = np.random.default_rng(0).normal(size=(3, 3, 64, 96)).astype(np.float32)
        whole = open_backend(Model(CHANNELS, network=tiny), replace(CPU, backend='torch'))(inputs)
        assert spread(backend(inputs), whole) < 1e-4


def test_onnx_runtime_keeps_to_a_fixed_size(fixed_onnx):
    model = Model(CHANNELS, onnx=fixed_onnx(1, 3, 64, 96), label='tiny.onnx')
    backend = open_backend(model, replace(CPU, backend='onnxruntime'))
    assert backend.fixed_hw == (64, 96)
    assert probe_stride(backend) == 8
    with pytest.raises(BackendError, match=r'tiny\.onnx takes inputs of 1x3x64x96, got \(1, 3, 64, 64\); choose'):
        backend(np.zeros((1, 3, 64, 64), np.float32))


def test_openvino_makes_fixed_models_flexible(fixed_onnx, tiny, batch):
    backend = open_backend(Model(CHANNELS, onnx=fixed_onnx(1, 3, 64, 96)), replace(CPU, backend='openvino'))
    assert backend.fixed_hw is None
    expected = open_backend(Model(CHANNELS, network=tiny), replace(CPU, backend='torch'))(batch)
    assert spread(backend(batch), expected) < 1e-4


@pytest.mark.parametrize('threads', [1, 2])
@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_wrong_inputs_are_refused(name, threads, omz_onnx):
    backend = open_backend(omz_onnx, replace(CPU, backend=name, threads=threads))
    with pytest.raises(BackendError, match=r'lwop_omz\.onnx'):
        backend(np.zeros((1, 4, 64, 64), np.float32))


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({'backend': 'tensorflow'}, "must be one of auto, torch, onnxruntime, openvino, got 'tensorflow'"),
        ({'precision': 'int8'}, "must be one of fp32, fp16, bf16, got 'int8'"),
        ({'device': 'gpu'}, "must be auto, cpu, cuda or cuda:N, got 'gpu'"),
        ({'device': 'cuda:x'}, "got 'cuda:x'"),
        ({'device': ''}, "got ''"),
        ({'device': '0'}, "got '0'"),
        ({'threads': -1}, 'threads must be a whole number, 0 or more, got -1'),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, expected):
    with pytest.raises(BackendError, match=expected):
        BackendSettings(**settings)


def test_pick_outputs():
    assert pick_outputs([19, 38, 19, 38], (19, 38), 'it') == [2, 3]
    assert pick_outputs([None, 38, 19], (19, 38), 'it') == [2, 1]
    with pytest.raises(BackendError, match=r'^it does not fit: .* 19 and 38 channels, got unknown, 17'):
        pick_outputs([None, 17], (19, 38), 'it')
