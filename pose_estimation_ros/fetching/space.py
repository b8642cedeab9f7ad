"""Room on a disk, asked for before it is needed."""

import shutil
from collections.abc import Callable
from pathlib import Path

from pose_estimation_ros.core.errors import OutputError

FreeSpace = Callable[[Path], int]
"""Returns the free bytes where a folder is or will be."""


def free_bytes(folder: Path) -> int:
    """Return how many bytes fit where a folder is or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def require_space(folder: Path, needed: int, free: FreeSpace) -> None:
    """Raise OutputError where fewer than `needed` bytes are free."""
    there = free(folder)
    if there < needed:
        raise OutputError(
            f'{folder} needs {in_words(needed)}, but {in_words(there)} are free; '
            'make room, or choose a folder on another disk with --output'
        )


def in_words(size: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ('bytes', 'KiB', 'MiB', 'GiB'):
        if size < 1024 or unit == 'GiB':
            break
        size /= 1024
    return f'{size:.0f} {unit}' if unit == 'bytes' else f'{size:.1f} {unit}'
