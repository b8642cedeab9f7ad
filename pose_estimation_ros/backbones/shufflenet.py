"""ShuffleNet v1 with a total stride of 8, as OpenDR uses it for pose networks."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pose_estimation_ros.backbones.blocks import relu

STEM_CHANNELS = 24
STAGE_UNITS = {2: 4, 3: 8, 4: 4}
STAGE_CHANNELS = {1: (144, 288, 576), 2: (200, 400, 800), 3: (240, 480, 960), 4: (272, 544, 1088), 8: (384, 768, 1536)}
"""By number of groups: the channels of stages 2, 3 and 4."""


def shuffle(features: Tensor, groups: int) -> Tensor:
    """Deal the channels of each group out to all groups."""
    batch, channels, height, width = features.shape
    grouped = features.view(batch, groups, channels // groups, height, width)  # (N, G, C/G, H, W)
    return grouped.transpose(1, 2).reshape(batch, channels, height, width)  # (N, C, H, W)


def grouped_pointwise(inputs: int, outputs: int, groups: int, activated: bool) -> nn.Sequential:
    """1x1 convolution in groups (with bias), batch norm, and a ReLU if `activated`."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts['conv1x1'] = nn.Conv2d(inputs, outputs, 1, groups=groups)
    parts['batch_norm'] = nn.BatchNorm2d(outputs)
    if activated:
        parts['relu'] = relu()
    return nn.Sequential(parts)


class ShuffleUnit(nn.Module):
    """A bottleneck of grouped convolutions, added to its input, or, halving the map, set beside its pooled input."""

    def __init__(self, inputs: int, outputs: int, groups: int, halves: bool, first_grouped: bool = True) -> None:
        super().__init__()
        inner = outputs // 4
        self.groups, self.halves = groups, halves
        self.g_conv_1x1_compress = grouped_pointwise(inputs, inner, groups if first_grouped else 1, activated=True)
        self.depthwise_conv3x3 = nn.Conv2d(inner, inner, 3, 2 if halves else 1, padding=1, groups=inner)
        self.bn_after_depthwise = nn.BatchNorm2d(inner)
        added = outputs - inputs if halves else outputs
        self.g_conv_1x1_expand = grouped_pointwise(inner, added, groups, activated=False)

    def forward(self, features: Tensor) -> Tensor:
        changed = shuffle(self.g_conv_1x1_compress(features), self.groups)
        changed = self.g_conv_1x1_expand(self.bn_after_depthwise(self.depthwise_conv3x3(changed)))
        if not self.halves:
            return F.relu(features + changed)
        pooled = F.avg_pool2d(features, 3, stride=2, padding=1)
        return F.relu(torch.cat([pooled, changed], dim=1))  # (N, inputs + added, H/2, W/2)


class ShuffleNet(nn.Module):
    """(N, 3, H, W) to (N, STAGE_CHANNELS[groups][-1], H/8, W/8); the stem keeps the size, each stage halves it."""

    def __init__(self, groups: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, padding=1)
        channels = (STEM_CHANNELS, *STAGE_CHANNELS[groups])
        self.stage2 = _stage(2, channels[0], channels[1], groups)
        self.stage3 = _stage(3, channels[1], channels[2], groups)
        self.stage4 = _stage(4, channels[2], channels[3], groups)

    def forward(self, image: Tensor) -> Tensor:
        stem = F.max_pool2d(self.conv1(image), 3, stride=1, padding=1)
        features: Tensor = self.stage4(self.stage3(self.stage2(stem)))
        return features


def _stage(number: int, inputs: int, outputs: int, groups: int) -> nn.Sequential:
    """Only the very first unit has too few input channels for groups."""
    units = [ShuffleUnit(inputs, outputs, groups, halves=True, first_grouped=number > 2)]
    units += [ShuffleUnit(outputs, outputs, groups, halves=False) for _ in range(STAGE_UNITS[number] - 1)]
    return nn.Sequential(OrderedDict((f'ShuffleUnit_Stage{number}_{index}', unit) for index, unit in enumerate(units)))
