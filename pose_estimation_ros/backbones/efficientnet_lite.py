"""EfficientNet-Lite0 up to a stride of 16, its maps of strides 8 and 16 together: the backbone of the embedded model.

EfficientNet (Tan and Le, arXiv 1905.11946) without squeeze-and-excitation and with ReLU6, as Google published it for
phones. The stages of stride 32 are left out.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pose_estimation_ros.backbones.blocks import conv_bn_act, relu6
from pose_estimation_ros.backbones.mobilenetv2 import InvertedResidual

STEM_CHANNELS = 32
EPSILON = 1e-3
"""Of the published batch norms."""
# expansion, channels, blocks, stride of the first block, kernel
GROUPS = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5))
FINE, COARSE = 40, 112
"""Channels of the maps of strides 8 and 16."""
COARSE_STRIDE = 16
FINE_BLOCKS = 5
"""Blocks until the maps of stride 8."""
CHANNELS = FINE + COARSE


class EfficientNetLite(nn.Module):
    """(N, 3, H, W) to (N, 152, H/s, W/s), s being the stride: 8, or 16 for a quarter of the work behind it."""

    def __init__(self, stride: int = 8) -> None:
        super().__init__()
        self._stride = stride
        self.stem = conv_bn_act(3, STEM_CHANNELS, stride=2, activation=relu6)
        blocks: list[nn.Module] = []
        inputs = STEM_CHANNELS
        for expansion, outputs, count, stride, kernel in GROUPS:
            for index in range(count):
                blocks.append(InvertedResidual(inputs, outputs, stride if index == 0 else 1, expansion, kernel))
                inputs = outputs
        self.fine = nn.Sequential(*blocks[:FINE_BLOCKS])
        self.coarse = nn.Sequential(*blocks[FINE_BLOCKS:])
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = EPSILON

    def forward(self, image: Tensor) -> Tensor:
        fine = self.fine(self.stem(image))  # (N, 40, H/8, W/8)
        coarse = self.coarse(fine)  # (N, 112, H/16, W/16)
        if self._stride == COARSE_STRIDE:
            return torch.cat([fine[:, :, ::2, ::2], coarse], dim=1)
        larger = interpolate(coarse, scale_factor=2.0)  # one row or column more than fine where its number is odd
        return torch.cat([fine, larger[:, :, : fine.shape[2], : fine.shape[3]]], dim=1)


def from_published(state_dict: Mapping[str, Tensor], prefix: str = '') -> dict[str, Tensor]:
    """Return a published classifier's tensors under this backbone's names, those of the last stages left out.

    The classifier takes RGB images as (x - 127) / 128, this network BGR ones as (x - 128) / 256: its first
    convolution and the mean of the batch norm after it are converted.
    """
    renamed = {prefix + own: value for name, value in state_dict.items() if (own := _own_name(name))}
    weight = state_dict['_conv_stem.weight']  # (32, 3, 3, 3)
    renamed[f'{prefix}stem.0.weight'] = 2 * weight.flip(1)
    renamed[f'{prefix}stem.1.running_mean'] = state_dict['_bn0.running_mean'] - weight.sum(dim=(1, 2, 3)) / 128
    return renamed


_PARTS = {'_expand_conv': -3, '_bn0': -2, '_depthwise_conv': 0, '_bn1': 1, '_project_conv': 3, '_bn2': 4}
"""A block's parts, counted from its depthwise convolution."""


def _own_name(name: str) -> str | None:
    stem = {'_conv_stem': 'stem.0', '_bn0': 'stem.1'}
    part, _, tensor = name.partition('.')
    if part in stem:
        return f'{stem[part]}.{tensor}'
    match = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', name)
    if not match or int(match[1]) >= sum(group[2] for group in GROUPS):
        return None
    block = int(match[1])
    place = _PARTS[match[2]] + (3 if block else 0)  # the first block does not expand
    where = f'fine.{block}' if block < FINE_BLOCKS else f'coarse.{block - FINE_BLOCKS}'
    return f'{where}.conv.{place}.{match[3]}'
