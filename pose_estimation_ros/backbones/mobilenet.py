"""MobileNet v1 without its last blocks, thinned for dense prediction as in the Lightweight OpenPose paper."""

from torch import nn

from pose_estimation_ros.backbones.blocks import conv_bn_act, depthwise_separable

CHANNELS = 512


def mobilenet(first_stride: int = 1) -> nn.Sequential:
    """(N, 3, H, W) to (N, 512, H/8, W/8), or /16 with a `first_stride` of 2 in the first separable block.

    The stride that MobileNet has before its seventh block is a dilation here: the maps stay large.
    """
    return nn.Sequential(
        conv_bn_act(3, 32, stride=2),
        depthwise_separable(32, 64, stride=first_stride),
        depthwise_separable(64, 128, stride=2),
        depthwise_separable(128, 128),
        depthwise_separable(128, 256, stride=2),
        depthwise_separable(256, 256),
        depthwise_separable(256, 512),
        depthwise_separable(512, 512, dilation=2),
        *(depthwise_separable(512, CHANNELS) for _ in range(4)),
    )
