"""A tiny network, real weights, and a real picture with people."""

import io
import warnings

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.methods.systems import find_method

CHANNELS = find_method('lightweight_openpose').output_channels


class TinyNetwork(nn.Module):
    """Two stages of heatmaps and fields at stride 8, in the order of the real network."""

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(3, channels, 8, stride=8) for channels in CHANNELS * 2)

    def forward(self, image):
        return [head(image) for head in self.heads]


def exported(network, shape, **dynamic_axes):
    """ONNX bytes of a network for inputs of one shape only."""
    buffer = io.BytesIO()
    options = {'input_names': ['data'], 'opset_version': 17, 'dynamo': False, **dynamic_axes}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(network, (torch.zeros(shape),), buffer, **options)
    return buffer.getvalue()


@pytest.fixture(scope='session')
def tiny():
    torch.manual_seed(1)
    return TinyNetwork().eval()


@pytest.fixture(scope='session')
def fixed_onnx(tiny):
    """Function that exports the tiny network for one input shape."""
    return lambda *shape: exported(tiny, shape)


@pytest.fixture(scope='session')
def weights(assets):
    return assets / 'weights'


@pytest.fixture(scope='session')
def omz_onnx(weights):
    return Model(CHANNELS, onnx=(weights / 'lwop_omz.onnx').read_bytes(), label='lwop_omz.onnx')


@pytest.fixture(scope='session')
def omz_network(weights):
    from pose_estimation_ros.methods.lightweight_openpose.network import lightweight_openpose_omz
    from pose_estimation_ros.methods.lightweight_openpose.weights import fit_weights, read_weights

    network = lightweight_openpose_omz().eval()
    fit_weights(network, read_weights(weights / 'lwop_omz.pth'))
    return network


@pytest.fixture(scope='session')
def photo(assets):
    """A frame of the street video: (480, 854, 3), three people."""
    video = cv2.VideoCapture(str(assets / 'video' / 'street.mp4'))
    video.set(cv2.CAP_PROP_POS_FRAMES, 540)
    found, frame = video.read()
    assert found
    return frame


@pytest.fixture(scope='session')
def batch(photo):
    """(2, 3, 128, 224) inputs that show people."""
    small = cv2.resize(photo[160:416, 406:854], (224, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
    inputs = ((small - 128) / 256).transpose(2, 0, 1)
    return np.stack([inputs, inputs[..., ::-1]])
