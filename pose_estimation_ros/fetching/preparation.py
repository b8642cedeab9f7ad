"""Options and results of preparing a dataset, and the free space it needs."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pose_estimation_ros.core.errors import OutputError
from pose_estimation_ros.fetching.tree import Tree

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
            f'{folder} needs {in_words(needed)}, but only {in_words(there)} are free; '
            'free some space, or choose a folder on another disk with --output'
        )


def in_words(size: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ('bytes', 'KiB', 'MiB', 'GiB'):
        if size < 1024 or unit == 'GiB':
            break
        size /= 1024
    return f'{size:.0f} {unit}' if unit == 'bytes' else f'{size:.1f} {unit}'


THERE = 'there already'
MADE = 'made now'


@dataclass(frozen=True)
class Manner:
    """How to go about it."""

    progress: bool = True
    """Show progress bars and notes on stderr."""
    dry_run: bool = False
    """Report what would be done, and do nothing."""
    free: FreeSpace = free_bytes


@dataclass(frozen=True)
class Prepared:
    """One part of a dataset: where it is, how much of it, and how it came there."""

    name: str
    path: Path
    files: int
    bytes: int
    state: str


@dataclass(frozen=True)
class Outcome:
    """The parts, and notes for the user (in a dry run: what would be done)."""

    parts: tuple[Prepared, ...]
    notes: tuple[str, ...] = ()


def outcome_of(trees: Iterable[Tree], ready_before: set[str], notes: Iterable[str] = ()) -> Outcome:
    """Count what is there in the end; `ready_before` are the names of trees that were there at the beginning."""
    return Outcome(tuple(_rows(trees, ready_before)), tuple(notes))


def _rows(trees: Iterable[Tree], ready_before: set[str]) -> Iterator[Prepared]:
    for tree in trees:
        content = tree.content(tree.place)
        state = THERE if tree.name in ready_before else MADE
        yield Prepared(tree.name, tree.place, content.files, content.bytes, state)
