"""Sources of images: files, videos, cameras and streams. `opening` finds out which of them a text names."""

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
from pose_estimation_ros.core.words import counted
from pose_estimation_ros.data.video import APPROXIMATE, Capture

LOG = logging.getLogger(__name__)

SourceKind = Literal['image', 'video', 'camera']

UNKNOWN_STEP_S = 1 / 30
"""Between the frames of a video that knows neither its rate nor the times of its frames."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source."""

    source: str
    """Name of the source; of images, that of the file itself, also where they came from a folder or a pattern."""
    index: int
    """Counts what the source yields, from 0."""
    stamp: float
    """Seconds. Videos: their own clock, always growing; cameras: since the first frame; image files: 0."""
    image: ByteArray
    """(H, W, 3) BGR."""


class Source(Protocol):
    """Something that yields images, opens what it needs for that, and closes it in the end. May be read again."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> SourceKind: ...

    @property
    def total(self) -> int | None:
        """Number of frames (of videos, about so many); None where it is unknown or there is no end."""

    @property
    def fps(self) -> float | None:
        """Frames a second; None for image files and where it is unknown."""

    @property
    def skipped(self) -> int:
        """Images left out so far, because they cannot be read."""

    @property
    def files(self) -> Sequence[Path]:
        """What it reads, and nobody should overwrite."""

    def frames(self) -> Iterator[Frame]:
        """Yield the images in order; raises ImageError or SourceError where there is none to yield."""

    def close(self) -> None:
        """Let go of a camera; needed where its frames are not read to the end."""


class ImageFiles:
    """Image files. One that cannot be read is left out with a warning, or is an error if the user named it itself."""

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
            raise SourceError(f'of {counted(self.skipped, "image")} in {self.name} none can be read')

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
    return f'another program may be using it, or it is no camera; there are {", ".join(map(str, others))}'


def natural_order(path: Path) -> list[tuple[str, int]]:
    """Sort key that puts 2 before 10."""
    return [(text.lower(), int(number or 0)) for text, number in re.findall(r'(\D*)(\d*)', str(path))]
