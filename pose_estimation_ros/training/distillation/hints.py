"""Learning what a teacher's layers say, besides its maps (FitNets, arXiv 1412.6550; here in one go with the rest).

A 1x1 convolution for each layer, an adapter, guesses the teacher's features from the student's. Adapters are trained
with the student and belong to the training alone: no published weights hold them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.training.modes import evaluating

HINTS = 'hints.'
"""Before the names of adapters' tensors within the module that is trained."""
LR_FACTOR = 3.0
"""Of adapters, which start from nothing, against the network."""
FLOOR = 0.05
"""Share of a layer's spread that is added to each channel's: a channel that is nearly still must not be all that
counts."""
PROBE = 64
"""Pixels a side of the picture that shows what sizes features have."""


class Teacher:
    """A network that is asked and never changed.

    No module, so that its tensors are nobody's parameters, in no checkpoint, and no training mode reaches them.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        network.eval().requires_grad_(False)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._layers = tuple(layers)

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return the features of each layer, (N, C, h, w); what lies behind the last of them is not calculated."""
        features: dict[str, Tensor] = {}

        def note(name: str, output: Tensor) -> None:
            features.setdefault(name, output)
            if len(features) == len(self._layers):
                raise _Enough

        with watching(self.network, self._layers, note), suppress(_Enough):
            self.network(inputs)
        return features


class Hint(nn.Module):
    """One layer: the adapter, and what the teacher's features are normalised by."""

    mean: Tensor
    scale: Tensor
    """(C,): zeros until it was measured."""

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
        spread = _root(square - mean.square())
        whole = _root(square.mean() - mean.mean().square())
        self.mean.copy_(mean)
        self.scale.copy_(spread + FLOOR * whole + 1e-6)

    def forward(self, own: Tensor, features: Tensor) -> Tensor:
        """Return the mean squared error of the guess, in normalised units."""
        wanted = (features.float() - self.mean[:, None, None]) / self.scale[:, None, None]
        guess: Tensor = self.adapter(own)
        return (guess.float() - wanted).square().mean()


class Hints(nn.Module):
    """A teacher's layers that a student learns besides its targets."""

    def __init__(self, student: nn.Module, teacher: nn.Module, layers: Sequence[str], weight: float) -> None:
        """Make the adapters.

        Args:
            student: The network that will be trained.
            teacher: A network that is taken over: from now on it is only asked.
            layers: Paths of modules that both networks have and whose outputs are maps of the same size.
            weight: What the layers' errors are multiplied by.

        Raises:
            SettingsError: A network has no such layer, or sizes differ.

        """
        super().__init__()
        own, taught = _shapes(student, layers, 'the network that learns'), _shapes(teacher, layers, 'the teacher')
        for name in layers:
            _require_same_size(name, own[name], taught[name])
        self.teacher = Teacher(teacher, layers)
        self.layers = nn.ModuleDict({_key(name): Hint(own[name][1], taught[name][1]) for name in layers})
        self._names, self._weight, self._measured = tuple(layers), weight, False
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, student: nn.Module, inputs: Tensor) -> tuple[Any, dict[str, Tensor]]:
        """Return a student's outputs for its inputs (N, 3, H, W), and the part that its features add to the loss."""
        taught = self.teacher(inputs)
        own: dict[str, Tensor] = {}
        with watching(student, self._names, own.setdefault):
            outputs = student(inputs)
        if not self._measured:
            self._measure(taught)
        errors = [self.layers[_key(name)](own[name], taught[name]) for name in self._names]
        return outputs, {'features_loss': self._weight * torch.stack(errors).sum()}

    def parameter_group(self, lr: float) -> dict[str, Any]:
        """Return the adapters as a group for a torch optimizer whose network learns at `lr`."""
        return {'params': list(self.parameters()), 'lr': LR_FACTOR * lr, 'weight_decay': 0.0}

    def _measure(self, taught: Mapping[str, Tensor]) -> None:
        """Measure layers by the first batch, unless a checkpoint said what it was."""
        for name in self._names:
            hint: Any = self.layers[_key(name)]
            if not bool(hint.scale.any()):
                hint.measure(taught[name])
        self._measured = True


class _Enough(Exception):  # noqa: N818  # ends a forward pass, nothing is wrong
    pass


