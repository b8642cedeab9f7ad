"""Explicit downloads: continued when interrupted, checked, and there as a whole or not at all."""

import calendar
import contextlib
import email.message
import email.utils
import ftplib
import hashlib
import http.client
import io
import os
import re
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from tqdm import tqdm

from pose_estimation_ros.core.errors import DownloadError, OutputError
from pose_estimation_ros.core.files import make_folder

RETRIES = 2
PAUSE_S = 1.0
CHUNK = 1 << 18
NETWORK_ERRORS = (OSError, EOFError, http.client.HTTPException, ftplib.Error)
WEB_PAGE_SUFFIXES = ('.html', '.htm')


@dataclass(frozen=True)
class RemoteFile:
    """A file of a server, the name it gets here (relative to the folder), and its hash where one is published."""

    path_on_server: str
    name: str
    sha256: str | None = None


def fetch_all(
    base_url: str, files: list[RemoteFile], folder: Path, *, progress: bool = True, timeout: float = 30
) -> list[Path]:
    """Fetch files of one server into a folder; return where they are, in the order given. Raises as `fetch` does."""
    base = base_url.rstrip('/')
    return [
        fetch(
            f'{base}/{file.path_on_server.lstrip("/")}',
            folder / file.name,
            sha256=file.sha256,
            progress=progress,
            timeout=timeout,
        )
        for file in files
    ]


def fetch(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: bool = True,
    timeout: float = 30,
) -> Path:
    """Fetch an http(s), ftp or file URL and return `target`. A target that is there already is kept if it is right.

    Data go to `<target>.part`, which an interrupted download leaves behind and the next one continues, provided that
    the file on the server is still the same. Where neither the server nor the caller knows the size and no hash is
    given, a file that was cut off on the way cannot be told from a whole one.

    Args:
        url: From where.
        target: To where; folders are made.
        sha256: Published hash, hexadecimal.
        size: Expected size in bytes.
        progress: Show a bar and notes on stderr.
        timeout: Seconds without any data after which a connection counts as dead.

    Raises:
        DownloadError: The file cannot be fetched, or is not what it should be.
        OutputError: The file cannot be written.

    """
    job = _Job(url, target, sha256.lower() if sha256 else None, size, progress, timeout)
    if job.is_done():
        return target
    make_folder(target.parent)
    job.read_version_of_part()
    for attempts_left in reversed(range(RETRIES + 1)):
        try:
            job.transfer()
            break
        except _DroppedError as drop:
            if not attempts_left:
                raise DownloadError(
                    f'the connection to {job.name} broke after {drop}; what came is kept, run again to resume'
                ) from drop
            job.say(f'connection lost after {drop}, trying again')
            time.sleep(PAUSE_S)
    job.finish()
    return target


class _DroppedError(Exception):
    """The connection ended too early; the message says how much has arrived."""


@dataclass(frozen=True)
class _Version:
    """What tells one state of a file on the server from another, as far as the server says."""

    etag: str | None = None
    modified: int | None = None
    """Seconds since 1970."""

    def contradicts(self, other: '_Version') -> bool:
        pairs = ((self.etag, other.etag), (self.modified, other.modified))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    @property
    def if_range(self) -> str | None:
        """The HTTP header that asks for the rest of this version and of no other."""
        if self.etag and not self.etag.startswith('W/'):
            return self.etag
        return email.utils.formatdate(self.modified, usegmt=True) if self.modified else None


@dataclass(frozen=True)
class _Stream:
    """A file on its way: `body` begins at byte `offset` of `total`."""

    body: io.BufferedIOBase
    offset: int
    total: int | None
    version: _Version
    close: Callable[[], object]


