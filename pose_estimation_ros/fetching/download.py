"""Downloads that resume, are checked, and never leave a partial file under the final name."""

import contextlib
import hashlib
import http.client
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from pose_estimation_ros.core.errors import DownloadError, OutputError
from pose_estimation_ros.core.files import made_folder
from pose_estimation_ros.fetching.transport import NETWORK_ERRORS, OPENERS, Stream, Version, describe

RETRIES = 2
PAUSE_S = 1.0
CHUNK = 1 << 18
WEB_PAGE_SUFFIXES = ('.html', '.htm')


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server, its local name relative to a folder, and its published hash if there is one.

    The beginning of a hash is enough: torch's file names have the first eight digits.
    """

    path_on_server: str
    name: str
    sha256: str | None = None


def fetch_all(
    base_url: str, files: list[RemoteFile], folder: Path, *, verbose: bool = True, timeout: float = 30
) -> list[Path]:
    """Fetch files of one server into a folder; return their paths in the order given. Raises as `fetch` does.

    With `verbose` it shows progress and prints the paths.
    """
    base = base_url.rstrip('/')
    paths = []
    for file in files:
        url = f'{base}/{file.path_on_server.lstrip("/")}'
        paths.append(fetch(url, folder / file.name, sha256=file.sha256, progress=verbose, timeout=timeout))
    if verbose:
        print('\n'.join(map(str, paths)))
    return paths


def fetch(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: bool = True,
    timeout: float = 30,
) -> Path:
    """Download an http(s), ftp or file URL and return `target`; a valid existing target is kept.

    Data are written to `<target>.part`, which the next call continues after an interruption if the file on the server
    is unchanged. Without a hash, and a size from server or caller, a truncated file cannot be detected. A connection
    without any data for `timeout` seconds counts as lost.

    Raises DownloadError if the file cannot be fetched or has another hash or size, and OutputError if it cannot be
    written.
    """
    job = _Job(url, target, sha256.lower() if sha256 else None, size, progress, timeout)
    if job.is_done():
        return target
    with made_folder(target.parent):
        job.run()
    return target


class _DroppedError(Exception):
    """The connection ended too early; the message has the amount received."""


@dataclass
class _Job:
    """The download of one file, over one or more connections."""

    url: str
    target: Path
    sha256: str | None
    size: int | None
    progress: bool
    timeout: float
    version: Version = field(init=False, default=Version())
    may_resume: bool = field(init=False, default=False)

    @property
    def part(self) -> Path:
        return self.target.with_name(f'{self.target.name}.part')

    @property
    def name(self) -> str:
        """The address without a password."""
        return re.sub('//[^/@]*@', '//', self.url)

    def say(self, note: str) -> None:
        if self.progress:
            tqdm.write(note, file=sys.stderr)

    def is_done(self) -> bool:
        """Whether the target exists and has the expected hash or size."""
        with _writing(self.target):
            if self.target.is_dir():
                raise IsADirectoryError(0, 'it is a folder')
            if not self.target.exists():
                return False
            size = self.target.stat().st_size
            right = _sha256(self.target).startswith(self.sha256) if self.sha256 else self.size in (None, size)
        self.say(f'{self.target} already exists' + ('' if right else ', but is a different file; downloading it again'))
        return right

    def run(self) -> None:
        """Download, and retry after lost connections."""
        with _writing(self.part):  # `_store` keeps the server's time stamp in the part's modification time, 0: unknown
            modified = int(self.part.stat().st_mtime) if self.part.exists() else 0
        self.version = Version(modified=modified or None)
        self.may_resume = modified > 0 or self.sha256 is not None  # of unknown origin: only if a hash checks the whole
        for attempts_left in reversed(range(RETRIES + 1)):
            try:
                self._transfer()
                break
            except _DroppedError as drop:
                if not attempts_left:
                    raise DownloadError(
                        f'lost the connection to {self.name} after {drop}; run again to resume the partial file'
                    ) from drop
                self.say(f'connection lost after {drop}, trying again')
                time.sleep(PAUSE_S)
        self._finish()

    def _transfer(self) -> None:
        """Download the missing data over one connection; raises _DroppedError if it ends too early."""
        with contextlib.closing(self._open()) as stream:
            total = self.size if stream.total is None else stream.total
            if self.size not in (None, total):
                raise DownloadError(f'{self.name} should have {self.size} bytes, but the server offers {total}')
            with _dropping(stream.offset):
                head = stream.body.read(512)
            self._refuse_web_page(stream, head)
            self.version, self.may_resume = stream.version, True
            arrived = self._store(stream, head, total)
        if total is not None and arrived != total:
            raise _DroppedError(f'{arrived} of {total} bytes')

    def _finish(self) -> None:
        """Check the hash and rename the file."""
        with _writing(self.target):
            actual = _sha256(self.part) if self.sha256 else ''
            if actual.startswith(self.sha256 or ''):
                os.utime(self.part)
                self.part.replace(self.target)
                return
            self.part.unlink()
        raise DownloadError(
            f'{self.name}: expected SHA-256 {self.sha256}, got {actual}; the file was removed; '
            f'run again, or download it on another machine and copy it to {self.target}'
        )

    def _open(self) -> Stream:
        """Connect, and resume the part if the server still has that version."""
        offset = self.part.stat().st_size if self.may_resume and self.part.exists() else 0
        stream = self._connect(offset)
        too_long = stream.total is not None and stream.offset > stream.total
        if stream.offset and (too_long or stream.offset != offset or stream.version.contradicts(self.version)):
            stream.close()
            stream = self._connect(0)
        return stream

    def _connect(self, offset: int) -> Stream:
        scheme = self.url.partition(':')[0].lower()
        if scheme not in OPENERS:
            raise DownloadError(f'a URL must begin with {", ".join(OPENERS)}, got {self.name}')
        try:
            return OPENERS[scheme](self.url, offset, self.version, self.timeout)
        except (http.client.RemoteDisconnected, ConnectionResetError, EOFError) as error:
            raise _DroppedError(f'{offset} bytes') from error
        except (*NETWORK_ERRORS, ValueError) as error:
            raise DownloadError(
                f'cannot fetch {self.name}: {describe(error, self.timeout)}; try again, or download the file on '
                f'another machine and copy it to {self.target}'
            ) from error

    def _refuse_web_page(self, stream: Stream, head: bytes) -> None:
        """Detect login and error pages sent instead of the file."""
        page = head.lstrip(b'\xef\xbb\xbf \t\r\n').lower().startswith((b'<!doctype html', b'<html'))
        if page and not stream.offset and self.target.suffix.lower() not in WEB_PAGE_SUFFIXES:
            raise DownloadError(
                f'cannot fetch {self.name}: the server sent a web page instead of the file (a login page, a proxy?); '
                f'open it in a browser, or download the file on another machine and copy it to {self.target}'
            )

    def _store(self, stream: Stream, head: bytes, total: int | None) -> int:
        """Write received data to the part; return its final size."""
        mode = 'r+b' if stream.offset else 'wb'
        units = {'unit': 'B', 'unit_scale': True, 'unit_divisor': 1024}
        shown = {**units, 'desc': self.target.name, 'initial': stream.offset, 'total': total, 'file': sys.stderr}
        with _writing(self.part), self.part.open(mode) as file, tqdm(disable=not self.progress, **shown) as bar:
            size, chunk = file.seek(stream.offset), head
            while chunk:
                file.write(chunk)
                file.flush()
                # After each write, so that the part of a killed process can be resumed.
                os.utime(self.part, (time.time(), stream.version.modified or 0))
                bar.update(len(chunk))
                size += len(chunk)
                with _dropping(size):
                    chunk = stream.body.read1(CHUNK)
        return size


@contextlib.contextmanager
def _dropping(arrived: int) -> Iterator[None]:
    """Raise errors of an established connection as _DroppedError."""
    try:
        yield
    except NETWORK_ERRORS as error:
        raise _DroppedError(f'{arrived} bytes') from error


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror or error}') from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()
