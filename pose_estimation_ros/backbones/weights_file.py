"""Reads third-party weights files (any input yields tensors or a WeightsError); compares them with a network's."""

import contextlib
import logging
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pose_estimation_ros.core.errors import WeightsError

StateDict = dict[str, Tensor]
Tensors = Mapping[str, Tensor]

COUNTER = '.num_batches_tracked'
"""Files from before torch 0.4.1 lack these; nothing depends on them."""

PREFIXES = ('module.', '_orig_mod.', 'net.')
"""Prefixes that DataParallel, torch.compile and training wrappers add to every name."""

CONTAINERS = (('module', 'model'), ('ema_net',), ('net',))
"""Keys to the tensors in training files that have no `state_dict`; averaged weights come before the last ones."""

MAX_UNPACKED_BYTES = 4 << 30
MAX_UNPACKED_RATIO = 1000
FETCH_AGAIN = 'copy or download it again'
_FOREIGN_STARTS = {
    b'<': 'a web page or XML, probably in place of a download that needs a log-in',
    b'version https://git-lfs': 'a Git LFS pointer, not the file it points to',
    b'\x89HDF': 'an HDF5 file',
}

_PLAIN_TYPES = frozenset(
    (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    + (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool)
)

_log = logging.getLogger(__name__)


def read_state_dict(path: str | Path, trust: bool = False) -> StateDict:
    """Return a checkpoint's tensors by name, from wherever training files hold them, without known prefixes.

    `trust` lets the file create any Python object, which can run arbitrary code. Raises WeightsError.
    """
    path = Path(path)
    _check_file(path)
    if trust:
        _log.warning('%s is trusted and may run arbitrary code while it is read', path)
    try:
        with _random_states_allowed():
            content = torch.load(path, map_location='cpu', weights_only=not trust)
    except Exception as error:  # unpickling foreign bytes may raise anything
        raise WeightsError(_why_unreadable(path, error)) from error
    tensors = _without_prefixes(_named_tensors(content, path))
    _check_values(tensors, path)
    return tensors


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise WeightsError(f'{path} is a folder, expected a weights file; name the .pth file inside it')
        if not path.is_file():
            raise WeightsError(f'{path} does not exist, expected a weights file; check the path or download it first')
        with path.open('rb') as file:
            start = file.read(512).lstrip()
    except OSError as error:
        raise WeightsError(f'cannot read {path}: {error.strerror}; check its permissions') from error
    if not start:
        raise WeightsError(f'{path} is empty, expected a weights file; {FETCH_AGAIN}')
    for mark, kind in _FOREIGN_STARTS.items():
        if start.startswith(mark):
            raise WeightsError(f'{path} is {kind}, expected a file of torch.save; get it from its publisher again')
    if start.startswith(b'PK'):
        _check_archive(path)


def _check_archive(path: Path) -> None:
    """Check the size and checksums of a zip archive, since torch checks neither."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed, unpacked = path.stat().st_size, sum(record.file_size for record in archive.infolist())
            if unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_UNPACKED_RATIO * packed:
                raise WeightsError(
                    f'{path} would unpack from {packed} to {unpacked} bytes, expected at most {MAX_UNPACKED_BYTES} and'
                    f' {MAX_UNPACKED_RATIO} times its size; do not use this file'
                )
            damaged = archive.testzip()
    except WeightsError:
        raise
    except Exception as error:  # a broken archive may raise anything
        raise WeightsError(f'{path} is cut off or damaged ({path.stat().st_size} bytes); {FETCH_AGAIN}') from error
    if damaged is not None:
        raise WeightsError(f'{path} is damaged: {damaged} does not match its checksum; {FETCH_AGAIN}')


def _random_states_allowed() -> contextlib.AbstractContextManager[Any]:
    """Let torch.load build NumPy's arrays of whole numbers, which training files hold as random states.

    They run no code. torch before 2.5 cannot be told so and refuses such files.
    """
    reconstruct: Any = np.zeros(1).__reduce__()[0]
    names = [f'numpy.{core}.multiarray._reconstruct' for core in ('core', '_core')]  # before and since NumPy 2
    allowed = [*((reconstruct, name) for name in names), np.ndarray, np.dtype, type(np.dtype(np.uint32))]
    allowing = getattr(torch.serialization, 'safe_globals', None)
    return allowing(allowed) if allowing else contextlib.nullcontext()


def _why_unreadable(path: Path, error: Exception) -> str:
    """Return why torch.load failed (other Python objects, damage, another format), judged by its message."""
    unsafe = re.search(r"GLOBAL (\S+)|but got <class '(\S+)'>", str(error))
    if unsafe:
        return (
            f'{path} holds the Python object {unsafe[1] or unsafe[2]}, expected tensors only; if you trust where the'
            ' file comes from, read it with trust=True (--trust-weights), which lets it run arbitrary code'
        )
    if isinstance(error, ImportError | AttributeError):
        return f'{path} needs Python code that is not installed here ({error}); ask for its state_dict alone'
    if 'EOF' in str(error) or isinstance(error, EOFError):
        return f'{path} is cut off ({path.stat().st_size} bytes); {FETCH_AGAIN}'
    return f'{path} is damaged or not a file of torch.save, expected a .pth checkpoint; {FETCH_AGAIN}'


def _named_tensors(content: Any, path: Path) -> StateDict:
    if isinstance(content, nn.Module):
        content = content.state_dict()
    content = _unwrapped(content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(
            f"{path} holds {_described(content)}, expected tensors by name; save a network's state_dict()"
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f'{path} holds {_described(value)} under {name!r}, expected tensors by name; save a state_dict() alone'
            )
    return {name: value.detach() for name, value in content.items()}


def _unwrapped(content: Any) -> Any:
    """Return what a training file holds its tensors in."""
    if isinstance(content, Mapping) and 'state_dict' in content:
        return content['state_dict']
    for keys in CONTAINERS:
        inner = content
        for key in keys:
            inner = inner.get(key) if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping):
            return inner
    return content


def _described(value: object) -> str:
    if isinstance(value, Mapping):
        return 'a dictionary' if value else 'an empty dictionary'
    return f'a {type(value).__name__}'


def _without_prefixes(tensors: StateDict) -> StateDict:
    """Remove known prefixes that every name has, repeatedly."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefixes({name.removeprefix(prefix): value for name, value in tensors.items()})
    return tensors


def _check_values(tensors: StateDict, path: Path) -> None:
    odd = [name for name, tensor in tensors.items() if not _is_stored_whole(tensor)]
    if odd:
        raise WeightsError(f'{path} holds {odd[0]} in another form than a plain tensor; save a dense state_dict()')
    broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise WeightsError(
            f'{path} holds NaN or infinite values in {len(broken)} of {len(tensors)} tensors, first {broken[0]},'
            ' expected finite weights; use a checkpoint from before training diverged'
        )


def _is_stored_whole(tensor: Tensor) -> bool:
    """Whether the file stores every element: not sparse, quantised, on the meta device, or expanded."""
    if tensor.layout is not torch.strided or tensor.dtype not in _PLAIN_TYPES or tensor.device.type != 'cpu':
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


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


def load_tensors(
    network: nn.Module, wanted: Tensors, given: Tensors, source: str, cure: Callable[[], str], kind: str = 'tensors'
) -> int:
    """Load all of `given` into a network and return how many of `wanted` there are without missing batch counters.

    Raises WeightsError, which ends in the cure, and changes nothing, unless they are the same tensors.
    """
    mismatches = find_mismatches(wanted, given)
    if mismatches:
        every = len(wanted.keys() | given.keys())
        raise WeightsError(f'{source}: {summary_of(mismatches, every, kind)}; {cure()}')
    network.load_state_dict({**network.state_dict(), **given})
    return len(wanted) - len(missing_batch_counters(wanted, given))


def summary_of(mismatches: list[str], total: int, kind: str = 'tensors') -> str:
    """Return the number of mismatches and the first three."""
    return f'{len(mismatches)} of {total} {kind} do not fit: first {", ".join(mismatches[:3])}'


def _difference(name: str, wanted: Tensor, given: Tensor) -> str:
    if wanted.shape != given.shape:
        return f'{name} (expected {tuple(wanted.shape)}, got {tuple(given.shape)})'
    if wanted.is_floating_point() != given.is_floating_point():
        return f'{name} (expected {wanted.dtype}, got {given.dtype})'
    return ''
