"""Writes files atomically, complete or not at all, and reads JSON."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import OutputError

STDOUT = Path('-')  # Stands for standard output instead of a file
# Error numbers of file systems and pipes that refuse to write.
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR}
REFUSALS |= {errno.EPIPE}


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
        temporary = path
        if not is_stream:
            handle, name = tempfile.mkstemp(prefix=f'.{target.stem}-', suffix=target.suffix, dir=target.parent)
            os.close(handle)
            temporary = Path(name)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error
    if is_stream:
        with _refusals_as_output_errors(path):
            yield path
        return
    try:
        with _refusals_as_output_errors(path):
            yield temporary
        try:
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        except OSError as error:
            raise OutputError(f'cannot write {target}: {error.strerror}') from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _refusals_as_output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in REFUSALS:  # other errors come from the block itself
            raise OutputError(f'cannot write {path}: {error.strerror}') from error
        raise


def write_json(path: Path, value: object, indent: int | None = None) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=indent, allow_nan=False) + '\n')


def read_json(path: Path, kind: type[Exception]) -> Any:
    """Return the content of a JSON file; raises `kind` if it cannot be read or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise kind(f'cannot read {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise kind(f'{path} is a binary file, not JSON; unpack it or choose another file') from error
    except json.JSONDecodeError as error:
        begin = ' '.join(error.doc[:60].split())[:40]
        where = f'line {error.lineno}, column {error.colno}'
        raise kind(f'{path} is not JSON ({error.msg} at {where}); it begins with {begin!r}') from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