@dataclass
class _Job:
    """One file to fetch, over as many connections as it takes."""

    url: str
    target: Path
    sha256: str | None
    size: int | None
    progress: bool
    timeout: float
    version: _Version = field(init=False, default=_Version())
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
        """Whether the target is there and, as far as can be known, right."""
        with _writing(self.target):
            if self.target.is_dir():
                raise IsADirectoryError(0, 'it is a folder')
            if not self.target.exists():
                return False
            size = self.target.stat().st_size
            right = _sha256(self.target) == self.sha256 if self.sha256 else self.size in (None, size)
        self.say(f'{self.target} is there already' + ('' if right else ', but is another file; fetching it again'))
        return right

    def read_version_of_part(self) -> None:
        """Take the server's time of its file from the part's modification time, where `_store` puts it (0: unknown).

        A part of unknown origin is continued only if the hash will tell whether both ends belong together.
        """
        with _writing(self.part):
            modified = int(self.part.stat().st_mtime) if self.part.exists() else 0
        self.version = _Version(modified=modified or None)
        self.may_resume = modified > 0 or self.sha256 is not None

    def transfer(self) -> None:
        """Get what is missing, over one connection; raises _DroppedError if that ended too early."""
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

    def finish(self) -> None:
        """Check the hash and give the file its name."""
        with _writing(self.target):
            actual = _sha256(self.part) if self.sha256 else None
            if actual == self.sha256:
                os.utime(self.part)
                self.part.replace(self.target)
                return
            self.part.unlink()
        raise DownloadError(
            f'{self.name} should have the SHA-256 {self.sha256}, but what came has {actual} and was removed; '
            f'run again, or fetch the file elsewhere and copy it to {self.target}'
        )

    def _open(self) -> _Stream:
        """Connect, continuing the part if it belongs to what the server has now."""
        offset = self.part.stat().st_size if self.may_resume and self.part.exists() else 0
        stream = self._connect(offset)
        too_long = stream.total is not None and stream.offset > stream.total
        if stream.offset and (too_long or stream.offset != offset or stream.version.contradicts(self.version)):
            stream.close()
            stream = self._connect(0)
        return stream

    def _connect(self, offset: int) -> _Stream:
        scheme = self.url.partition(':')[0].lower()
        if scheme not in OPENERS:
            raise DownloadError(f'an address must begin with {", ".join(OPENERS)}, got {self.name}')
        try:
            return OPENERS[scheme](self.url, offset, self.version, self.timeout)
        except (http.client.RemoteDisconnected, ConnectionResetError, EOFError) as error:
            raise _DroppedError(f'{offset} bytes') from error
        except (*NETWORK_ERRORS, ValueError) as error:
            raise DownloadError(
                f'cannot fetch {self.name}: {_cause(error, self.timeout)}; try again, or fetch the file on another '
                f'machine and copy it to {self.target}'
            ) from error

    def _refuse_web_page(self, stream: _Stream, head: bytes) -> None:
        """Spot login and error pages that come in place of a file, as if all were well."""
        page = head.lstrip(b'\xef\xbb\xbf \t\r\n').lower().startswith((b'<!doctype html', b'<html'))
        if page and not stream.offset and self.target.suffix.lower() not in WEB_PAGE_SUFFIXES:
            raise DownloadError(
                f'cannot fetch {self.name}: the server sent a web page in place of the file (a login, a proxy?); '
                f'see it in a browser, or fetch the file on another machine and copy it to {self.target}'
            )

    def _store(self, stream: _Stream, head: bytes, total: int | None) -> int:
        """Write to the part as data come; return the size it has in the end."""
        mode = 'r+b' if stream.offset else 'wb'
        with _writing(self.part), self.part.open(mode) as file, self._bar(stream.offset, total) as bar:
            file.seek(stream.offset)
            for chunk in _chunks(stream, head):
                file.write(chunk)
                file.flush()
                # Each time, so that the part of a process that is killed can be continued.
                os.utime(self.part, (time.time(), stream.version.modified or 0))
                bar.update(len(chunk))
            return file.tell()

    def _bar(self, start: int, total: int | None) -> 'tqdm':
        units = {'unit': 'B', 'unit_scale': True, 'unit_divisor': 1024}
        return tqdm(
            desc=self.target.name, initial=start, total=total, disable=not self.progress, file=sys.stderr, **units
        )


def _chunks(stream: _Stream, head: bytes) -> Iterator[bytes]:
    """Yield the data as they come."""
    position, chunk = stream.offset, head
    while chunk:
        yield chunk
        position += len(chunk)
        with _dropping(position):
            chunk = stream.body.read1(CHUNK)


