"""Which parts of a network learn from a batch's statistics, and when."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pose_estimation_ros.core.errors import SettingsError

LOG = logging.getLogger(__name__)


def freeze(network: nn.Module, frozen: Sequence[str]) -> None:
    """Keep modules from learning; raises SettingsError for one that the network lacks."""
    for name in frozen:
        try:
            network.get_submodule(name).requires_grad_(False)
        except AttributeError:
            known = ', '.join(path for path, _ in network.named_modules() if path and path.count('.') < 2)
            raise SettingsError(
                f'optimizer.frozen must name modules of the network, got {name!r}; there are {known}'
            ) from None


def begin_training(network: nn.Module, frozen: Sequence[str] = ()) -> None:
    """Put a network into training mode, but for frozen modules and batch norms folded into the convolutions before.

    Folded ones hold no statistics, so that to normalise by a batch's would make another network of it; they stay what
    they are, an added bias.
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
    """Whether a norm has biases that were learnt, but no statistics; a new one has neither."""
    if norm.running_mean is None or norm.running_var is None:
        return False
    unseen = bool((norm.running_mean == 0).all()) and bool((norm.running_var == 1).all())
    return unseen and norm.bias is not None and bool((norm.bias != 0).any())


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while, then each of its parts back into the mode that it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
