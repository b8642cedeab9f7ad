"""Where the pictures of the command line come from: files, folders, videos, cameras and streams."""

import codecs
import contextlib
import functools
import glob
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import cv2

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import ImageError, SourceError
from pose_estimation_ros.core.image import IMAGE_SUFFIXES, read_image
from pose_estimation_ros.data.video import APPROXIMATE, Capture, is_sayable

LOG = logging.getLogger(__name__)

SourceKind = Literal['image', 'video', 'camera']

VIDEO_SUFFIXES = frozenset(
    {'.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv', '.flv', '.ts', '.mts', '.m2ts', '.3gp'}
    | {'.ogv', '.mjpg', '.mjpeg', '.gif'}
)
ADDRESS = re.compile(r'(?:rtsps?|https?)://.+', re.IGNORECASE)
CAMERA = re.compile(r'(?:camera:|/dev/video)?(\d{1,2})')
UNKNOWN_STEP_S = 1 / 30
"""Between the frames of a video that knows neither its rate nor the times of its frames."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source."""

    source: str
    """Name of the source; of pictures, that of the file itself, also where they came from a folder or a pattern."""
    index: int
    """Counts what the source yields, from 0."""
    stamp: float
    """Seconds. Videos: their own clock, always growing; cameras: since the first frame; picture files: 0."""
    image: ByteArray
    """(H, W, 3) BGR."""


class Source(Protocol):
    """Something that yields pictures, opens what it needs for that, and closes it in the end. May be read again."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> SourceKind: ...

    @property
    def total(self) -> int | None:
        """Number of frames (of videos, about so many); None where it is unknown or there is no end."""

    @property
    def fps(self) -> float | None:
        """Frames a second; None for picture files and where it is unknown."""

    @property
    def skipped(self) -> int:
        """Pictures left out so far, because they cannot be read."""

    @property
    def files(self) -> Sequence[Path]:
        """What it reads, and nobody should overwrite."""

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures in order; raises ImageError or SourceError where there is none to yield."""

    def close(self) -> None:
        """Let go of a camera; needed where its frames are not read to the end."""


def open_sources(arguments: Sequence[str]) -> list[Source]:
    """Find out what each argument names, and make sure of all of them before anything is read.

    An argument is a picture, a folder of pictures, a video, a pattern such as `shots/*.jpg`, a camera (`0`, `camera:0`
    or `/dev/video0`; a file of the name 0 is `./0`) or a stream (rtsp, http, https). A pattern may become several
    sources: one of all its pictures, and one for each video.

    Raises:
        SourceError: One of them is not there, or is none of these, or is a video that cannot be played.

    """
    openers = [opener for argument in arguments for opener in _openers(argument)]
    with contextlib.ExitStack() as stack:
        sources: list[Source] = []
        for opener in openers:
            sources.append(opener())
            stack.callback(sources[-1].close)
        stack.pop_all()
    return sources


class PictureSource:
    """Picture files. One that cannot be read is left out with a warning, or is an error if the user named it itself."""

    kind: SourceKind = 'image'
    fps: float | None = None

    def __init__(self, name: str, paths: Sequence[Path], named: bool = False) -> None:
        self.name = name
        self.total: int | None = len(paths)
        self.skipped = 0
        self.files = paths
        self._named = named

    def frames(self) -> Iterator[Frame]:
        self.skipped = 0
        for position, path in enumerate(self.files):
            try:
                image = read_image(path)
            except ImageError as error:
                if self._named:
                    raise
                self.skipped += 1
                LOG.warning('%s; it is left out', error)
                continue
            yield Frame(str(path), position - self.skipped, 0.0, image)
        if self.skipped == len(self.files):
            raise SourceError(f'none of the {self.skipped} pictures in {self.name} can be read')

    def close(self) -> None:
        """Do nothing: no file stays open."""