def _open_http(url: str, offset: int, version: _Version, timeout: float) -> _Stream:
    try:
        response = urlopen(_http_request(url, offset, version), timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
            raise
        if error.headers.get('Content-Range') == f'bytes */{offset}':  # the part is the whole file
            return _Stream(io.BytesIO(), offset, offset, _http_version(error.headers), error.close)
        return _open_http(url, 0, version, timeout)
    if not isinstance(response, http.client.HTTPResponse):
        raise ValueError('the server redirects to an address that is not http')
    start, total = 0, response.length
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        content_range = re.match(r'bytes (\d+)-\d+/(\d+)', response.headers.get('Content-Range', ''))
        if not content_range:
            response.close()
            return _open_http(url, 0, version, timeout)
        start, total = int(content_range[1]), int(content_range[2])
    return _Stream(response, start, total, _http_version(response.headers), response.close)


def _http_request(url: str, offset: int, version: _Version) -> Request:
    """Ask for the file from an offset; a name and password in the address go to its host alone, not along redirects."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition('@')
    request = Request(parts._replace(netloc=host).geturl(), headers={'User-Agent': 'pose_estimation_ros'})
    if user:
        request.add_unredirected_header('Authorization', f'Basic {b64encode(unquote(user).encode()).decode()}')
    request.add_header('Accept-Encoding', 'identity')
    if offset:
        request.add_header('Range', f'bytes={offset}-')
    if offset and version.if_range:
        request.add_header('If-Range', version.if_range)
    return request


def _http_version(headers: email.message.Message) -> _Version:
    modified = email.utils.parsedate_tz(headers.get('Last-Modified', ''))
    return _Version(headers.get('ETag'), email.utils.mktime_tz(modified) if modified else None)


def _open_ftp(url: str, offset: int, version: _Version, timeout: float) -> _Stream:
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip('/')
    with contextlib.ExitStack() as stack:
        ftp = ftplib.FTP(timeout=timeout)
        stack.callback(ftp.close)
        ftp.connect(parts.hostname or '', parts.port or ftplib.FTP_PORT)
        ftp.login(unquote(parts.username or ''), unquote(parts.password or ''))
        ftp.voidcmd('TYPE I')
        total, modified = None, None
        with contextlib.suppress(ftplib.Error):  # not every server knows these two commands
            total = ftp.size(path)
        with contextlib.suppress(ftplib.Error, ValueError):
            stamp = ftp.voidcmd(f'MDTM {path}')[4:18]
            modified = calendar.timegm(time.strptime(stamp, '%Y%m%d%H%M%S'))
        try:
            connection = ftp.transfercmd(f'RETR {path}', rest=offset or None)
        except ftplib.Error:
            if not offset:
                raise
            offset = 0
            connection = ftp.transfercmd(f'RETR {path}')
        with connection:
            body = stack.enter_context(connection.makefile('rb'))
        return _Stream(body, offset, total, _Version(modified=modified), stack.pop_all().close)


def _open_file(url: str, offset: int, version: _Version, timeout: float) -> _Stream:
    file = Path(url2pathname(urlsplit(url).path)).open('rb')  # noqa: SIM115 (closed by whoever reads the stream)
    status = os.fstat(file.fileno())
    file.seek(offset)
    return _Stream(file, offset, status.st_size, _Version(modified=int(status.st_mtime)), file.close)


OPENERS: dict[str, Callable[[str, int, _Version, float], _Stream]] = {
    'http': _open_http,
    'https': _open_http,
    'ftp': _open_ftp,
    'file': _open_file,
}
"""How to connect, by the beginning of the address. An opener may begin at 0 where it cannot begin at the offset."""


def _cause(error: Exception, timeout: float) -> str:
    """Say in words what went wrong with a connection."""
    if isinstance(error, HTTPError):
        return f'the server answers {error.code} {error.reason}'
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return _cause(error.reason, timeout)
    if isinstance(error, socket.gaierror):
        return 'the host is unknown or there is no network'
    if isinstance(error, TimeoutError):
        return f'no answer within {timeout:g} s'
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


@contextlib.contextmanager
def _dropping(arrived: int) -> Iterator[None]:
    """Turn errors of a connection that stood before into _DroppedError."""
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
