"""What a learner says of a model is what it was told or found out, in memory and on disk."""

import json
import logging

import numpy as np
import pytest
import torch

from pose_estimation_ros import LightweightOpenPoseLearner
from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.models.folder import find_model
from pose_estimation_ros.models.onnx_file import read_facts

GREY = np.full((90, 160, 3), 128, np.uint8)


@pytest.fixture
def small(tmp_path):
    """A learner with a small random network of its own."""
    learner = LightweightOpenPoseLearner(
        device='cpu', num_refinement_stages=0, mobilenet_use_stride=False, base_height=64, temp_path=tmp_path / 'temp'
    )
    learner.init_model()
    return learner


def export_with_free_width(network, path):
    """Write what OpenDR's own learner exports: height and batch fixed, width free."""
    names = ['heatmaps', 'pafs']
    axes = {name: {3: 'width'} for name in ('data', *names)}
    torch.onnx.export(
        network.eval(), (torch.zeros(1, 3, 64, 96),), str(path), input_names=['data'], output_names=names,
        dynamic_axes=axes, dynamo=False, opset_version=11,
    )  # fmt: skip


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_a_model_of_fixed_height_and_free_width_runs(small, tmp_path, backend, caplog):
    export_with_free_width(small.network, tmp_path / 'model.onnx')
    learner = LightweightOpenPoseLearner(device='cpu', backend=backend, base_height=128)
    learner.load(tmp_path / 'model.onnx')
    assert learner.infer(GREY) == []
    if backend == 'onnxruntime':  # OpenVINO frees the height
        assert learner.pipeline().base_size == 64
        assert '64 rows only' in caplog.text


@pytest.mark.filterwarnings('ignore')
def test_optimize_frees_the_size_of_a_fixed_model(small, tmp_path):
    export_with_free_width(small.network, tmp_path / 'model.onnx')
    learner = LightweightOpenPoseLearner(device='cpu', backend='onnxruntime', base_height=96, temp_path=tmp_path)
    learner.load(tmp_path / 'model.onnx')
    assert learner.pipeline().base_size == 64
    learner.optimize()
    assert learner.infer(GREY) == []
    assert learner.pipeline().base_size == 96


def test_optimizing_again_starts_from_the_source(small):
    small.optimize(precision='fp32')
    plain = small.optimized_content()
    small.optimize(precision='fp16')
    half = small.optimized_content()
    small.optimize(precision='fp32')
    assert small.optimized_content() == plain
    assert len(half) < 0.6 * len(plain)


def test_a_half_model_cannot_become_another(small, tmp_path):
    small.optimize(precision='fp16')
    small.save(tmp_path / 'half')
    learner = LightweightOpenPoseLearner(device='cpu', temp_path=tmp_path)
    learner.load(tmp_path / 'half')
    with pytest.raises(SettingsError, match='is already fp16 and cannot be converted to int8'):
        learner.optimize(precision='int8', calibration=[GREY])


def test_nothing_is_made_up_of_a_model_without_description(small, tmp_path, caplog):
    small.optimize()
    facts = read_facts(small.optimized_content())
    assert facts.metadata['network']['use_stride'] is False
    import onnx

    proto = onnx.load_from_string(small.optimized_content())
    del proto.metadata_props[:]
    (tmp_path / 'bare.onnx').write_bytes(proto.SerializeToString())
    learner = LightweightOpenPoseLearner(device='cpu')
    learner.load(tmp_path / 'bare.onnx')
    learner.save(tmp_path / 'saved')
    assert json.loads((tmp_path / 'saved' / 'saved.json').read_text())['inference_params']['network'] is None
    again = LightweightOpenPoseLearner(device='cpu', mobilenet_use_stride=True)
    again.load(tmp_path / 'saved')
    assert 'use_stride' not in caplog.text
    assert again.pipeline().stride == 8


def test_a_file_in_a_saved_folder_keeps_its_description(small, tmp_path):
    small.save(tmp_path / 'model')
    learner = LightweightOpenPoseLearner(device='cpu')
    learner.load(tmp_path / 'model' / 'model.pth')
    assert learner.options == small.options
    assert learner.base_height == 64


def test_an_optimised_model_stays_one(small, tmp_path):
    small.optimize()
    small.save(tmp_path / 'a')
    learner = LightweightOpenPoseLearner(device='cpu')
    learner.load(tmp_path / 'a')
    learner.save(tmp_path / 'b')
    assert find_model(tmp_path / 'b').optimized


