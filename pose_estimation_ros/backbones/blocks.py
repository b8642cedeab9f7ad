"""Convolution blocks and their initial values.

Blocks are `nn.Sequential`, so the numbers of their parts are part of every published tensor name.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

Activation = Callable[[], nn.Module]
relu: Activation = partial(nn.ReLU, inplace=True)
relu6: Activation = partial(nn.ReLU6, inplace=True)
elu: Activation = partial(nn.ELU, inplace=True)


def conv_act(inputs: int, outputs: int, kernel: int = 3, activation: Activation = relu) -> nn.Sequential:
    """`0` convolution with bias, `1` activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), activation())


def conv_bn_act(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, activation: Activation = relu
) -> nn.Sequential:
    """`0` convolution without bias, `1` batch norm, `2` activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        activation(),
    )


def depthwise(channels: int, stride: int = 1, dilation: int = 1, kernel: int = 3) -> nn.Conv2d:
    """Convolution of each channel by itself, without bias."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)


def pointwise(inputs: int, outputs: int, bias: bool = False) -> nn.Conv2d:
    """1x1 convolution."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias)


def depthwise_separable(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """`0` depthwise, `1` batch norm, `3` pointwise, `4` batch norm, a ReLU after each norm."""
    return nn.Sequential(
        depthwise(inputs, stride, dilation),
        nn.BatchNorm2d(inputs),
        relu(),
        pointwise(inputs, outputs),
        nn.BatchNorm2d(outputs),
        relu(),
    )


def initialise(network: nn.Module) -> None:
    """Fill a network for training from scratch: He's normal rule for convolutions, zero biases, plain batch norms.

    Fan-in, not fan-out: torch counts a depthwise convolution's fan-out as if it were dense.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_in', nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
