"""Writes files atomically: complete or not at all."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pose_estimation_ros.core.errors import OutputError

STDOUT = Path('-')  # Stands for standard output instead of a file
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR}
REFUSALS |= {errno.EPIPE}
"""Error numbers of file systems and pipes that refuse to write."""


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; raises OutputError if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make the folder {path}: {error.strerror}; choose another folder') from error
    return path


@contextlib.contextmanager
def made_folder(path: Path) -> Iterator[Path]:
    """Create a folder and its parents, and remove those that are still empty if the block fails."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    make_folder(path)
    try:
        yield path
    except BaseException:
        with contextlib.suppress(OSError):  # not empty, so its parents stay as well
            for folder in new:
                folder.rmdir()
        raise


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` to write to, and rename it to `path` if the block succeeds.

    An error or interrupt leaves no file. If `path` is a link its target is replaced; pipes and devices (/dev/stdout)
    are written to directly. Raises OutputError if the system refuses.
    """
    make_folder(path.parent)
    try:
        if path.is_dir():
            raise OutputError(f'cannot write {path}: it is a folder')
        is_stream = path.exists() and not path.is_file()
        target = path.resolve() if path.is_symlink() else path
        temporary = path if is_stream else _temporary_beside(target)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error
    if is_stream:
        with _refusals_as_output_errors(path):
            yield path
        return
    try:
        with _refusals_as_output_errors(path):
            yield temporary
        _rename(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_beside(path: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=f'.{path.stem}-', suffix=path.suffix, dir=path.parent)
    os.close(handle)
    return Path(name)


@contextlib.contextmanager
def _refusals_as_output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in REFUSALS:  # other errors come from the block itself
            raise OutputError(f'cannot write {path}: {error.strerror}') from error
        raise


def _rename(temporary: Path, path: Path) -> None:
    try:
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error


def write_json(path: Path, value: object, indent: int | None = None) -> None:
    """Write `value` as JSON atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=indent, allow_nan=False) + '\n')


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
