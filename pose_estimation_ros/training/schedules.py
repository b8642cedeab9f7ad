"""Learning-rate schedules by name."""

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR

from pose_estimation_ros.training.settings import ScheduleSettings

MakeSchedule = Callable[[Optimizer], Any]
"""A user's own schedule: takes the optimizer, returns a torch scheduler that is stepped after each epoch."""


def multistep(optimizer: Optimizer, settings: ScheduleSettings, steps: int) -> tuple[LRScheduler, str]:
    """Return the published schedule.

    The published code steps when an epoch begins, by the rules of a torch for which the first step counted as epoch 0.
    Stepping when an epoch ends does the same today: epoch 100, counted from 0, is the first with a lower rate.
    """
    return MultiStepLR(optimizer, list(settings.milestones), settings.gamma), 'epoch'


def constant(optimizer: Optimizer, settings: ScheduleSettings, steps: int) -> tuple[LRScheduler, str]:
    """Return a linear warm-up to the full rate."""
    return LambdaLR(optimizer, lambda step: _warmup(settings.warmup_steps, step)), 'step'


def cosine(optimizer: Optimizer, settings: ScheduleSettings, steps: int) -> tuple[LRScheduler, str]:
    """Return a linear warm-up and half a cosine that ends at the last step."""
    warmup, final = settings.warmup_steps, settings.final_factor

    def factor(step: int) -> float:
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        fall = final + (1 - final) * (1 + math.cos(math.pi * done)) / 2
        return _warmup(warmup, step) if step < warmup else fall

    return LambdaLR(optimizer, factor), 'step'


SCHEDULES: dict[str, Callable[[Optimizer, ScheduleSettings, int], tuple[LRScheduler, str]]] = {
    'multistep': multistep,
    'cosine': cosine,
    'constant': constant,
}
"""By `schedule.kind`: from the optimizer, the settings and the training's number of optimiser steps to a scheduler, and
whether it is stepped each 'epoch' or each 'step'."""


def _warmup(steps: int, step: int) -> float:
    return min(1.0, (step + 1) / steps) if steps else 1.0
