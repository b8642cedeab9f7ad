"""Learning rates in closed form."""

import math
from typing import get_type_hints

import pytest
import torch
from torch import nn

from pose_estimation_ros.training.optimizers import SCHEDULES
from pose_estimation_ros.training.settings import ScheduleSettings


def rates(settings, steps):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    scheduler, interval = SCHEDULES[settings.kind](optimizer, settings, steps)
    assert interval == ('epoch' if settings.kind == 'multistep' else 'step')
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return found


def test_schedules_in_closed_form():
    assert rates(ScheduleSettings(milestones=(2, 3), gamma=0.5), 5) == pytest.approx([1, 1, 0.5, 0.25, 0.25])
    assert rates(ScheduleSettings('constant', warmup_steps=4), 6) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])
    half = [0.1 + 0.9 * (1 + math.cos(math.pi * done / 4)) / 2 for done in range(4)]
    cosine = ScheduleSettings('cosine', warmup_steps=2, final_factor=0.1)
    assert rates(cosine, 6) == pytest.approx([0.5, 1, *half])


def test_every_kind_that_settings_allow_has_its_function():
    assert get_type_hints(ScheduleSettings)['kind'].__args__ == tuple(SCHEDULES)
