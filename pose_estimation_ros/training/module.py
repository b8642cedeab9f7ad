"""A network in training, as Lightning runs it."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.methods.method import Objective, Preprocessing
from pose_estimation_ros.training.distillation.hints import Hints, require_same_hints
from pose_estimation_ros.training.items import Batch
from pose_estimation_ros.training.modes import begin_training, freeze
from pose_estimation_ros.training.schedules import MakeSchedule, make_schedule
from pose_estimation_ros.training.settings import OptimizerSettings, ScheduleSettings

PREFIX = 'network.'
"""Of the network's tensors within the module."""


class Normalise(nn.Module):
    """From pictures (N, H, W, 3) uint8 BGR to a network's input (N, 3, H, W), in memory still channels last."""

    mean: Tensor
    scale: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self._order = (0, 1, 2) if preprocessing.channel_order == 'bgr' else (2, 1, 0)
        self.register_buffer('mean', torch.tensor(preprocessing.mean).view(3, 1, 1), persistent=False)
        self.register_buffer('scale', torch.tensor(preprocessing.scale).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        planes = images.permute(0, 3, 1, 2)[:, list(self._order)].float()  # (N, 3, H, W)
        normalised: Tensor = (planes - self.mean) * self.scale
        return normalised.contiguous(memory_format=torch.channels_last)


class PoseModule(LightningModule):
    """Forward, loss, optimiser and schedule; everything else is the business of callbacks."""

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        preprocessing: Preprocessing,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings | MakeSchedule,
        steps: int,
        hints: Hints | None = None,
    ) -> None:
        super().__init__()
        freeze(network, optimizer.frozen)
        # A tenth faster on CPUs, more on GPUs.
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = objective
        self.normalise = Normalise(preprocessing)
        self.hints = hints
        self._optimizer, self._schedule, self._steps = optimizer, schedule, steps

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Return the network's outputs for pictures (N, H, W, 3) uint8 BGR."""
        outputs: Sequence[Tensor] = self.network(self.normalise(images))
        return outputs

    def on_train_start(self) -> None:
        """Set the modes of the network's parts: it may come from inference, and Lightning leaves it as it is."""
        begin_training(self.network, self._optimizer.frozen)
        if self.hints:
            self.hints.teacher.network.to(self.device)

    def training_step(self, batch: Batch, index: int) -> dict[str, Any]:
        """Return the loss, which Lightning divides by the batches of a step, and its parts."""
        hinted: dict[str, Tensor] = {}
        if self.hints is None:
            outputs = self(batch.images)
        else:
            outputs, hinted = self.hints(self.network, self.normalise(batch.images))
        parts = {**self.objective.loss(outputs, batch.targets), **hinted}
        loss = torch.stack(list(parts.values())).sum()
        return {'loss': loss, 'parts': {name: part.detach() for name, part in parts.items()}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise WeightsError where a training of another network, or of other hints, is to be gone on with."""
        own, given = self.state_dict(), checkpoint['state_dict']
        require_same_hints(own, given)
        odd = sorted(own.keys() ^ given.keys())
        odd += [name for name in own if name in given and own[name].shape != given[name].shape]
        if odd:
            raise WeightsError(
                f'the checkpoint is of another network: {len(odd)} of {len(own)} tensors do not fit, first'
                f' {odd[0].removeprefix(PREFIX)}; go on with the network that it was written by'
            )

    def configure_optimizers(self) -> Any:
        """Return Adam with the published groups, and the schedule."""
        groups = self.objective.parameter_groups(self.network, self._optimizer.lr, self._optimizer.weight_decay)
        if self.hints:
            groups = [*groups, self.hints.parameter_group(self._optimizer.lr)]
        optimizer = torch.optim.Adam(groups, lr=self._optimizer.lr)
        if isinstance(self._schedule, ScheduleSettings):
            scheduler, interval = make_schedule(optimizer, self._schedule, self._steps)
        else:
            scheduler, interval = self._schedule(optimizer), 'epoch'
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': scheduler, 'interval': interval}}
