"""Writing results whole or not at all."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pose_estimation_ros.core.errors import OutputError

STDOUT = Path('-')
"""What stands for standard output where a file is named."""

REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR}
REFUSALS |= {errno.EPIPE}
"""What a file system, or a pipe, says when it will not take a file."""


def make_folder(path: Path) -> Path:
    """Make a folder to write to, with its parents; raises OutputError where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make the folder {path}: {error.strerror}; choose another place') from error
    return path


@contextlib.contextmanager
def made_folder(path: Path) -> Iterator[Path]:
    """Make a folder, with its parents, and take away again what nothing came to lie in when something goes wrong."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    make_folder(path)
    try:
        yield path
    except BaseException:
        with contextlib.suppress(OSError):  # one that holds something stays, and so those that it lies in
            for folder in new:
                folder.rmdir()
        raise


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` to write to, and rename it to `path` when all went well.

    Whatever goes wrong on the way, an interrupt included, leaves no file. Where `path` is a link, the file that it
    leads to is replaced; a pipe or a device (/dev/stdout) is written to as it is. Raises OutputError where the system
    refuses.
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
        with _refusals_told(path):
            yield path
        return
    try:
        with _refusals_told(path):
            yield temporary
        _give_name(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_beside(path: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=f'.{path.stem}-', suffix=path.suffix, dir=path.parent)
    os.close(handle)
    return Path(name)


@contextlib.contextmanager
def _refusals_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in REFUSALS:  # others came from something else in the block
            raise OutputError(f'cannot write {path}: {error.strerror}') from error
        raise


def _give_name(temporary: Path, path: Path) -> None:
    try:
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}') from error


def write_json(path: Path, value: object, indent: int | None = None) -> None:
    """Write `value` as JSON, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=indent, allow_nan=False) + '\n')


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
