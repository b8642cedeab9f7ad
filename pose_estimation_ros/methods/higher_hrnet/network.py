"""The network of HigherHRNet (Cheng et al., 2019) with the tensor names of its published checkpoints."""

import torch
from torch import Tensor, nn

from pose_estimation_ros.backbones.blocks import relu
from pose_estimation_ros.backbones.hrnet import STEM_CHANNELS, HRNet, initialise_pose_network
from pose_estimation_ros.backbones.resnet import BasicBlock
from pose_estimation_ros.methods.higher_hrnet.options import HigherHRNetOptions

REFINING_BLOCKS = 4


class HigherHRNet(HRNet):
    """An HRNet trunk, heatmaps and tags from its finest branch, and heatmaps at twice their resolution."""

    output_names = ('heatmaps_tags', 'fine_heatmaps')

    def __init__(self, keypoints: int = 17, width: int = 32, stem_width: int = STEM_CHANNELS) -> None:
        super().__init__(width, stem_width, last_rows=1)
        self.final_layers = nn.ModuleList([nn.Conv2d(width, 2 * keypoints, 1), nn.Conv2d(width, keypoints, 1)])
        self.deconv_layers = nn.ModuleList([_enlarging(width + 2 * keypoints, width)])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return heatmaps, then tags (N, 2J, H/4, W/4), and heatmaps (N, J, H/2, W/2) of images (N, 3, H, W)."""
        (features,) = self.branches(image)  # (N, C, H/4, W/4)
        coarse = self.final_layers[0](features)
        enlarged = self.deconv_layers[0](torch.cat((features, coarse), dim=1))  # (N, C, H/2, W/2)
        return [coarse, self.final_layers[1](enlarged)]


def _enlarging(inputs: int, channels: int) -> nn.Sequential:
    """Return a transposed 4x4 convolution that doubles the sides, and residual blocks."""
    deconvolution = nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1, bias=False)
    blocks = (nn.Sequential(BasicBlock(channels, channels, 1)) for _ in range(REFINING_BLOCKS))
    return nn.Sequential(nn.Sequential(deconvolution, nn.BatchNorm2d(channels), relu()), *blocks)


def build_network(keypoints: int, options: HigherHRNetOptions) -> HigherHRNet:
    """Build a network with the published random values, ready for training."""
    network = HigherHRNet(keypoints, options.width, options.stem_width)
    initialise_pose_network(network)
    return network


def higher_hrnet_w32(keypoints: int = 17) -> HigherHRNet:
    return build_network(keypoints, HigherHRNetOptions(32))


def higher_hrnet_w48(keypoints: int = 17) -> HigherHRNet:
    return build_network(keypoints, HigherHRNetOptions(48))
