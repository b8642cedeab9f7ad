"""The Lightweight OpenPose network (Osokin, 2018) with the tensor names of its published checkpoints."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pose_estimation_ros.backbones import efficientnet_lite, mobilenet, mobilenetv2, shufflenet
from pose_estimation_ros.backbones.blocks import conv_act, depthwise, elu, initialise, pointwise, relu
from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_HEATMAPS, NUM_PAFS
from pose_estimation_ros.methods.lightweight_openpose.options import SLIM_WIDTH, NetworkOptions

CHANNELS = 128
INITIAL_HEAD_CHANNELS = 512
REFINEMENT_BLOCKS = 5


class LightweightOpenPoseNetwork(nn.Module):
    """Backbone, feature adapter (`cpm`), an initial guess of the maps and stages that refine it."""

    def __init__(self, model: nn.Module, cpm: nn.Module, num_refinement_stages: int) -> None:
        super().__init__()
        self.model = model
        self.cpm = cpm
        self.initial_stage = initial_stage()
        self.refinement_stages = nn.ModuleList(refinement_stage() for _ in range(num_refinement_stages))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return heatmaps (N, 19, H/s, W/s) and PAFs (N, 38, H/s, W/s) of every stage in turn, s being the stride.

        `image` is (N, 3, H, W) BGR, (x - 128) / 256. The last two maps are the result.
        """
        features = self.cpm(self.model(image))  # (N, 128, H/s, W/s)
        maps: list[Tensor] = [*self.initial_stage(features)]
        for refine in self.refinement_stages:
            maps += refine(torch.cat([features, maps[-2], maps[-1]], dim=1))  # (N, 128 + 19 + 38, H/s, W/s)
        return maps


class FeatureAdapter(nn.Module):
    """The backbone's features in 128 channels; `red` is the extra reduction of the omz variant."""

    def __init__(self, align: nn.Module, trunk: nn.Module, red: nn.Module) -> None:
        super().__init__()
        self.align = align
        self.trunk = trunk
        self.conv = conv_act(CHANNELS, CHANNELS)
        self.red = red

    def forward(self, features: Tensor) -> Tensor:
        aligned = self.align(features)
        adapted: Tensor = self.conv(aligned + self.trunk(self.red(aligned)))
        return adapted


class Stage(nn.Module):
    """A trunk with two heads: heatmaps and part affinity fields."""

    def __init__(self, trunk: nn.Module, head_channels: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.heatmaps = head(head_channels, NUM_HEATMAPS)
        self.pafs = head(head_channels, NUM_PAFS)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(features)
        return self.heatmaps(features), self.pafs(features)


def head(hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_act(CHANNELS, hidden, kernel=1), nn.Sequential(pointwise(hidden, outputs, bias=True)))


def initial_stage() -> Stage:
    return Stage(nn.Sequential(*(conv_act(CHANNELS, CHANNELS) for _ in range(3))), INITIAL_HEAD_CHANNELS)


def refinement_stage() -> Stage:
    inputs = [CHANNELS + NUM_HEATMAPS + NUM_PAFS] + [CHANNELS] * (REFINEMENT_BLOCKS - 1)
    return Stage(nn.Sequential(*map(RefinementBlock, inputs)), CHANNELS)


class RefinementBlock(nn.Module):
    """A 1x1 convolution and, added to it, two 3x3 ones of which the second looks further: one 7x7 at a lower price."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.initial = conv_act(inputs, CHANNELS, kernel=1)
        self.trunk = nn.Sequential(biased_conv_bn(dilation=1), biased_conv_bn(dilation=2))

    def forward(self, features: Tensor) -> Tensor:
        initial = self.initial(features)
        refined: Tensor = initial + self.trunk(initial)
        return refined


def biased_conv_bn(dilation: int) -> nn.Sequential:
    """3x3 convolution with a bias although a batch norm follows: published files hold one."""
    conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(CHANNELS), relu())


def adapter(inputs: int, omz: bool) -> FeatureAdapter:
    """Return the published adapter, or that of the omz variant, with biases and an extra reduction."""
    align = conv_act(inputs, CHANNELS, kernel=1, activation=elu if omz else relu)
    separable = (
        nn.Sequential(depthwise(CHANNELS), elu(), pointwise(CHANNELS, CHANNELS, bias=omz), elu()) for _ in range(3)
    )
    reduction = conv_act(CHANNELS, CHANNELS, kernel=1, activation=elu) if omz else nn.Identity()
    return FeatureAdapter(align, nn.Sequential(*separable), reduction)


def mobilenet_backbone(options: NetworkOptions) -> tuple[nn.Module, int]:
    width = SLIM_WIDTH if options.variant == 'slim' else 1.0
    return mobilenet.mobilenet(2 if options.use_stride else 1, width), mobilenet.channels_at(width)


def mobilenetv2_backbone(options: NetworkOptions) -> tuple[nn.Module, int]:
    width = options.mobilenetv2_width
    return mobilenetv2.MobileNetV2(width), mobilenetv2.last_channels(width)


def shufflenet_backbone(options: NetworkOptions) -> tuple[nn.Module, int]:
    groups = options.shufflenet_groups
    return shufflenet.ShuffleNet(groups), shufflenet.STAGE_CHANNELS[groups][-1]


def efficientnet_lite_backbone(options: NetworkOptions) -> tuple[nn.Module, int]:
    return efficientnet_lite.EfficientNetLite(options.stride), efficientnet_lite.CHANNELS


BACKBONES: dict[str, Callable[[NetworkOptions], tuple[nn.Module, int]]] = {
    'mobilenet': mobilenet_backbone,
    'mobilenetv2': mobilenetv2_backbone,
    'shufflenet': shufflenet_backbone,
    'efficientnet_lite': efficientnet_lite_backbone,
}


def build_network(options: NetworkOptions) -> LightweightOpenPoseNetwork:
    """Build a network with random values, ready for training from scratch."""
    backbone, channels = BACKBONES[options.backbone](options)
    network = LightweightOpenPoseNetwork(
        backbone, adapter(channels, options.variant == 'omz'), options.num_refinement_stages
    )
    initialise(network)
    for stage in (network.initial_stage, *network.refinement_stages):
        for head in (stage.heatmaps, stage.pafs):  # maps begin near zero, as targets nearly everywhere are
            nn.init.normal_(head[-1][0].weight, std=0.001)
    return network
