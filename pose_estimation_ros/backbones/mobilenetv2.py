"""MobileNet v2 with a total stride of 8, as OpenDR uses it for pose networks."""

import math

from torch import Tensor, nn

from pose_estimation_ros.backbones.blocks import conv_bn_act, depthwise, pointwise, relu6

STEM_CHANNELS = 32
LAST_CHANNELS = 1280
# expansion, channels, blocks, stride of the first block; the two later strides of the classifier are 1 here
GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 1), (6, 96, 3, 1), (6, 160, 3, 1), (6, 320, 1, 1))


def group_channels(width: float) -> tuple[int, ...]:
    """Channels after each group of blocks; the first group is never scaled, as in the published files."""
    return tuple(channels if expansion == 1 else _round_up(channels * width) for expansion, channels, _, _ in GROUPS)


def last_channels(width: float) -> int:
    """Channels of the output: 1280, and more only for networks wider than 1."""
    return _round_up(LAST_CHANNELS * width) if width > 1 else LAST_CHANNELS


class InvertedResidual(nn.Module):
    """Expand, filter, project; added to the input if the shapes match."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, kernel: int = 3) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [] if expansion == 1 else [pointwise(inputs, hidden), nn.BatchNorm2d(hidden), relu6()]
        filtering = [depthwise(hidden, stride, kernel=kernel), nn.BatchNorm2d(hidden), relu6()]
        project = [pointwise(hidden, outputs), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*expand, *filtering, *project)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.conv(features)
        return features + changed if self.adds else changed


class MobileNetV2(nn.Module):
    """(N, 3, H, W) to (N, last_channels(width), H/8, W/8)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn_act(3, STEM_CHANNELS, stride=2, activation=relu6)]
        inputs = STEM_CHANNELS
        for (expansion, _, blocks, stride), outputs in zip(GROUPS, group_channels(width), strict=True):
            for index in range(blocks):
                layers.append(InvertedResidual(inputs, outputs, stride if index == 0 else 1, expansion))
                inputs = outputs
        layers.append(conv_bn_act(inputs, last_channels(width), kernel=1, activation=relu6))
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.features(image)
        return features


def _round_up(channels: float, multiple: int = 8) -> int:
    return math.ceil(channels / multiple) * multiple
