"""The network of Simple Baselines (Xiao et al., 2018) with the tensor names of its published checkpoints."""

from torch import Tensor, nn

from pose_estimation_ros.backbones.blocks import initialise, relu
from pose_estimation_ros.backbones.resnet import DEPTHS, ResNet
from pose_estimation_ros.methods.simple_baseline.options import PoseResNetOptions

DECONV_CHANNELS = 256
DECONVS = 3
HEAD_STD = 0.001
"""Of the weights that the upper part starts from, as published: maps near zero."""


class PoseResNet(ResNet):
    """A ResNet, three deconvolutions that enlarge its last maps eightfold, and a heatmap for each keypoint."""

    output_names = ('heatmaps',)

    def __init__(self, keypoints: int, depth: int = 50, caffe_style: bool = False) -> None:
        super().__init__(depth, caffe_style)
        self.deconv_layers = deconvolutions(DEPTHS[depth].channels)
        self.final_layer = nn.Conv2d(DECONV_CHANNELS, keypoints, 1)

    def forward(self, crop: Tensor) -> list[Tensor]:
        """Return heatmaps (N, J, H/4, W/4) of persons' crops (N, 3, H, W)."""
        maps = self.deconv_layers(self.features(crop))  # (N, 256, H/4, W/4)
        return [self.final_layer(maps)]


def deconvolutions(inputs: int) -> nn.Sequential:
    """Three times a transposed 4x4 convolution that doubles the sides, a batch norm and a ReLU."""
    layers: list[nn.Module] = []
    for _ in range(DECONVS):
        deconvolution = nn.ConvTranspose2d(inputs, DECONV_CHANNELS, 4, stride=2, padding=1, bias=False)
        layers += [deconvolution, nn.BatchNorm2d(DECONV_CHANNELS), relu()]
        inputs = DECONV_CHANNELS
    return nn.Sequential(*layers)


def build_network(keypoints: int, options: PoseResNetOptions) -> PoseResNet:
    """Build a network with random values, ready for training."""
    network = PoseResNet(keypoints, options.depth, options.caffe_style)
    initialise(network)
    for module in (*network.deconv_layers, network.final_layer):
        if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            nn.init.normal_(module.weight, std=HEAD_STD)
    return network
