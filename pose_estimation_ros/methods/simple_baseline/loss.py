"""Loss of the published SimpleBaselines training."""

from torch import Tensor


def joints_mse_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return half the mean square of weighted differences of heatmaps (N, K, h, w); weights are (N, K, 1, 1).

    It is the mean over keypoints of each keypoint's half mean square over images and cells (JointsMSELoss).
    """
    difference = (output.float() - target) * weight
    return difference.square().mean() / 2
