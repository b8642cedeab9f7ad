"""Opens sources of images by the names that users write: files, folders, patterns, videos, cameras and streams."""

import codecs
import contextlib
import functools
import glob
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2

from pose_estimation_ros.core.errors import SourceError
from pose_estimation_ros.core.image import IMAGE_SUFFIXES
from pose_estimation_ros.data.sources import CameraSource, ImageFiles, Source, VideoSource, natural_order
from pose_estimation_ros.data.video import Capture, is_utf8

VIDEO_SUFFIXES = frozenset(
    {'.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv', '.flv', '.ts', '.mts', '.m2ts', '.3gp'}
    | {'.ogv', '.mjpg', '.mjpeg', '.gif'}
)
ADDRESS = re.compile(r'(?:rtsps?|https?)://.+', re.IGNORECASE)
CAMERA = re.compile(r'(?:camera:|/dev/video)?(\d{1,2})')


def open_sources(arguments: Sequence[str]) -> list[Source]:
    """Open all sources before anything is read; raises SourceError.

    An argument is an image, a folder of images, a video, a pattern such as `shots/*.jpg`, a camera (`0`, `camera:0`
    or `/dev/video0`; a file named 0 is `./0`) or a stream (rtsp, http, https). A pattern may open several sources: one
    of all its images, and one for each video.
    """
    openers = [opener for argument in arguments for opener in _openers(argument)]
    with contextlib.ExitStack() as stack:
        sources: list[Source] = []
        for opener in openers:
            sources.append(opener())
            stack.callback(sources[-1].close)
        stack.pop_all()
    return sources


Opener = Callable[[], Source]


def _openers(argument: str) -> list[Opener]:
    """Return functions that open the sources of an argument; raises SourceError if it names none."""
    if camera := CAMERA.fullmatch(os.path.realpath(argument) if argument.startswith('/dev/') else argument):
        index = int(camera[1])
        return [lambda: CameraSource(f'camera:{index}', index, Capture(index))]
    if ADDRESS.fullmatch(argument):
        return [functools.partial(_open_address, argument)]
    path = Path(argument)
    try:
        if argument and path.is_dir():
            return [functools.partial(ImageFiles, argument, _images_in(path))]
        if path.is_file():
            return [functools.partial(_open_file, path)]
        if glob.has_magic(argument):
            return _pattern_openers(argument)
        if argument and path.exists():
            raise SourceError(f'{argument} is neither a file nor a folder')
    except OSError as error:
        raise SourceError(f'cannot read {argument}: {error.strerror}') from error
    raise SourceError(f'there is no file or folder {argument or repr(argument)}')


def _images_in(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir(), key=natural_order)
    visible = [path for path in entries if not path.name.startswith('.') and path.is_file()]
    images = [path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        videos = sum(path.suffix.lower() in VIDEO_SUFFIXES for path in visible)
        hint = f'; it holds {videos} videos, which must be given one by one' if videos else ''
        raise SourceError(f'the folder {folder} holds no images ({", ".join(sorted(IMAGE_SUFFIXES))}){hint}')
    return images


def _pattern_openers(pattern: str) -> list[Opener]:
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
    paths = sorted((path for path in map(Path, matches) if path.is_file()), key=natural_order)
    images = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    if not images and not videos:
        raise SourceError(f'no image or video matches {pattern}')
    openers: list[Opener] = [functools.partial(ImageFiles, pattern, images)] if images else []
    return openers + [functools.partial(_open_file, path) for path in videos]


def _open_file(path: Path) -> Source:
    """Open an image or a video, recognised by its suffix or its content."""
    try:
        with path.open('rb') as file:
            head = file.read(4096)
    except OSError as error:
        raise SourceError(f'cannot read {path}: {error.strerror}') from error
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES and not is_utf8(str(path.absolute())):
        raise SourceError(f'cannot read {path}: OpenCV can only use names in UTF-8; rename it')
    if suffix in IMAGE_SUFFIXES or (suffix not in VIDEO_SUFFIXES and cv2.haveImageReader(str(path))):
        return ImageFiles(str(path), [path], named=True)
    # FFmpeg plays text files as a terminal would show them.
    reason = 'it is empty' if not head else 'it is a text' if _is_text(head) else None
    if not reason:
        capture = Capture(str(path.absolute()))
        if capture.opened or suffix in VIDEO_SUFFIXES:
            return VideoSource(str(path), str(path.absolute()), capture)
        reason = 'OpenCV can read it as neither'
    raise SourceError(f'{path} must be an image, a video or a folder of images, but {reason}')


def _open_address(address: str) -> Source:
    """Open a video or a live stream of a server."""
    name = re.sub('//[^/@]*@', '//', address)  # without a password
    capture = Capture(address)
    return VideoSource(name, address, capture) if capture.total else CameraSource(name, address, capture)


def _is_text(head: bytes) -> bool:
    """Whether the beginning of a file is UTF-8 without control characters."""
    try:
        codecs.getincrementaldecoder('utf-8')().decode(head)
    except UnicodeDecodeError:
        return False
    return not re.search(rb'[\x00-\x08\x0e-\x1a]', head)
