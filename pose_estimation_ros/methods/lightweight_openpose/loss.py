"""Loss and parameter groups of the published Lightweight OpenPose training."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_HEATMAPS


def l2_loss(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return half the masked sum of squared differences, divided by the batch size."""
    # Summed in float32: a sum of half-precision squares overflows.
    difference = (output.float() - target) * mask  # (N, C, h, w)
    return difference.square().sum() / 2 / len(output)


def stage_losses(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the losses by the published names of their logs; outputs are heatmaps and fields, stage after stage."""
    heatmaps, pafs, mask, weights = targets
    heatmap_mask, paf_mask = mask * weights[:, :NUM_HEATMAPS], mask * weights[:, NUM_HEATMAPS:]
    losses = {}
    for stage in range(len(outputs) // 2):
        losses[f'stage{stage}_heatmaps_loss'] = l2_loss(outputs[2 * stage], heatmaps, heatmap_mask)
        losses[f'stage{stage}_paf_loss'] = l2_loss(outputs[2 * stage + 1], pafs, paf_mask)
    return losses


def parameter_groups(network: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return one group for each learning rate and decay that the published training uses.

    Biases learn twice as fast, the refinement stages' convolutions four times and their biases eight times; only
    the weights of convolutions over all channels decay. Grouped 1x1 convolutions and biases that the published code
    leaves out of its groups, and so never trains, are treated like their kind.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for factor, decays, parameter in _published_treatment(network):
        groups.setdefault((lr * factor, weight_decay * decays), []).append(parameter)
    return [
        {'params': parameters, 'lr': group_lr, 'weight_decay': decay}
        for (group_lr, decay), parameters in groups.items()
    ]


def _published_treatment(network: nn.Module) -> Iterator[tuple[float, bool, nn.Parameter]]:
    """Yield every trainable parameter once, with its factor on the learning rate and whether it decays."""
    for path, module in network.named_modules():
        refining = path.startswith('refinement_stages') and isinstance(module, nn.Conv2d)
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                factor = (4.0 if refining else 1.0) * (2.0 if name == 'bias' else 1.0)
                yield factor, name == 'weight' and _is_full_convolution(module), parameter


def _is_full_convolution(module: nn.Module) -> bool:
    """Whether weights decay: convolutions but for depthwise ones, which the published training spares."""
    return isinstance(module, nn.Conv2d) and module.groups < max(module.in_channels, 2)
