"""Which of several training processes this one is, according to torchrun."""

import os
from dataclasses import dataclass
from typing import Literal

import torch

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
