"""Compares the tensors of a weights file with those of a network and lists mismatches."""

from collections.abc import Mapping

from torch import Tensor

Tensors = Mapping[str, Tensor]

COUNTER = '.num_batches_tracked'
"""Files from before torch 0.4.1 lack these; nothing depends on them."""


def missing_batch_counters(wanted: Tensors, given: Tensors) -> set[str]:
    """Return the BatchNorm counters missing from a file."""
    return {name for name in wanted.keys() - given.keys() if name.endswith(COUNTER)}


def find_mismatches(wanted: Tensors, given: Tensors) -> list[str]:
    """Describe every missing, unexpected or mismatched tensor, in the network's order."""
    missing = wanted.keys() - given.keys() - missing_batch_counters(wanted, given)
    found = [f'{name} (missing)' for name in wanted if name in missing]
    found += [_difference(name, wanted[name], given[name]) for name in given if name in wanted]
    found += [f'{name} (unexpected)' for name in given if name not in wanted]
    return [mismatch for mismatch in found if mismatch]


def summary_of(mismatches: list[str], total: int, kind: str = 'tensors') -> str:
    """Return the number of mismatches and the first three."""
    return f'{len(mismatches)} of {total} {kind} do not fit: first {", ".join(mismatches[:3])}'


def _difference(name: str, wanted: Tensor, given: Tensor) -> str:
    if wanted.shape != given.shape:
        return f'{name} (expected {tuple(wanted.shape)}, got {tuple(given.shape)})'
    if wanted.is_floating_point() != given.is_floating_point():
        return f'{name} (expected {wanted.dtype}, got {given.dtype})'
    return ''
