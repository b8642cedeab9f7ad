"""ResNet 18 to 152 (He et al., 2015) without its classifying part, with the tensor names of torchvision's files."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from pose_estimation_ros.backbones.blocks import relu

STAGE_CHANNELS = (64, 128, 256, 512)
"""Of the 3x3 convolutions of each of the four stages; a bottleneck puts out four times as many."""


@dataclass(frozen=True)
class Depth:
    """What tells one ResNet from another."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool

    @property
    def expansion(self) -> int:
        """Channels that a block puts out for each of its 3x3 convolution."""
        return Bottleneck.expansion if self.bottleneck else BasicBlock.expansion

    @property
    def channels(self) -> int:
        """Of the last stage."""
        return STAGE_CHANNELS[-1] * self.expansion


DEPTHS = {
    18: Depth((2, 2, 2, 2), bottleneck=False),
    34: Depth((3, 4, 6, 3), bottleneck=False),
    50: Depth((3, 4, 6, 3), bottleneck=True),
    101: Depth((3, 4, 23, 3), bottleneck=True),
    152: Depth((3, 8, 36, 3), bottleneck=True),
}
"""By the number of layers in the name."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to the input."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, caffe_style: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = relu()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(inputs, channels, stride)

    def forward(self, features: Tensor) -> Tensor:
        changed = self.relu(self.bn1(self.conv1(features)))
        changed = self.bn2(self.conv2(changed))
        return F.relu(changed + self.downsample(features), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution, added to the input; the stride is on the 3x3, in Caffe's style on the first 1x1."""

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, caffe_style: bool = False) -> None:
        super().__init__()
        first, second = (stride, 1) if caffe_style else (1, stride)
        outputs = channels * self.expansion
        self.conv1 = nn.Conv2d(inputs, channels, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = relu()
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, features: Tensor) -> Tensor:
        changed = self.relu(self.bn1(self.conv1(features)))
        changed = self.relu(self.bn2(self.conv2(changed)))
        changed = self.bn3(self.conv3(changed))
        return F.relu(changed + self.downsample(features), inplace=True)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return the projection of a block's shortcut; an empty one passes its input on."""
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """(N, 3, H, W) to (N, DEPTHS[depth].channels, H/32, W/32)."""

    def __init__(self, depth: int = 50, caffe_style: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STAGE_CHANNELS[0], 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STAGE_CHANNELS[0])
        self.relu = relu()
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        kind, inputs = Bottleneck if DEPTHS[depth].bottleneck else BasicBlock, STAGE_CHANNELS[0]
        stages = [nn.Sequential() for _ in STAGE_CHANNELS]
        for number, (channels, blocks) in enumerate(zip(STAGE_CHANNELS, DEPTHS[depth].blocks, strict=True)):
            for block in range(blocks):
                stages[number].append(kind(inputs, channels, 2 if number and not block else 1, caffe_style))
                inputs = channels * kind.expansion
        self.layer1, self.layer2, self.layer3, self.layer4 = stages

    def features(self, image: Tensor) -> Tensor:
        """Return the maps of the last stage."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(image))))  # (N, 64, H/4, W/4)
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))  # (N, C, H/32, W/32)
        result: Tensor = maps
        return result