class VideoSource:
    """A video that has an end, in a file or behind an address."""

    kind: SourceKind = 'video'
    skipped = 0

    def __init__(self, name: str, address: str, capture: Capture) -> None:
        """Take what the header says from an opened `capture`, and make sure that there is a first frame."""
        with contextlib.closing(capture):
            fault = 'OpenCV cannot open it' if not capture.opened else None
            if capture.opened and capture.read() is None:
                fault = 'no frame of it can be decoded'
        if fault:
            raise SourceError(
                f'{name} should be a video, but {fault}; was it cut off? (an .mp4 has its index at the end); copy or '
                f'record it again, or convert it: ffmpeg -i {name} -c:v libx264 converted.mp4'
            )
        self.name = name
        self.total = capture.total
        self.fps = capture.fps
        self.files: Sequence[Path] = [Path(address)]
        self._address = address

    def frames(self) -> Iterator[Frame]:
        step = 1 / self.fps if self.fps else UNKNOWN_STEP_S
        count, stamp = 0, -step
        with contextlib.closing(Capture(self._address)) as capture:
            while (image := capture.read()) is not None:
                clock = capture.stamp()
                stamp = clock if clock > stamp and clock >= 0 else stamp + step
                yield Frame(self.name, count, stamp, image)
                count += 1
        if count == 0:
            raise SourceError(f'{self.name} can no longer be read; was it moved or changed meanwhile?')
        self._warn_if_cut_off(count, stamp + step)

    def close(self) -> None:
        """Do nothing: whoever reads frames holds the file."""

    def _warn_if_cut_off(self, count: int, end: float) -> None:
        """Compare with the header, in frames and in time: where the rate varies, its count is a mere estimate."""
        if self.total is None:
            return
        least = self.total - max(APPROXIMATE, self.total // 50) - 1
        if count <= least and (self.fps is None or end * self.fps <= least + 0.5):
            LOG.warning('%s breaks off after %d of %d frames', self.name, count, self.total)


class CameraSource:
    """A camera or a live stream. Open from the start, so that a wrong one is told at once."""

    kind: SourceKind = 'camera'
    total: int | None = None
    skipped = 0
    files: Sequence[Path] = ()

    def __init__(self, name: str, address: str | int, capture: Capture) -> None:
        if not capture.opened:
            cure = _camera_cure(address) if isinstance(address, int) else 'is the address right, and the server on?'
            raise SourceError(f'cannot open {name}: {cure}')
        self.name = name
        self.fps = capture.fps
        self._address = address
        self._capture: Capture | None = capture

    def frames(self) -> Iterator[Frame]:
        capture, self._capture = self._capture or Capture(self._address), None
        count, start = 0, 0.0
        with contextlib.closing(capture):
            while (image := capture.read()) is not None:
                now = time.monotonic()
                start = start if count else now
                yield Frame(self.name, count, now - start, image)
                count += 1
        if count == 0:
            raise SourceError(f'{self.name} gives no pictures; is another program using it?')
        LOG.warning('%s gives no more pictures after %d', self.name, count)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._capture = None


Opener = Callable[[], Source]


def _openers(argument: str) -> list[Opener]:
    """Return what opens the sources of an argument; raises SourceError where it names nothing."""
    camera = CAMERA.fullmatch(os.path.realpath(argument) if argument.startswith('/dev/') else argument)
    if camera:
        return [functools.partial(_open_camera, int(camera[1]))]
    if ADDRESS.fullmatch(argument):
        return [functools.partial(_open_address, argument)]
    try:
        return _path_openers(argument)
    except OSError as error:
        raise SourceError(f'cannot read {argument}: {error.strerror}') from error


def _path_openers(argument: str) -> list[Opener]:
    path = Path(argument)
    if argument and path.is_dir():
        return [functools.partial(PictureSource, argument, _pictures_in(path))]
    if path.is_file():
        return [functools.partial(_open_file, path)]
    if glob.has_magic(argument):
        return _pattern_openers(argument)
    if argument and path.exists():
        raise SourceError(f'{argument} is neither a file nor a folder')
    raise SourceError(f'there is no file or folder {argument or repr(argument)}')


def _pictures_in(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir(), key=_natural)
    visible = [path for path in entries if not path.name.startswith('.') and path.is_file()]
    pictures = [path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        videos = sum(path.suffix.lower() in VIDEO_SUFFIXES for path in visible)
        hint = f'; it holds {videos} videos, which must be named themselves' if videos else ''
        raise SourceError(f'the folder {folder} holds no pictures ({", ".join(sorted(IMAGE_SUFFIXES))}){hint}')
    return pictures


def _pattern_openers(pattern: str) -> list[Opener]:
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
    paths = sorted((path for path in map(Path, matches) if path.is_file()), key=_natural)
    pictures = [path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    if not pictures and not videos:
        raise SourceError(f'no picture or video matches {pattern}')
    openers: list[Opener] = [functools.partial(PictureSource, pattern, pictures)] if pictures else []
    return openers + [functools.partial(_open_file, path) for path in videos]


def _open_file(path: Path) -> Source:
    """Open a picture or a video; what the name does not tell, the content does."""
    try:
        with path.open('rb') as file:
            head = file.read(4096)
    except OSError as error:
        raise SourceError(f'cannot read {path}: {error.strerror}') from error
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES and not is_sayable(str(path.absolute())):
        raise SourceError(f'cannot read {path}: OpenCV can only use names in UTF-8; rename it')
    if suffix in IMAGE_SUFFIXES or (suffix not in VIDEO_SUFFIXES and cv2.haveImageReader(str(path))):
        return PictureSource(str(path), [path], named=True)
    # FFmpeg would play a text, as a terminal does.
    reason = 'it is empty' if not head else 'it is a text' if _is_text(head) else None
    if not reason:
        capture = Capture(str(path.absolute()))
        if capture.opened or suffix in VIDEO_SUFFIXES:
            return VideoSource(str(path), str(path.absolute()), capture)
        reason = 'OpenCV can read it as neither'
    raise SourceError(f'{path} must be a picture, a video or a folder of pictures, but {reason}')


def _open_camera(index: int) -> Source:
    return CameraSource(f'camera:{index}', index, Capture(index))


def _open_address(address: str) -> Source:
    """Open what a server offers, which may be a video with an end or a live stream."""
    name = re.sub('//[^/@]*@', '//', address)  # without a password
    capture = Capture(address)
    return VideoSource(name, address, capture) if capture.total else CameraSource(name, address, capture)


def _camera_cure(index: int) -> str:
    device, others = Path(f'/dev/video{index}'), sorted(Path('/dev').glob('video*'), key=_natural)
    if not others:
        return 'no camera is connected (no /dev/video* here; a container must be given the device)'
    if device not in others:
        return f'there is no {device}, but {", ".join(map(str, others))}'
    if not os.access(device, os.R_OK | os.W_OK):
        return f'you may not use {device}; join the group video and log in again'
    return f'another program may be using it, or it is no camera; there are {", ".join(map(str, others))}'


def _is_text(head: bytes) -> bool:
    """Whether the beginning of a file is UTF-8 without control characters."""
    try:
        codecs.getincrementaldecoder('utf-8')().decode(head)
    except UnicodeDecodeError:
        return False
    return not re.search(rb'[\x00-\x08\x0e-\x1a]', head)


def _natural(path: Path) -> list[tuple[str, int]]:
    """Sort key that puts 2 before 10."""
    return [(text.lower(), int(number or 0)) for text, number in re.findall(r'(\D*)(\d*)', str(path))]
