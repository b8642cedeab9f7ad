"""Feature distillation: a network also learns the inner layers of a teacher (FitNets, arXiv 1412.6550).

For each layer a 1x1 convolution, the adapter, predicts the teacher's features from the student's. Adapters are trained
with the student and serve the training alone: no published weights hold them. The teacher is run in every step on the
student's own inputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.training.module import evaluating
from pose_estimation_ros.training.task import Batch, Task

LR_FACTOR = 3.0
"""Learning rate of adapters, which start from nothing, relative to the network's."""
FLOOR = 0.05
"""Share of a layer's spread that is added to each channel's, or nearly constant channels would dominate the loss."""
PROBE = 64
"""Side in pixels of the input that shows the sizes of features."""


class FeatureDistillation(Task):
    """A task whose network also learns a teacher's features."""

    def __init__(self, task: Task, teacher: nn.Module, layers: Sequence[str], weight: float) -> None:
        """Wrap a task; raises SettingsError if a network has no such layer, or sizes differ.

        Args:
            task: What is trained.
            teacher: A network that takes the same inputs; it is run, never changed.
            layers: Paths of modules that both networks have and whose outputs are maps of the same size.
            weight: Factor on the sum of the layers' errors.

        """
        self.task, self.network, self.data = task, task.network, task.data
        self.validation, self.unit, self.parameters = task.validation, task.unit, task.parameters
        self.draw, self.plots, self.example = task.draw, task.plots, task.example  # type: ignore[method-assign]
        teacher.eval().requires_grad_(False)
        # No module of this task: it is in no optimiser and no checkpoint, and no training mode reaches it.
        self.teacher: nn.Module = teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.auxiliary: FeatureLoss = FeatureLoss(task, teacher, layers)
        self._layers, self._weight = tuple(layers), weight

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the task's losses and `features_loss`."""
        calls: dict[str, tuple[Any, Any]] = {}
        with recording(self.network, ('', *self._layers), calls.setdefault):
            losses = self.task.losses(batch)
        (inputs, *_), _ = calls['']
        if next(self.teacher.parameters()).device != inputs.device:
            self.teacher.to(inputs.device)
        own = {name: calls[name][1] for name in self._layers}
        taught = features_of(self.teacher, self._layers, inputs)
        return {**losses, 'features_loss': self._weight * self.auxiliary(own, taught)}

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return the task's groups and one of the adapters."""
        adapters = list(self.auxiliary.layers.parameters())
        own = {'params': adapters, 'lr': LR_FACTOR * lr, 'weight_decay': 0.0}
        return [*self.task.parameter_groups(lr, weight_decay), own]


class Adapter(nn.Module):
    """One layer: the adapter, and what the teacher's features are normalised by."""

    mean: Tensor
    scale: Tensor
    """(C,): zeros until measured."""

    def __init__(self, own_channels: int, channels: int) -> None:
        super().__init__()
        self.adapter = nn.Conv2d(own_channels, channels, 1)
        self.register_buffer('mean', torch.zeros(channels))
        self.register_buffer('scale', torch.zeros(channels))

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Take mean and spread from a teacher's features (N, C, h, w), those of all processes together."""
        exact = features.double()
        moments = [torch.ones_like(exact), exact, exact.square()]
        sums = torch.stack([moment.sum(dim=(0, 2, 3)) for moment in moments])  # (3, C)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(sums)
        mean, square = sums[1:] / sums[0]  # (C,) each
        spread = (square - mean.square()).clamp(min=0).sqrt()
        whole = (square.mean() - mean.mean().square()).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.scale.copy_(spread + FLOOR * whole + 1e-6)

    def forward(self, own: Tensor, features: Tensor) -> Tensor:
        """Return the mean squared error of the prediction, in normalised units."""
        wanted = (features.float() - self.mean[:, None, None]) / self.scale[:, None, None]
        predicted: Tensor = self.adapter(own)
        return (predicted.float() - wanted).square().mean()


