"""Optimisers: one step against torch's own and in closed form."""

from typing import get_type_hints

import pytest
import torch
from torch import nn

from pose_estimation_ros.training.module import TaskModule
from pose_estimation_ros.training.optimizers import OPTIMIZERS
from pose_estimation_ros.training.settings import OptimizerSettings, ScheduleSettings
from pose_estimation_ros.training.task import Task


class Line(Task):
    """A network of one layer, the bias of which learns twice as fast and does not decay."""

    def __init__(self):
        torch.manual_seed(0)
        self.network = nn.Linear(4, 2)

    def losses(self, batch):
        return {'loss': (self.network(batch) - 1).square().mean()}

    def parameter_groups(self, lr, weight_decay):
        weight, bias = self.network.parameters()
        return [
            {'params': [weight], 'lr': lr, 'weight_decay': weight_decay},
            {'params': [bias], 'lr': 2 * lr, 'weight_decay': 0.0},
        ]


def stepped(optimizer, task, steps=3):
    """Return the parameters after a few steps."""
    inputs = torch.linspace(-1, 1, 12).view(3, 4)
    for _ in range(steps):
        optimizer.zero_grad()
        task.losses(inputs)['loss'].backward()
        optimizer.step()
    return torch.cat([each.detach().flatten() for each in task.network.parameters()])


@pytest.mark.parametrize(
    ('settings', 'own'),
    [
        (OptimizerSettings(lr=0.1, weight_decay=0.02), torch.optim.Adam),
        (OptimizerSettings('adamw', lr=0.1, weight_decay=0.02), torch.optim.AdamW),
        (OptimizerSettings('sgd', lr=0.1, weight_decay=0.02), torch.optim.SGD),
        (
            OptimizerSettings('sgd', lr=0.1, weight_decay=0.02, momentum=0.9, nesterov=True),
            lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True),
        ),
    ],
    ids=['adam', 'adamw', 'sgd', 'nesterov'],
)
def test_steps_are_those_of_torch(settings, own):
    task, other = Line(), Line()
    module = TaskModule(task, settings, ScheduleSettings(), 10)
    ours = stepped(module.configure_optimizers()['optimizer'], task)
    assert torch.equal(ours, stepped(own(other.parameter_groups(0.1, 0.02)), other))


def test_one_step_of_sgd_in_closed_form():
    """A parameter moves by the rate times gradient and decay; nesterov's first step is 1.9 times as long."""
    inputs = torch.linspace(-1, 1, 12).view(3, 4)
    for momentum, factor in ((0.0, 1.0), (0.9, 1.9)):
        task = Line()
        settings = OptimizerSettings('sgd', lr=0.1, weight_decay=0.02, momentum=momentum, nesterov=momentum > 0)
        weight, bias = (each.detach().clone() for each in task.network.parameters())
        error = 2 * (inputs @ weight.T + bias - 1) / 6
        stepped(OPTIMIZERS['sgd'](task.parameter_groups(0.1, 0.02), settings), task, steps=1)
        expected = weight - factor * 0.1 * (error.T @ inputs + 0.02 * weight)
        torch.testing.assert_close(task.network.weight.detach(), expected)
        torch.testing.assert_close(task.network.bias.detach(), bias - factor * 0.2 * error.sum(dim=0))


def test_the_first_steps_of_adam_and_adamw_in_closed_form():
    """Adam moves by the rate, by the sign of the gradient; AdamW first shrinks what decays."""
    for kind, shrunk in (('adam', 1.0), ('adamw', 1 - 0.1 * 0.02)):
        task = Line()
        weight = task.network.weight.detach().clone()
        optimizer = OPTIMIZERS[kind](task.parameter_groups(0.1, 0.02), OptimizerSettings(kind, lr=0.1))
        stepped(optimizer, task, steps=1)
        gradient = task.network.weight.grad + (0.02 * weight if kind == 'adam' else 0)
        torch.testing.assert_close(task.network.weight.detach(), weight * shrunk - 0.1 * gradient.sign())


def test_every_kind_that_settings_allow_has_its_function():
    assert get_type_hints(OptimizerSettings)['kind'].__args__ == tuple(OPTIMIZERS)
