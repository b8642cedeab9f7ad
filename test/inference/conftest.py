"""Models of fixed input size, and the published one as ONNX."""

import io
import warnings

import pytest
import torch

from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.methods.systems import find_method

CHANNELS = find_method('lightweight_openpose').output_channels


def exported(network, shape, **dynamic_axes):
    """ONNX bytes of a network for inputs of one shape only."""
    buffer = io.BytesIO()
    options = {'input_names': ['data'], 'opset_version': 17, 'dynamo': False, **dynamic_axes}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(network, (torch.zeros(shape),), buffer, **options)
    return buffer.getvalue()


@pytest.fixture(scope='session')
def fixed_onnx(tiny):
    """Function that exports the tiny network for one input shape."""
    return lambda *shape: exported(tiny, shape)


@pytest.fixture(scope='session')
def omz_onnx(weights):
    return Model(CHANNELS, onnx=(weights / 'lwop_omz.onnx').read_bytes(), label='lwop_omz.onnx')
