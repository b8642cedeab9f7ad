"""Connections for downloads: http(s), ftp and file URLs, opened at an offset."""

import calendar
import contextlib
import email.message
import email.utils
import ftplib
import http.client
import io
import os
import re
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

NETWORK_ERRORS = (OSError, EOFError, http.client.HTTPException, ftplib.Error)


@dataclass(frozen=True)
class Version:
    """Version of a file on the server, as far as the server states it."""

    etag: str | None = None
    modified: int | None = None
    """Seconds since 1970."""

    def contradicts(self, other: 'Version') -> bool:
        pairs = ((self.etag, other.etag), (self.modified, other.modified))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    @property
    def if_range(self) -> str | None:
        """The HTTP header that requests the rest of this version only."""
        if self.etag and not self.etag.startswith('W/'):
            return self.etag
        return email.utils.formatdate(self.modified, usegmt=True) if self.modified else None


@dataclass(frozen=True)
class Stream:
    """A file being downloaded: `body` begins at byte `offset` of `total`."""

    body: io.BufferedIOBase
    offset: int
    total: int | None
    version: Version
    close: Callable[[], object]


def _open_http(url: str, offset: int, version: Version, timeout: float) -> Stream:
    try:
        response = urlopen(_http_request(url, offset, version), timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not offset:
            raise
        if error.headers.get('Content-Range') == f'bytes */{offset}':  # the part is the whole file
            return Stream(io.BytesIO(), offset, offset, _http_version(error.headers), error.close)
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
    return Stream(response, start, total, _http_version(response.headers), response.close)


def _http_request(url: str, offset: int, version: Version) -> Request:
    """Return the request from an offset; name and password in the URL go to its host only, not to redirects."""
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


def _http_version(headers: email.message.Message) -> Version:
    modified = email.utils.parsedate_tz(headers.get('Last-Modified', ''))
    return Version(headers.get('ETag'), email.utils.mktime_tz(modified) if modified else None)


def _open_ftp(url: str, offset: int, version: Version, timeout: float) -> Stream:
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
        return Stream(body, offset, total, Version(modified=modified), stack.pop_all().close)


def _open_file(url: str, offset: int, version: Version, timeout: float) -> Stream:
    file = Path(url2pathname(urlsplit(url).path)).open('rb')  # noqa: SIM115 (closed by whoever reads the stream)
    status = os.fstat(file.fileno())
    file.seek(offset)
    return Stream(file, offset, status.st_size, Version(modified=int(status.st_mtime)), file.close)


OPENERS: dict[str, Callable[[str, int, Version, float], Stream]] = {
    'http': _open_http,
    'https': _open_http,
    'ftp': _open_ftp,
    'file': _open_file,
}
"""URL scheme -> function that connects. It may begin at 0 if it cannot begin at the offset."""


def describe(error: Exception, timeout: float) -> str:
    """Return a description of a connection error."""
    if isinstance(error, HTTPError):
        return f'the server answers {error.code} {error.reason}'
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return describe(error.reason, timeout)
    if isinstance(error, socket.gaierror):
        return 'the host is unknown or there is no network'
    if isinstance(error, TimeoutError):
        return f'no answer within {timeout:g} s'
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__