def test_a_checkpoint_that_hides_its_stride_is_named(small, tmp_path, caplog):
    torch.save({'state_dict': small.network.state_dict()}, tmp_path / 'checkpoint_iter_1.pth')
    LightweightOpenPoseLearner(device='cpu').load(tmp_path / 'checkpoint_iter_1.pth')
    assert 'does not declare its stride; assuming 16' in caplog.text
    caplog.clear()
    LightweightOpenPoseLearner(device='cpu', mobilenet_use_stride=False).load(tmp_path / 'checkpoint_iter_1.pth')
    assert 'stride' not in caplog.text


def test_the_published_default_of_the_stride_is_mobilenets_alone(tmp_path, caplog):
    """An EfficientNet checkpoint has a stride of 8 unless somebody asks for another."""
    named = {'backbone': 'efficientnet_lite', 'num_refinement_stages': 0, 'device': 'cpu', 'backend': 'torch'}
    learner = LightweightOpenPoseLearner(**named)
    learner.init_model()
    assert learner.pipeline().stride == 8
    torch.save({'state_dict': learner.network.state_dict()}, tmp_path / 'checkpoint_iter_1.pth')
    other, coarse = LightweightOpenPoseLearner(device='cpu'), LightweightOpenPoseLearner(mobilenet_use_stride=True)
    other.load(tmp_path / 'checkpoint_iter_1.pth')
    assert other.options == learner.options
    assert 'stride' not in caplog.text
    coarse.load(tmp_path / 'checkpoint_iter_1.pth')
    assert coarse.options.stride == 16
    built = LightweightOpenPoseLearner(**named, mobilenet_use_stride=True)
    built.init_model()
    assert built.pipeline().stride == 16


def test_an_argument_for_the_input_changes_that_argument_alone(small, tmp_path, caplog):
    small.save(tmp_path / 'model')
    description = tmp_path / 'model' / 'model.json'
    content = json.loads(description.read_text())
    content['inference_params']['preprocessing']['mean'] = [0, 0, 0]
    description.write_text(json.dumps(content))
    learner = LightweightOpenPoseLearner(device='cpu', pad_value=(1, 1, 1))
    learner.load(tmp_path / 'model')
    assert tuple(learner.preprocessing.mean) == (0, 0, 0)
    assert learner.preprocessing.pad_value == (1, 1, 1)
    assert 'pad_value=(1.0, 1.0, 1.0) overrides pad_value=(0.0, 0.0, 0.0) of the weights file' in caplog.text


def test_tuning_changes_all_or_nothing(small):
    small.infer(GREY)
    with pytest.raises(SettingsError, match='height'):
        small.tune(base_height=5, max_persons=3)
    assert small.base_height == small.pipeline().base_size == 64
    small.tune(base_height=96, max_persons=3)
    assert small.pipeline().base_size == 96
    assert small.pipeline().decoder.settings.max_persons == 3


def test_the_ratio_of_the_decoder_holds_unless_a_call_names_another(small):
    small.tune(upsample_ratio=2)
    assert small.pipeline().decoder.settings.upsample_ratio == 2
    assert small.pipeline(3).decoder.settings.upsample_ratio == 3
    assert small.pipeline().decoder.settings.upsample_ratio == 2


@pytest.mark.parametrize('path', ['', '/', '.', 'x' * 300, '~/nowhere', 'a\0b'])
def test_no_path_raises_anything_but_a_weights_error(path):
    with pytest.raises(WeightsError) as caught:
        LightweightOpenPoseLearner(device='cpu').load(path)
    assert '\n' not in str(caught.value)


def test_torch_running_out_of_memory_is_a_backend_error(small):
    from pose_estimation_ros.core.errors import BackendError

    learner = LightweightOpenPoseLearner(device='cpu', backend='torch', num_refinement_stages=0)
    learner.init_model()
    learner.network.forward = lambda tensor: (_ for _ in ()).throw(RuntimeError("can't allocate memory"))
    with pytest.raises(BackendError, match="can't allocate memory"):
        learner.infer(GREY)


def test_inference_leaves_a_network_in_training(small):
    learner = LightweightOpenPoseLearner(device='cpu', backend='torch', num_refinement_stages=0)
    learner.init_model()
    learner.network.train()
    learner.infer(GREY)
    assert learner.network.training


def test_the_backend_is_said_once(small, caplog):
    caplog.set_level(logging.INFO)
    small.infer(GREY)
    small.infer(GREY)
    assert [message for message in caplog.messages if message.startswith('runs on')] == ['runs on openvino, cpu, fp32']
