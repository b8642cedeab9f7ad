"""Training and evaluation modes of a network's modules, and modules that are not trained."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pose_estimation_ros.core.errors import SettingsError

LOG = logging.getLogger(__name__)


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
