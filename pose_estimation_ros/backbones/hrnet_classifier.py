"""HRNet as an ImageNet classifier, with the tensor names of the published HRNet-Image-Classification files."""

import itertools

from torch import Tensor, nn

from pose_estimation_ros.backbones.blocks import relu
from pose_estimation_ros.backbones.hrnet import STEM_CHANNELS, HRNet, branch_channels
from pose_estimation_ros.backbones.resnet import Bottleneck

IMAGENET_CLASSES = 1000
HEAD_CHANNELS = (32, 64, 128, 256)
"""Of the 3x3 convolutions that widen each branch at any width of the trunk; a bottleneck returns four times as many."""
FINAL_CHANNELS = 2048


class HRNetClassifier(HRNet):
    """(N, 3, H, W) to logits (N, classes, 1, 1): one cell, in the layout of all networks of this package."""

    output_names = ('logits',)

    def __init__(self, width: int = 32, classes: int = IMAGENET_CLASSES, stem_width: int = STEM_CHANNELS) -> None:
        super().__init__(width, stem_width)
        outputs = [channels * Bottleneck.expansion for channels in HEAD_CHANNELS]
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(inputs, channels, stride=1))
            for inputs, channels in zip(branch_channels(width), HEAD_CHANNELS, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(
            _conv_bn(inputs, wider, kernel=3, stride=2) for inputs, wider in itertools.pairwise(outputs)
        )
        self.final_layer = _conv_bn(outputs[-1], FINAL_CHANNELS, kernel=1, stride=1)
        self.classifier = nn.Linear(FINAL_CHANNELS, classes)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return logits as one map."""
        widened = [widen(maps) for widen, maps in zip(self.incre_modules, self.branches(image), strict=True)]
        merged = widened[0]  # (N, 128, H/4, W/4)
        for reduce, maps in zip(self.downsamp_modules, widened[1:], strict=True):
            merged = maps + reduce(merged)
        pooled = self.final_layer(merged).mean((2, 3))  # (N, 2048)
        return [self.classifier(pooled)[..., None, None]]


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """`0` convolution with bias, `1` batch norm, then a ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), relu())


def build_classifier(
    width: int = 32, classes: int = IMAGENET_CLASSES, stem_width: int = STEM_CHANNELS
) -> HRNetClassifier:
    """Build a classifier with the published random values, ready for training."""
    network = HRNetClassifier(width, classes, stem_width)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return network
