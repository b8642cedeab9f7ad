"""The published loss of HigherHRNet: masked heatmaps at both sizes, and associative embedding of the tags.

Associative embedding (Newell et al., 2017) pulls the tags of a person's keypoints together and pushes the means of
different people apart.
"""

from collections.abc import Sequence

from torch import Tensor

PUSH_HALF = 0.5
"""Factor of the published push term."""


def heatmap_losses(output: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Return the mean squared difference of heatmaps (N, K, h, w) for each image, masked cells counting as right.

    Masks are (N, 1, h, w), weights of keypoints (N, K, 1, 1).
    """
    difference = (output.float() - target) * (mask * weights)
    return difference.square().mean(dim=(1, 2, 3))


def tag_losses(tags: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return push and pull losses (N,) of tag maps (N, K, h, w); cells (N, P, K, 2) are those of `encode_cells`."""
    index, valid = cells[..., 0], cells[..., 1].float()  # (N, P, K)
    own = tags.float().flatten(1).gather(1, index.flatten(1)).view_as(valid)
    keypoints = valid.sum(dim=2)  # (N, P)
    mean = (own * valid).sum(dim=2) / keypoints.clamp(min=1)
    spread = ((own - mean[..., None]).square() * valid).sum(dim=2) / keypoints.clamp(min=1)
    present = (keypoints > 0).float()
    people = present.sum(dim=1)  # (N,)
    pull = spread.sum(dim=1) / people.clamp(min=1)
    pairs = present[:, :, None] * present[:, None]  # (N, P, P)
    near = ((mean[:, :, None] - mean[:, None]).square().neg().exp() * pairs).sum(dim=(1, 2)) - people
    push = PUSH_HALF * near / (people * (people - 1)).clamp(min=1)
    return push, pull


def published_losses(
    outputs: Sequence[Tensor], targets: Sequence[Tensor], push: float, pull: float
) -> dict[str, Tensor]:
    """Return the parts of the loss by the names of pytorch-human-pose's logs, means over the batch.

    Targets are those of the objective; outputs are heatmaps and tags (N, 2K, h, w), and heatmaps (N, K, 2h, 2w).
    """
    coarse, fine, coarse_mask, fine_mask, weights, cells = targets
    keypoints = coarse.shape[1]
    push_losses, pull_losses = tag_losses(outputs[0][:, keypoints:], cells)
    return {
        'hm_0_loss': heatmap_losses(outputs[0][:, :keypoints], coarse, coarse_mask, weights).mean(),
        'hm_1_loss': heatmap_losses(outputs[1], fine, fine_mask, weights).mean(),
        'push_0_loss': push * push_losses.mean(),
        'pull_0_loss': pull * pull_losses.mean(),
    }
