"""Optimisers and learning-rate schedules by name."""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR

from pose_estimation_ros.training.settings import OptimizerSettings, ScheduleSettings

OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], OptimizerSettings], Optimizer]] = {
    'adam': lambda groups, settings: Adam(groups, lr=settings.lr),
    'adamw': lambda groups, settings: AdamW(groups, lr=settings.lr),
    'sgd': lambda groups, settings: SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov),
}
"""By `optimizer.kind`; learning rate and weight decay are those of the groups."""

MakeSchedule = Callable[[Optimizer], Any]
"""A user's own schedule: takes the optimizer, returns a torch scheduler that is stepped after each epoch."""


def multistep(optimizer: Optimizer, settings: ScheduleSettings, steps: int) -> tuple[LRScheduler, str]:
    """Return a schedule by epochs.

    The published code steps when an epoch begins, by the rules of a torch for which the first step counted as epoch 0.
    Stepping when an epoch ends does the same today: epoch 100, counted from 0, is the first with a lower rate.
    """
    return MultiStepLR(optimizer, list(settings.milestones), settings.gamma), 'epoch'


def warmed_up(optimizer: Optimizer, settings: ScheduleSettings, steps: int) -> tuple[LRScheduler, str]:
    """Return a linear warm-up to the full rate, and half a cosine after it that ends at the last step if asked for."""
    warmup, final = settings.warmup_steps, settings.final_factor if settings.kind == 'cosine' else 1.0

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    return LambdaLR(optimizer, factor), 'step'


SCHEDULES: dict[str, Callable[[Optimizer, ScheduleSettings, int], tuple[LRScheduler, str]]] = {
    'multistep': multistep,
    'cosine': warmed_up,
    'constant': warmed_up,
}
"""By `schedule.kind`: from the optimizer, the settings and the training's number of optimiser steps to a scheduler, and
whether it is stepped each 'epoch' or each 'step'."""
