"""A task as Lightning trains it, and the modes of a network's modules."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.training.optimizers import OPTIMIZERS, SCHEDULES, MakeSchedule
from pose_estimation_ros.training.settings import OptimizerSettings, ScheduleSettings
from pose_estimation_ros.training.task import Batch, Task

LOG = logging.getLogger(__name__)

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


def freeze(network: nn.Module, frozen: Sequence[str]) -> None:
    """Exclude modules from training; raises SettingsError for one that the network lacks."""
    for name in frozen:
        try:
            network.get_submodule(name).requires_grad_(False)
        except AttributeError:
            known = ', '.join(path for path, _ in network.named_modules() if path and path.count('.') < 2)
            raise SettingsError(
                f'optimizer.frozen must name modules of the network, got {name!r}; there are {known}'
            ) from None


def begin_training(network: nn.Module, frozen: Sequence[str] = ()) -> None:
    """Put a network into training mode, except frozen modules and batch norms folded into the preceding convolutions.

    Folded ones hold no statistics: normalising by those of a batch would change the network's outputs. They stay in
    evaluation mode, where they only add a bias.
    """
    network.train()
    for name in frozen:
        network.get_submodule(name).eval()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    folded = [norm for norm in norms if _is_folded(norm)]
    for norm in folded:
        norm.eval()
    if folded:
        LOG.info('%d of %d batch norms were folded into convolutions and stay so', len(folded), len(norms))


def _is_folded(norm: _BatchNorm) -> bool:
    """Whether a norm has learnt biases, but no statistics; a new one has neither."""
    if norm.running_mean is None or norm.running_var is None:
        return False
    unseen = bool((norm.running_mean == 0).all()) and bool((norm.running_var == 1).all())
    return unseen and norm.bias is not None and bool((norm.bias != 0).any())


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while, then each module back into its mode."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
