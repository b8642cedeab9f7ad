"""Preparing a dataset: folders that are complete or absent, the markers that prove it, free space, and results."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pose_estimation_ros.core.errors import DatasetError, OutputError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.fetching.archives import Archive, ArchiveError, Item, output_errors, unpack

WORK = '.preparing'
"""Folder of unfinished work."""
MARKERS = '.prepared'
"""Folder of markers of finished work."""


@dataclass(frozen=True)
class Content:
    """Number and total bytes of the files in a folder."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Tree:
    """One folder of a dataset.

    It is unpacked under WORK, described under MARKERS, and only then moved to its final path. A folder there is
    therefore complete unless it was changed later, which the marker detects.
    """

    root: Path
    name: str
    paths: tuple[str, ...]
    """Possible paths relative to the root; new folders get the first."""
    files: int
    """Expected number."""
    suffix: str
    names: tuple[str, ...] = ()
    """If not empty, only files with these names are counted."""

    @property
    def folder(self) -> Path:
        paths = [self.root / path for path in self.paths]
        return next((path for path in paths if path.is_dir()), paths[0])

    @property
    def work(self) -> Path:
        return self.root / WORK / self.name

    @property
    def marker(self) -> Path:
        return self.root / MARKERS / f'{self.name}.json'

    def content(self, folder: Path) -> Content:
        """Count the files of this tree in a folder and below."""
        sizes = [entry.stat().st_size for entry in _files_below(folder) if self._counts(entry.name)]
        return Content(len(sizes), sum(sizes))

    def is_ready(self) -> bool:
        """Whether the tree is unchanged since it was made, or complete if it was made by other means.

        Raises DatasetError if the folder has other contents.
        """
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            return False
        found, made = self.content(self.folder), self._made()
        expected = made.files if made else self.files
        if found.files > expected or (not made and found.files < expected):
            raise DatasetError(
                f'{self.folder} holds {found.files} {self.suffix} files, expected {expected}; '
                'move it away, or choose another folder with --output'
            )
        return made is None or found == made

    def missing_bytes(self, total: int) -> int:
        """Return the bytes that unpacking adds to the disk, given the final total."""
        return max(0, total - sum(self.content(each).bytes for each in (self.folder, self.work) if each.is_dir()))

    def make(self, archive: Archive, items: Sequence[Item], check: Callable[[Path], None], progress: bool) -> None:
        """Unpack, check and move to the final path; valid files of an earlier attempt are kept.

        Raises ArchiveError if a member is damaged, DatasetError if the folder of unfinished work has other files or as
        `check` does, and OutputError if a file cannot be written.
        """
        if self.folder.is_dir() and any(self.folder.iterdir()):  # damaged later: repaired among unfinished work
            make_folder(self.work.parent)
            with output_errors(self.work):
                shutil.rmtree(self.work, ignore_errors=True)
                self.folder.replace(self.work)
        unpack(archive, items, make_folder(self.work), label=self.name, progress=progress)
        found = self.content(self.work)
        if found != Content(len(items), sum(item.member.file_size for item in items)):
            raise DatasetError(f'{self.work} holds files that are not of {archive.path}; remove it and run again')
        check(self.work)
        write_json(self.marker, asdict(found))
        final = self.root / self.paths[0]
        make_folder(final.parent)
        with output_errors(final):
            os.sync()  # or a power cut could leave empty files under their final names
            self.work.replace(final)

    def link(self) -> str | None:
        """Link the tree to all of its paths; return a note if that fails."""
        for path in (self.root / each for each in self.paths):
            if path.exists() or path.is_symlink():
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(os.path.relpath(self.folder, path.parent))
            except OSError as error:
                return f'cannot make the link {path}: {error.strerror}; use {self.folder}'
        return None

    def _counts(self, name: str) -> bool:
        return name in self.names if self.names else name.endswith(self.suffix)

    def _made(self) -> Content | None:
        """Return the content of the marker; None without a valid one."""
        try:
            noted = json.loads(self.marker.read_text())
            return Content(int(noted['files']), int(noted['bytes']))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _files_below(folder: Path) -> Iterator['os.DirEntry[str]']:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files_below(Path(entry.path))
            elif entry.is_file():
                yield entry


def expect_count(archive: Path, what: str, found: int, expected: int) -> None:
    """Raise ArchiveError if an archive does not have the expected number of something."""
    if found != expected:
        raise ArchiveError(f'{archive} has {found} {what}, expected {expected}; it is not the published archive')


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Lock the folder against other processes; raises OutputError if it is locked."""
    path = make_folder(root / MARKERS) / 'lock'
    with output_errors(path):
        file = path.open('w')
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f'another process is preparing {root}; wait until it has ended') from error
        except OSError:  # some network file systems have no locks
            pass
        yield


def remove_empty_work(root: Path) -> None:
    """Remove the folder of unfinished work if it is empty."""
    with contextlib.suppress(OSError):
        (root / WORK).rmdir()


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
    parts = []
    for tree in trees:
        content, state = tree.content(tree.folder), THERE if tree.name in ready_before else MADE
        parts.append(PreparedPart(tree.name, tree.folder, content.files, content.bytes, state))
    return PreparationResult(tuple(parts), tuple(notes))
