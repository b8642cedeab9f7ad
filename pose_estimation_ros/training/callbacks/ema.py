"""A moving average of the weights, which is steadier than the weights themselves."""

import copy
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from pose_estimation_ros.training.steps import Steps


class MovingAverage(Callback):
    """Follows a network step by step.

    The decay grows with the steps, (1 + n) / (10 + n), up to its value: else the average would long remember the
    random weights of the start.
    """

    state_key = 'moving_average'

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self._updates = 0
        self._steps = Steps()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.network.to(pl_module.device)
        self._steps.begin(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self._steps.made_one(trainer):
            self.update(pl_module.network)  # type: ignore[arg-type]

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's values; counters are taken as they are."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        current = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], 1 - decay)
            else:
                average.copy_(current[name])

    def state_dict(self) -> dict[str, Any]:
        return {'weights': self.network.state_dict(), 'updates': self._updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.network.load_state_dict(state_dict['weights'])
        self._updates = state_dict['updates']
