"""What a preparation is asked for, and what it says at its end."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pose_estimation_ros.fetching.space import FreeSpace, free_bytes
from pose_estimation_ros.fetching.tree import Tree

THERE = 'there already'
MADE = 'made now'


@dataclass(frozen=True)
class Manner:
    """How to go about it."""

    progress: bool = True
    """Show bars and notes on stderr."""
    dry_run: bool = False
    """Only say what would be done."""
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
