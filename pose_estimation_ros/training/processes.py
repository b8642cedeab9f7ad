"""Several training processes: which one this is, according to torchrun, and batch norm over the batches of all."""

import os
from dataclasses import dataclass
from typing import Literal

import torch
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from pose_estimation_ros.core.errors import SettingsError


@dataclass(frozen=True)
class Processes:
    """A training is one process, or as many as `torchrun --nproc_per_node` starts."""

    accelerator: Literal['cpu', 'cuda']
    rank: int = 0
    world: int = 1
    local_world: int = 1
    """Those on this machine."""

    @classmethod
    def here(cls, device: str) -> 'Processes':
        """Return the one that this process is; `device` is 'auto', 'cpu' or 'cuda'."""
        accelerator: Literal['cpu', 'cuda'] = 'cuda' if device == 'cuda' else 'cpu'
        if device == 'auto' and torch.cuda.is_available():
            accelerator = 'cuda'
        if 'TORCHELASTIC_RUN_ID' not in os.environ:
            return cls(accelerator)
        rank, world, local = (int(os.environ[name]) for name in ('RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE'))
        if accelerator == 'cuda' and local > torch.cuda.device_count():
            raise SettingsError(
                f'torchrun started {local} processes for {torch.cuda.device_count()} GPUs; start one for each, or set'
                ' trainer.device=cpu'
            )
        return cls(accelerator, rank, world, local)


class SyncedBatchNorm(nn.BatchNorm2d):
    """Normalises by mean and variance of all processes' batches, which must be of one size.

    torch's SyncBatchNorm does the same on GPUs, faster.
    """

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return super().forward(features)
        mean = _mean_across(features.mean(dim=(0, 2, 3)))  # (C,)
        centred = features - mean[:, None, None]
        variance = _mean_across(centred.square().mean(dim=(0, 2, 3)))
        count = features.numel() // features.shape[1] * torch.distributed.get_world_size()
        self._update_statistics(mean.detach(), variance.detach(), count)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        unbiased = variance * count / (count - 1)
        for average, value in ((self.running_mean, mean), (self.running_var, unbiased)):
            average.lerp_(value, self.momentum)  # type: ignore[union-attr, arg-type]
        self.num_batches_tracked += 1  # type: ignore[operator, assignment]


class CpuBatchNormSync(LayerSync):
    """Replaces torch's batch norms by these, and back; their tensors stay the same."""

    def apply(self, model: nn.Module) -> nn.Module:
        return _replaced(model, nn.BatchNorm2d, SyncedBatchNorm)

    def revert(self, model: nn.Module) -> nn.Module:
        return _replaced(model, SyncedBatchNorm, nn.BatchNorm2d)


def _mean_across(values: Tensor) -> Tensor:
    """Return the mean over processes; gradients pass through it."""
    total: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return total / torch.distributed.get_world_size()


def _replaced(model: nn.Module, old: type[nn.BatchNorm2d], new: type[nn.BatchNorm2d]) -> nn.Module:
    for parent in model.modules():
        for name, norm in parent.named_children():
            if type(norm) is old:
                other = new(norm.num_features, norm.eps, norm.momentum).train(norm.training)
                other.weight, other.bias = norm.weight, norm.bias  # the same parameters: the optimiser holds them
                other.running_mean, other.running_var = norm.running_mean, norm.running_var
                other.num_batches_tracked = norm.num_batches_tracked
                setattr(parent, name, other)
    return model
