"""Options and results of preparing a dataset, and the free space it needs."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pose_estimation_ros.core.errors import OutputError
from pose_estimation_ros.fetching.tree import Tree

FreeSpace = Callable[[Path], int]
"""Returns the free bytes on the disk of a folder."""


def free_bytes(folder: Path) -> int:
    """Return the free bytes on the disk of a folder, which need not exist."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def require_space(folder: Path, needed: int, free: FreeSpace) -> None:
    """Raise OutputError if fewer than `needed` bytes are free."""
    there = free(folder)
    if there < needed:
        raise OutputError(
            f'{folder} needs {readable_size(needed)}, but only {readable_size(there)} are free; '
            'free some space, or choose a folder on another disk with --output'
        )


def readable_size(size: float) -> str:
    """Return a number of bytes with a unit."""
    for unit in ('bytes', 'KiB', 'MiB', 'GiB'):
        if size < 1024 or unit == 'GiB':
            break
        size /= 1024
    return f'{size:.0f} {unit}' if unit == 'bytes' else f'{size:.1f} {unit}'


THERE = 'there already'
MADE = 'made now'


@dataclass(frozen=True)
class PreparationOptions:
    """Options of all preparations."""

    progress: bool = True
    """Show progress bars and notes on stderr."""
    dry_run: bool = False
    """Report what would be done, and do nothing."""
    free: FreeSpace = free_bytes


@dataclass(frozen=True)
class PreparedPart:
    """One part of a dataset: its folder, size and state."""

    name: str
    path: Path
    files: int
    bytes: int
    state: str


@dataclass(frozen=True)
class PreparationResult:
    """The parts, and notes for the user (in a dry run: what would be done)."""

    parts: tuple[PreparedPart, ...]
    notes: tuple[str, ...] = ()


def result_of(trees: Iterable[Tree], ready_before: set[str], notes: Iterable[str] = ()) -> PreparationResult:
    """Return the result for trees; `ready_before` are the names of those that existed before."""
    return PreparationResult(tuple(_rows(trees, ready_before)), tuple(notes))


def _rows(trees: Iterable[Tree], ready_before: set[str]) -> Iterator[PreparedPart]:
    for tree in trees:
        content = tree.content(tree.folder)
        state = THERE if tree.name in ready_before else MADE
        yield PreparedPart(tree.name, tree.folder, content.files, content.bytes, state)
