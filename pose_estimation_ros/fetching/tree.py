"""A folder of a dataset that is there as a whole or not at all, and how that is known."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pose_estimation_ros.core.errors import DatasetError, OutputError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.fetching.archives import Archive, ArchiveError, Item, unpack, writing

WORK = '.preparing'
"""Folder for what is not finished."""
MARKERS = '.prepared'
"""Folder for notes on what was finished."""


@dataclass(frozen=True)
class Content:
    """How many files a folder holds, and how many bytes they have together."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Tree:
    """One folder of a dataset.

    It is unpacked under WORK, noted under MARKERS, and only then moved to its place. So what is in its place is whole,
    unless somebody has changed it since, which the note tells.
    """

    root: Path
    name: str
    places: tuple[str, ...]
    """Where it may lie, relative to the root; the first is where it is put."""
    files: int
    """How many are expected."""
    suffix: str
    names: tuple[str, ...] = ()
    """Where not empty, only files of these names count."""

    @property
    def place(self) -> Path:
        paths = [self.root / place for place in self.places]
        return next((path for path in paths if path.is_dir()), paths[0])

    @property
    def work(self) -> Path:
        return self.root / WORK / self.name

    @property
    def marker(self) -> Path:
        return self.root / MARKERS / f'{self.name}.json'

    def content(self, folder: Path) -> Content:
        """Count the files in a folder and below that belong to this tree."""
        sizes = [entry.stat().st_size for entry in _files_below(folder) if self._counts(entry.name)]
        return Content(len(sizes), sum(sizes))

    def is_ready(self) -> bool:
        """Whether the tree is there as it was made, or made by somebody else, complete.

        Raises:
            DatasetError: There is something else in its place.

        """
        if not self.place.is_dir() or not any(self.place.iterdir()):
            return False
        found, made = self.content(self.place), self._made()
        expected = made.files if made else self.files
        if found.files > expected or (not made and found.files < expected):
            raise DatasetError(
                f'{self.place} holds {found.files} {self.suffix} files, expected {expected}; '
                'move it away, or choose another folder with --output'
            )
        return made is None or found == made

    def missing_bytes(self, total: int) -> int:
        """Return what unpacking would add to the disk, given what the tree has in the end."""
        there = [folder for folder in (self.place, self.work) if folder.is_dir()]
        return max(0, total - sum(self.content(folder).bytes for folder in there))

    def make(self, archive: Archive, items: Sequence[Item], check: Callable[[Path], None], progress: bool) -> None:
        """Unpack, check and put in place; files of an earlier try that are right are kept.

        Raises:
            ArchiveError: A member is damaged.
            DatasetError: The folder of unfinished work holds what does not belong there, or as `check` raises.
            OutputError: A file cannot be written.

        """
        if self.place.is_dir() and any(self.place.iterdir()):  # damaged since: mended where nobody takes it for whole
            make_folder(self.work.parent)
            with writing(self.work):
                shutil.rmtree(self.work, ignore_errors=True)
                self.place.replace(self.work)
        unpack(archive, items, make_folder(self.work), label=self.name, progress=progress)
        found = self.content(self.work)
        if found != Content(len(items), sum(item.member.file_size for item in items)):
            raise DatasetError(f'{self.work} holds files that are not of {archive.path}; remove it and run again')
        check(self.work)
        self._finish(found)

    def _finish(self, found: Content) -> None:
        write_json(self.marker, asdict(found))
        place = self.root / self.places[0]
        make_folder(place.parent)
        with writing(place):
            os.sync()  # or a power cut could leave empty files under their final names
            self.work.replace(place)

    def link(self) -> str | None:
        """Make the tree reachable at all of its places; return a note where that is not possible."""
        for path in (self.root / place for place in self.places):
            if path.exists() or path.is_symlink():
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(os.path.relpath(self.place, path.parent))
            except OSError as error:
                return f'cannot make the link {path}: {error.strerror}; use {self.place}'
        return None

    def _counts(self, name: str) -> bool:
        return name in self.names if self.names else name.endswith(self.suffix)

    def _made(self) -> Content | None:
        """Return what was put in place; None where nothing was noted."""
        try:
            noted = json.loads(self.marker.read_text())
            return Content(int(noted['files']), int(noted['bytes']))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def expect_count(archive: Path, what: str, found: int, expected: int) -> None:
    """Raise ArchiveError where an archive does not hold what it should."""
    if found != expected:
        raise ArchiveError(f'{archive} has {found} {what}, expected {expected}; it is not the published archive')


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other processes from preparing the same folder; raises OutputError where one is at it."""
    path = make_folder(root / MARKERS) / 'lock'
    with writing(path):
        file = path.open('w')
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f'another process is preparing {root}; wait until it has ended') from error
        except OSError:  # some network file systems have no locks
            pass
        yield


def tidy(root: Path) -> None:
    """Remove the folder of unfinished work if nothing is left in it."""
    with contextlib.suppress(OSError):
        (root / WORK).rmdir()


def _files_below(folder: Path) -> Iterator['os.DirEntry[str]']:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files_below(Path(entry.path))
            elif entry.is_file():
                yield entry
