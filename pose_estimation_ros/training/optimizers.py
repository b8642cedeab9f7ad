"""Optimisers by name."""

from collections.abc import Callable
from typing import Any

from torch.optim import SGD, Adam, AdamW, Optimizer

from pose_estimation_ros.training.settings import OptimizerSettings

OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], OptimizerSettings], Optimizer]] = {
    'adam': lambda groups, settings: Adam(groups, lr=settings.lr),
    'adamw': lambda groups, settings: AdamW(groups, lr=settings.lr),
    'sgd': lambda groups, settings: SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov),
}
"""By `optimizer.kind`; learning rate and weight decay are those of the groups."""
