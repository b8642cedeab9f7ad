"""Learning-rate schedules."""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR

from pose_estimation_ros.training.settings import ScheduleSettings

MakeSchedule = Callable[[Optimizer], Any]
"""A user's own: takes the optimizer, returns a torch scheduler that is stepped after each epoch."""


def make_schedule(optimizer: Optimizer, settings: ScheduleSettings, steps: int) -> tuple[LRScheduler, str]:
    """Return a schedule for a training of so many steps, and whether it goes by 'epoch' or by 'step'."""
    if settings.kind == 'multistep':
        # The published code steps when an epoch begins, by the rules of a torch for which the first step counted as
        # epoch 0. Stepping when an epoch ends does the same today: epoch 100, counted from 0, is the first lower one.
        return MultiStepLR(optimizer, list(settings.milestones), settings.gamma), 'epoch'
    return LambdaLR(optimizer, lambda step: _factor(step, settings, steps)), 'step'


def _factor(step: int, settings: ScheduleSettings, steps: int) -> float:
    """Return the factor on the learning rate of a step, counted from 0."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.kind == 'constant':
        return 1.0
    done = min(1.0, (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps))
    return settings.final_factor + (1 - settings.final_factor) * (1 + math.cos(math.pi * done)) / 2
