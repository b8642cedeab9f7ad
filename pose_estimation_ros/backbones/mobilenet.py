"""MobileNet v1 without its last blocks, thinned for dense prediction as in Osokin (arXiv 1811.12004)."""

from torch import nn

from pose_estimation_ros.backbones.blocks import conv_bn_act, depthwise_separable

STEM_CHANNELS = 32
CHANNELS = 512


def channels_at(width: float) -> int:
    """Channels of the output of a backbone whose every layer is `width` times as wide as the published one."""
    return round(CHANNELS * width)


def mobilenet(first_stride: int = 1, width: float = 1.0) -> nn.Sequential:
    """(N, 3, H, W) to (N, 512 * width, H/8, W/8), or /16 with a `first_stride` of 2 in the first separable block.

    The stride that MobileNet has before its seventh block is a dilation here: the maps stay large.
    """
    stem, c64, c128, c256, last = (round(channels * width) for channels in (STEM_CHANNELS, 64, 128, 256, CHANNELS))
    return nn.Sequential(
        conv_bn_act(3, stem, stride=2),
        depthwise_separable(stem, c64, stride=first_stride),
        depthwise_separable(c64, c128, stride=2),
        depthwise_separable(c128, c128),
        depthwise_separable(c128, c256, stride=2),
        depthwise_separable(c256, c256),
        depthwise_separable(c256, last),
        depthwise_separable(last, last, dilation=2),
        *(depthwise_separable(last, last) for _ in range(4)),
    )
