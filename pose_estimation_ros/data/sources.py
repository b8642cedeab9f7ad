"""Sources of images: files, videos, cameras and streams. `source_names` opens them by name."""

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import ImageError, SourceError
from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.data.video import APPROXIMATE, Capture

LOG = logging.getLogger(__name__)

SourceKind = Literal['image', 'video', 'camera']

UNKNOWN_STEP_S = 1 / 30  # Between the frames of a video without a rate and time stamps


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source."""

    source: str  # Name of the source; for image files the path, also within a folder or a pattern
    index: int  # From 0, of the frames that the source yields
    stamp: float  # Seconds. Videos: their own clock, increasing; cameras: since the first frame; image files: 0.
    image: ByteArray  # (H, W, 3) BGR


class Source(Protocol):
    """Yields images; opens and closes what it needs, and may be read again."""

    name: str
    kind: SourceKind
    total: int | None  # Number of frames, approximate for videos; None if unknown or endless
    fps: float | None  # Frames per second; None for image files and if unknown
    skipped: int  # Number of unreadable images so far
    files: Sequence[Path]  # Files that it reads, which must not be overwritten

    def frames(self) -> Iterator[Frame]:
        """Yield the images in order; raises ImageError or SourceError if there is none."""

    def close(self) -> None:
        """Release a camera; required if its frames are not read to the end."""


class ImageFiles:
    """Image files. An unreadable one is skipped with a warning, or is an error if the user named it."""

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
                LOG.warning('%s; skipped', error)
                continue
            yield Frame(str(path), position - self.skipped, 0.0, image)
        if self.skipped == len(self.files):
            raise SourceError(f'of {counted(self.skipped, "image")} in {self.name} none can be read')

    def close(self) -> None:
        """Do nothing: no file is open."""


class VideoSource:
    """A video file or a finite stream."""

    kind: SourceKind = 'video'
    skipped = 0

    def __init__(self, name: str, address: str, capture: Capture) -> None:
        """Read the header from an opened `capture` and check that there is a first frame."""
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
        if self.total is None:
            return
        # By frames and by time: with a variable rate the header's count is an estimate.
        least = self.total - max(APPROXIMATE, self.total // 50) - 1
        if count <= least and (self.fps is None or (stamp + step) * self.fps <= least + 0.5):
            LOG.warning('%s breaks off after %d of %d frames', self.name, count, self.total)

    def close(self) -> None:
        """Do nothing: `frames` closes the file."""


class CameraSource:
    """A camera or a live stream, opened in advance so that errors are reported at once."""

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
            raise SourceError(f'{self.name} gives no images; is another program using it?')
        LOG.warning('%s gives no more images after %d', self.name, count)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._capture = None


def _camera_cure(index: int) -> str:
    device, others = Path(f'/dev/video{index}'), sorted(Path('/dev').glob('video*'), key=natural_order)
    if not others:
        return 'no camera is connected (no /dev/video* here; a container must be given the device)'
    if device not in others:
        return f'there is no {device}, but {", ".join(map(str, others))}'
    if not os.access(device, os.R_OK | os.W_OK):
        return f'you may not use {device}; join the group video and log in again'
    return f'another program may be using it, or it is not a camera; there are {", ".join(map(str, others))}'


def natural_order(path: Path) -> list[tuple[str, int]]:
    """Return a sort key that puts 2 before 10."""
    return [(text.lower(), int(number or 0)) for text, number in re.findall(r'(\D*)(\d*)', str(path))]
