"""Zip archives: checked before anything is written, and unpacked so that an interrupted run can continue."""

import contextlib
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from pose_estimation_ros.core.errors import DatasetError, OutputError
from pose_estimation_ros.core.plurals import counted

CHUNK = 1 << 20
ENCRYPTED = 1
"""Bit of a member's flags."""
MOST_TEXT_BYTES = 1 << 26
FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError)
"""Raised by zipfile for archives that are damaged, encrypted or compressed in an unsupported way."""


class ArchiveError(DatasetError):
    """An archive is damaged or not the expected one."""


@dataclass(frozen=True)
class Item:
    """A member of an archive and the path to unpack it to, relative to a folder."""

    member: zipfile.ZipInfo
    path: str


class Archive:
    """A zip archive with a checked table of contents: no paths outside the folder, no links, no password."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self.members = [member for member in file.infolist() if not member.is_dir()]
        for member in self.members:
            _refuse_unsafe(path, member)

    def items(self, pattern: str, path_of: Callable[[re.Match[str]], str]) -> list[Item]:
        """Return the members whose whole name matches a regular expression, with the path that `path_of` returns.

        Raises ArchiveError if two members have the same path.
        """
        matches = [(member, re.fullmatch(pattern, member.filename)) for member in self.members]
        items = [Item(member, path_of(match)) for member, match in matches if match]
        paths = {item.path for item in items}
        if len(paths) < len(items):
            twice = counted(len(items) - len(paths), 'file')
            raise ArchiveError(f'{self.path} contains {twice} twice; get another copy of it')
        return items

    def text(self, name: str) -> str:
        """Return a small member as text; raises ArchiveError if it is absent, large or damaged."""
        member = next((member for member in self.members if member.filename == name), None)
        if member is None:
            raise ArchiveError(f'{self.path} has no {name}; it is not the published archive')
        if member.file_size > MOST_TEXT_BYTES:
            raise ArchiveError(f'{name} in {self.path} has {member.file_size} bytes, too many for what it should be')
        with _as_archive_errors(self.path, name):
            return b''.join(self.chunks(member)).decode()

    def chunks(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield the content of a member, at most the declared size; checks the checksum."""
        with _as_archive_errors(self.path, member.filename), self._file.open(member) as file:
            while chunk := file.read(CHUNK):
                yield chunk


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive and check its table of contents.

    Raises ArchiveError if it is not a zip archive, damaged or encrypted, or has unsafe members, and DatasetError if it
    is missing or cannot be read.
    """
    with _as_archive_errors(path, 'its table of contents'):
        file = zipfile.ZipFile(path)
    with file:
        yield Archive(path, file)


def unpack(archive: Archive, items: Sequence[Item], folder: Path, *, label: str, progress: bool) -> None:
    """Unpack members to a folder with a progress bar; valid files of an interrupted run are kept.

    Raises ArchiveError if a member is damaged, and OutputError if a file cannot be written.
    """
    total = sum(item.member.file_size for item in items)
    units = {'unit': 'B', 'unit_scale': True, 'unit_divisor': 1024}
    with tqdm(desc=f'unpacking {label}', total=total, disable=not progress, file=sys.stderr, **units) as bar:
        for item in items:
            target = folder / item.path
            with output_errors(target):
                if _is_whole(target, item.member):
                    bar.update(item.member.file_size)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open('wb') as file:
                    for chunk in archive.chunks(item.member):
                        file.write(chunk)
                        bar.update(len(chunk))


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Raise errors of writing as OutputError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f'cannot write {path}: {reason}; finished files are kept, run again to continue') from error


def _is_whole(path: Path, member: zipfile.ZipInfo) -> bool:
    """Whether a file has the size and checksum of a member."""
    if not path.exists() or path.stat().st_size != member.file_size:
        return False
    checksum = 0
    with path.open('rb') as file:
        while chunk := file.read(CHUNK):
            checksum = zlib.crc32(chunk, checksum)
    return checksum == member.CRC


def _refuse_unsafe(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    outside = name.startswith('/') or '..' in PurePosixPath(name).parts
    if outside or '\\' in name or '\0' in name or re.match('[A-Za-z]:', name):
        raise ArchiveError(f'{path} would write outside its folder, to {name!r}; do not use this archive')
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise ArchiveError(f'{name!r} in {path} is a link or a device, expected a file; do not use this archive')
    if member.flag_bits & ENCRYPTED:
        raise ArchiveError(f'{path} is encrypted, expected an archive without password; get another copy of it')


@contextlib.contextmanager
def _as_archive_errors(path: Path, what: str) -> Iterator[None]:
    """Raise errors of zipfile as ArchiveError, and errors of reading as DatasetError."""
    try:
        yield
    except FAULTS as error:
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise ArchiveError(f'{path} is damaged at {what}: {reason}; get another copy of it') from error
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror or error}') from error
