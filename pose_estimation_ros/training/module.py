"""A task as Lightning trains it."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.training.network_modes import begin_training, freeze
from pose_estimation_ros.training.optimizers import OPTIMIZERS
from pose_estimation_ros.training.schedules import SCHEDULES, MakeSchedule
from pose_estimation_ros.training.settings import OptimizerSettings, ScheduleSettings
from pose_estimation_ros.training.task import Batch, Task

NETWORK, AUXILIARY = 'network.', 'auxiliary.'
"""Prefixes of the names of tensors of a task's network and of what is trained beside it."""


class TaskModule(LightningModule):
    """Losses, optimiser and schedule; everything else is the business of callbacks."""

    def __init__(
        self, task: Task, optimizer: OptimizerSettings, schedule: ScheduleSettings | MakeSchedule, steps: int
    ) -> None:
        super().__init__()
        freeze(task.network, optimizer.frozen)
        # A tenth faster on CPUs, more on GPUs; modules without images are not touched.
        self.network: nn.Module = task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.auxiliary = task.auxiliary
        self.task = task
        self._optimizer, self._schedule, self._steps = optimizer, schedule, steps

    def on_train_start(self) -> None:
        """Set the modes of the network's modules: it may come from inference, and Lightning leaves them as they are."""
        begin_training(self.network, self._optimizer.frozen)

    def training_step(self, batch: Batch, index: int) -> dict[str, Any]:
        """Return the loss, which Lightning divides by the batches of a step, and its parts."""
        parts = self.task.losses(batch)
        loss = torch.stack(list(parts.values())).sum()
        return {'loss': loss, 'parts': {name: part.detach() for name, part in parts.items()}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise WeightsError unless the checkpoint is of this network, trained with the same auxiliary modules."""
        own, saved = _shapes(self.state_dict()), _shapes(checkpoint['state_dict'])
        differing = sorted(name for name in own.keys() | saved.keys() if own.get(name) != saved.get(name))
        odd = [name for name in differing if name.startswith(NETWORK)]
        if odd:
            raise WeightsError(
                f'the checkpoint is of another network: {len(odd)} of {len(own)} tensors do not fit, first'
                f' {odd[0].removeprefix(NETWORK)}; resume with the network that it was written by'
            )
        if differing:
            name = differing[0]
            raise WeightsError(
                f'the checkpoint was trained with other auxiliary modules ({name.removeprefix(AUXILIARY)} is'
                f' {saved.get(name, "missing")}, expected {own.get(name, "no such tensor")}); resume with the recipe'
                ' that it was started with, or start a new training from its weights (--start.checkpoint)'
            )

    def configure_optimizers(self) -> Any:
        """Return the optimiser of the task's groups, and the schedule."""
        settings = self._optimizer
        optimizer = OPTIMIZERS[settings.kind](self.task.parameter_groups(settings.lr, settings.weight_decay), settings)
        if isinstance(self._schedule, ScheduleSettings):
            scheduler, interval = SCHEDULES[self._schedule.kind](optimizer, self._schedule, self._steps)
        else:
            scheduler, interval = self._schedule(optimizer), 'epoch'
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': scheduler, 'interval': interval}}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}
