"""An exponential moving average of the weights, which is steadier than the weights themselves.

Lightning's EMAWeightAveraging is not used: it replaces the average by the weights at its first update, where this one
begins with the weights that training starts from and a small decay; it swaps weights into the module during Lightning's
own validation loop, which this engine has not; and it averages the auxiliary modules too.
"""

import copy
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn

from pose_estimation_ros.training.callbacks.steps import StepCallback
from pose_estimation_ros.training.task import Batch


class MovingAverage(StepCallback):
    """Averages a network step by step.

    The decay grows with the steps, (1 + n) / (10 + n), up to its value; otherwise the average would long remember the
    random weights of the start.
    """

    state_key = 'moving_average'

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self._updates = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.network.to(pl_module.device)

    def on_step(self, trainer: Trainer, module: Any, batch: Batch) -> None:
        self.update(module.network)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's values; integers are copied."""
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
