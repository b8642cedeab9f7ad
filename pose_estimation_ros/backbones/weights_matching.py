"""Whether the tensors of a file are those of a network, and saying which are not."""

from collections.abc import Mapping

from torch import Tensor

Tensors = Mapping[str, Tensor]

COUNTER = '.num_batches_tracked'
"""Files from before torch 0.4.1 lack these; nothing depends on them."""


def missing_counters(wanted: Tensors, given: Tensors) -> set[str]:
    """Return the batch counters that a file lacks."""
    return {name for name in wanted.keys() - given.keys() if name.endswith(COUNTER)}


def misfits(wanted: Tensors, given: Tensors) -> list[str]:
    """Say of every tensor that does not fit in what way, in the network's order."""
    missing = wanted.keys() - given.keys() - missing_counters(wanted, given)
    found = [f'{name} (missing)' for name in wanted if name in missing]
    found += [_difference(name, wanted[name], given[name]) for name in given if name in wanted]
    found += [f'{name} (unexpected)' for name in given if name not in wanted]
    return [misfit for misfit in found if misfit]


def listed(misfits: list[str], total: int, kind: str = 'tensors') -> str:
    """Return how many tensors do not fit, and the first of them."""
    return f'{len(misfits)} of {total} {kind} do not fit: first {", ".join(misfits[:3])}'


def _difference(name: str, wanted: Tensor, given: Tensor) -> str:
    if wanted.shape != given.shape:
        return f'{name} (expected {tuple(wanted.shape)}, got {tuple(given.shape)})'
    if wanted.is_floating_point() != given.is_floating_point():
        return f'{name} (expected {wanted.dtype}, got {given.dtype})'
    return ''
