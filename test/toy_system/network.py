"""The toy network: two convolutions to a quarter of the input's size, and a heatmap for each keypoint."""

from torch import Tensor, nn

from toy_system.options import ToyOptions


class ToyNetwork(nn.Module):
    def __init__(self, keypoints: int, options: ToyOptions) -> None:
        super().__init__()
        channels = options.toy_channels
        self.body = nn.Sequential(
            nn.Conv2d(3, channels, 5, 2, 2), nn.ReLU(), nn.Conv2d(channels, channels, 5, 2, 2), nn.ReLU()
        )
        self.head = nn.Conv2d(channels, keypoints, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.head(self.body(images))]
