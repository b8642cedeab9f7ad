"""Torch to ONNX: the same values at any size, in half precision and int8, with a note of what the model expects."""

import builtins
import logging

import numpy as np
import onnx
import pytest

from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model
from pose_estimation_ros.inference.backends.onnx_export import INPUT_NAME, export_onnx
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.models.onnx_file import read_facts, with_metadata
from pose_estimation_ros.models.quantization import to_half, to_int8

CHANNELS = (19, 38)
SHAPES = [(1, 3, 128, 224), (2, 3, 128, 224), (1, 3, 64, 72), (3, 3, 40, 200)]


def opened(name, **model):
    return open_backend(Model(CHANNELS, **model), BackendSettings(backend=name, device='cpu'))


def inputs(shape, batch):
    """People in any size: the batch repeated to the shape."""
    return np.resize(batch, (shape[0], *batch.shape[1:]))[..., : shape[2], : shape[3]]


def spread(maps, expected):
    assert [each.shape for each in maps] == [each.shape for each in expected]
    return max(abs(a - b).max() / b.std() for a, b in zip(maps, expected, strict=True))


def agreement(maps, expected):
    """The lowest correlation of two lists of maps."""
    assert [each.shape for each in maps] == [each.shape for each in expected]
    return min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(maps, expected, strict=True))


@pytest.fixture(scope='module')
def exported(omz_network):
    return export_onnx(omz_network)


@pytest.fixture(scope='module')
def reference(omz_network):
    return opened('torch', network=omz_network)


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_values_at_any_size(name, exported, reference, batch):
    backend = opened(name, onnx=exported)
    for shape in SHAPES:
        data = inputs(shape, batch)
        assert spread(backend(data), reference(data)) < 3e-3


@pytest.mark.parametrize('fold', [False, True])
def test_graph(exported, tiny, fold):
    graph = onnx.load_from_string(export_onnx(tiny, fold_constants=fold)).graph
    assert [each.name for each in graph.input] == [INPUT_NAME] == ['data']
    assert len(graph.output) == 4
    sides = [each.dim_param or each.dim_value for each in graph.input[0].type.tensor_type.shape.dim]
    assert sides == ['batch', 3, 'height', 'width']
    onnx.checker.check_model(exported)


def test_outputs_may_be_named(tiny):
    names = ['first_heatmaps', 'first_pafs', 'heatmaps', 'pafs']
    graph = onnx.load_from_string(export_onnx(tiny, names)).graph
    assert [each.name for each in graph.output] == names


def test_exporting_leaves_the_network_as_it_was(tiny):
    tiny.train()
    try:
        export_onnx(tiny)
        assert tiny.training
    finally:
        tiny.eval()


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_half_precision_stays_close(name, exported, reference, batch):
    half = to_half(exported)
    assert len(half) < 0.55 * len(exported)
    backend = opened(name, onnx=half)
    for shape in SHAPES[:2]:
        data = inputs(shape, batch)
        maps = backend(data)
        assert all(each.dtype == np.float32 for each in maps)
        assert spread(maps, reference(data)) < 0.2
        assert agreement(maps, reference(data)) > 0.999


@pytest.fixture(scope='module')
def quantised(exported, batch):
    return to_int8(exported, [batch[:1], batch[1:], batch[:1, :, ::-1]])


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_int8_stays_close(name, exported, quantised, reference, batch):
    assert len(quantised) < 0.4 * len(exported)
    backend = opened(name, onnx=quantised)
    for shape in SHAPES[:2]:
        data = inputs(shape, batch)
        assert agreement(backend(data), reference(data)) > 0.9
    # It does calculate in int8, rather than carry fp32 along.
    assert spread(backend(batch), reference(batch)) > 0.01


def test_openvino_says_that_a_model_is_int8(quantised):
    assert opened('openvino', onnx=quantised).precision == 'int8'


def test_quantising_says_nothing_and_leaves_logging_as_it_was(tiny, batch, caplog, capfd):
    level = logging.getLogger().level
    to_int8(export_onnx(tiny), [batch[:1]])
    assert logging.getLogger().level == level
    assert caplog.text == ''
    assert capfd.readouterr() == ('', '')


def test_metadata_come_back(tiny):
    metadata = {'method': 'ü', 'network': {'stages': 2, 'use_stride': True}, 'mean': [1.5, 2, 3], 'nothing': None}
    plain = export_onnx(tiny)
    assert read_facts(plain).metadata == {}
    noted = with_metadata(plain, metadata, 'fp16')
    assert read_facts(noted).metadata == metadata
    assert opened('onnxruntime', onnx=noted).precision == 'fp16'
    assert read_facts(to_half(noted)).metadata == metadata


def test_metadata_written_again_replace_the_old(tiny):
    once = with_metadata(export_onnx(tiny), {'a': 1}, 'fp32')
    twice = with_metadata(once, {'b': 2}, 'int8')
    assert read_facts(twice).metadata == {'b': 2}
    keys = [entry.key for entry in onnx.load_from_string(twice).metadata_props]
    assert len(keys) == len(set(keys))
    assert opened('onnxruntime', onnx=twice).precision == 'int8'


@pytest.mark.parametrize('content', [b'', b'garbage', b'\0' * 100])
def test_what_is_no_model_has_no_metadata(content):
    with pytest.raises(BackendError, match='not an ONNX model') as caught:
        read_facts(content)
    assert '\n' not in str(caught.value)


def test_a_missing_package_is_named(tiny, monkeypatch):
    content = export_onnx(tiny)
    real = builtins.__import__

    def without_onnx(name, *args, **kwargs):
        if name == 'onnx':
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without_onnx)
    with pytest.raises(BackendError, match='needs the package onnx: pip install'):
        with_metadata(content, {}, 'fp32')