@contextmanager
def watching(network: nn.Module, layers: Sequence[str], note: Callable[[str, Any], object]) -> Iterator[None]:
    """Hand on what layers give while a network runs.

    Hooks are there for one run alone: copies of the network and whoever gets it after the training have none.
    """

    def hook(name: str, _: nn.Module, __: Any, output: Any) -> None:
        note(name, output)

    handles = [network.get_submodule(name).register_forward_hook(partial(hook, name)) for name in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def require_same_hints(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Raise WeightsError unless tensors of a checkpoint have the hints of the training that goes on from it."""
    ours, theirs = _hinted(own), _hinted(given)
    if ours.keys() != theirs.keys():
        raise WeightsError(
            f"the checkpoint's training learns {_told(theirs)}, this one {_told(ours)}; go on with the teacher.network"
            ' and teacher.features that it was begun with, or start a new training from its weights'
            ' (--start.checkpoint)'
        )
    other = [name for name, channels in ours.items() if theirs[name] != channels]
    if other:
        name = other[0]
        raise WeightsError(
            f"at {name} the checkpoint's teacher has {theirs[name][0]} channels and its network {theirs[name][1]}, got"
            f' {ours[name][0]} and {ours[name][1]}; go on with the teacher.network that it was begun with'
        )


def _hinted(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the layers that tensors of a module in training have adapters for, and the shapes of these."""
    start, end = f'{HINTS}layers.', '.adapter.weight'
    return {
        name.removeprefix(start).removesuffix(end).replace('/', '.'): tuple(value.shape)
        for name, value in tensors.items()
        if name.startswith(start) and name.endswith(end)
    }


def _told(layers: Mapping[str, Any]) -> str:
    return f"a teacher's features at {', '.join(layers)}" if layers else "no teacher's features"


def _key(layer: str) -> str:
    """Return a layer's path as torch lets a module be called."""
    return layer.replace('.', '/')


def _root(variance: Tensor) -> Tensor:
    return variance.clamp(min=0).sqrt()


def _shapes(network: nn.Module, layers: Sequence[str], whose: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's features for a small picture; raises SettingsError where there are none."""
    seen: dict[str, tuple[Any, int]] = {}

    def note(name: str, output: Any) -> None:
        seen.setdefault(name, (output, getattr(output, '_version', 0)))

    for name in layers:
        _require_module(network, name, whose)
    with evaluating(network), torch.no_grad(), watching(network, layers, note):
        network(torch.zeros(1, 3, PROBE, PROBE))
    for name in layers:
        output, version = seen.get(name, (None, 0))
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise SettingsError(
                f'teacher.features must name modules that give maps (N, C, h, w), got {name!r}, which gives none in'
                f' {whose}; {_near(network, name)}'
            )
        if output._version != version:
            raise SettingsError(
                f'teacher.features must name modules whose maps stay as they are, got {name!r}, which the module'
                f' after it overwrites in {whose}; name that one, or the block around both'
            )
    return {name: tuple(seen[name][0].shape) for name in layers}


def _require_module(network: nn.Module, name: str, whose: str) -> None:
    try:
        network.get_submodule(name)
    except AttributeError:
        raise SettingsError(
            f'teacher.features must name modules of both networks, got {name!r}, which {whose} lacks;'
            f' {_near(network, name)}'
        ) from None


def _near(network: nn.Module, name: str) -> str:
    """Return a sentence on the modules beside the one that was asked for, as far as its path goes."""
    path, module = '', network
    for part in name.split('.'):
        children = dict(module.named_children())
        if part not in children or not dict(children[part].named_children()):
            break
        path, module = f'{path}{part}.', children[part]
    return f'there are {", ".join(path + child for child, _ in module.named_children())}'


def _require_same_size(name: str, own: tuple[int, ...], taught: tuple[int, ...]) -> None:
    if own[2:] != taught[2:]:
        sizes = [f'{height}x{width}' for height, width in (taught[2:], own[2:])]
        raise SettingsError(
            f'teacher.features must name modules of the same stride in both networks, got {name!r} with maps of'
            f' {sizes[0]} in the teacher and {sizes[1]} in the network that learns, for a picture of {PROBE}x{PROBE};'
            ' name others, or a teacher.network of the same stride'
        )