class FeatureLoss(nn.Module):
    """The adapters of all layers, beside the task's own auxiliary modules."""

    def __init__(self, task: Task, teacher: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        own, taught = _shapes(task.network, layers, 'the student'), _shapes(teacher, layers, 'the teacher')
        for name in layers:
            if own[name][2:] != taught[name][2:]:
                raise SettingsError(
                    f'teacher.features must name modules of the same stride in both networks, got {name!r} with maps of'
                    ' {}x{} in the teacher and {}x{}'.format(*taught[name][2:], *own[name][2:])
                    + f' in the student for an input of {PROBE}x{PROBE}; name others, or a teacher.network of the same'
                    ' stride'
                )
        self._keys = {name: name.replace('.', '/') for name in layers}  # torch lets no module have a dot in its name
        self.layers = nn.ModuleDict({self._keys[name]: Adapter(own[name][1], taught[name][1]) for name in layers})
        self.task = task.auxiliary
        self._measured = False
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Tensor:
        """Return the sum of the layers' errors; the first batch, unless a checkpoint did, says the spread."""
        adapters: dict[str, Any] = {name: self.layers[key] for name, key in self._keys.items()}
        if not self._measured:
            for name, adapter in adapters.items():
                if not bool(adapter.scale.any()):
                    adapter.measure(teacher[name])
            self._measured = True
        return torch.stack([adapter(student[name], teacher[name]) for name, adapter in adapters.items()]).sum()


class _Complete(Exception):  # noqa: N818  # ends a forward pass, nothing is wrong
    pass


@torch.no_grad()
def features_of(network: nn.Module, layers: Sequence[str], inputs: Tensor) -> dict[str, Tensor]:
    """Return the outputs (N, C, h, w) of layers; what follows the last of them is not computed."""
    features: dict[str, Tensor] = {}

    def record(name: str, call: tuple[Any, Tensor]) -> None:
        features.setdefault(name, call[1])
        if len(features) == len(layers):
            raise _Complete

    with recording(network, layers, record), suppress(_Complete):
        network(inputs)
    return features


@contextmanager
def recording(
    network: nn.Module, layers: Sequence[str], record: Callable[[str, tuple[Any, Any]], object]
) -> Iterator[None]:
    """Call `record` with name, inputs and output of layers while a network runs, and leave no hooks behind.

    The layer of no name is the network.
    """

    def hook(name: str, _: nn.Module, inputs: Any, output: Any) -> None:
        record(name, (inputs, output))

    handles = [network.get_submodule(name).register_forward_hook(partial(hook, name)) for name in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shapes(network: nn.Module, layers: Sequence[str], whose: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's features for a small input; raises SettingsError if there are none."""
    modules = dict(network.named_modules())
    seen: dict[str, tuple[Any, int]] = {}

    def record(name: str, call: tuple[Any, Any]) -> None:
        seen.setdefault(name, (call[1], getattr(call[1], '_version', 0)))

    for name in layers:
        if name not in modules:
            raise _wrong(name, 'must name modules of both networks', 'does not exist', network, whose)
    with evaluating(network), torch.no_grad(), recording(network, layers, record):
        network(torch.zeros(1, 3, PROBE, PROBE))
    for name in layers:
        output, version = seen.get(name, (None, 0))
        if not isinstance(output, Tensor) or output.dim() != 4:
            expected, fault = 'must name modules whose output is maps (N, C, h, w)', 'has other outputs'
            raise _wrong(name, expected, fault, network, whose)
        if output._version != version:
            expected, fault = 'must name modules whose output is not overwritten', 'the next module overwrites'
            raise _wrong(name, expected, fault, network, whose)
    return {name: tuple(output.shape) for name, (output, _) in seen.items()}


def _wrong(name: str, expected: str, fault: str, network: nn.Module, whose: str) -> SettingsError:
    """Return an error that lists the modules at the deepest existing part of a path."""
    path, module = '', network
    for part in name.split('.'):
        children = dict(module.named_children())
        if part not in children or not dict(children[part].named_children()):
            break
        path, module = f'{path}{part}.', children[part]
    beside = ', '.join(path + child for child, _ in module.named_children())
    return SettingsError(f'teacher.features {expected}, got {name!r}, which {fault} in {whose}; there are {beside}')
