"""Loss and parameter groups of the published SimpleBaselines training."""

from typing import Any

from torch import Tensor, nn


def joints_mse_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return half the mean square of weighted differences of heatmaps (N, K, h, w); weights are (N, K, 1, 1).

    It is the mean over keypoints of each keypoint's half mean square over images and cells (JointsMSELoss).
    """
    difference = (output.float() - target) * weight
    return difference.square().mean() / 2


def parameter_groups(network: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return the one published group."""
    parameters = [each for each in network.parameters() if each.requires_grad]
    return [{'params': parameters, 'lr': lr, 'weight_decay': weight_decay}]
