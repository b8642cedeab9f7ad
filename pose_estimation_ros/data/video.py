"""Video by OpenCV: reads frames with time stamps, and writes files atomically."""

import contextlib
import functools
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import OutputError, SettingsError
from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.image import as_bgr

CODECS = ('avc1', 'mp4v')
"""Best first. H.264 plays in browsers, but only some builds of OpenCV can write it (that of PyPI cannot); all with
FFmpeg have MPEG-4 part 2. VP9 also plays in browsers, but takes sixty times as long (320 ms for 720 rows)."""

FASTEST = 1000.0  # Maximum frames per second; the rate of files with a greater value is unknown
FFMPEG_SILENT = '-8'
APPROXIMATE = 2  # Maximum error of the frame count in a file's header


class _Silence:
    """Suppresses messages of OpenCV and FFmpeg on stderr within a block; several threads may use it at once.

    FFmpeg reads its variable once, when the process opens its first video. The environment variables OPENCV_LOG_LEVEL
    and OPENCV_FFMPEG_LOGLEVEL override it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside and 'OPENCV_LOG_LEVEL' not in os.environ:
                self._level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and 'OPENCV_LOG_LEVEL' not in os.environ:
                cv2.utils.logging.setLogLevel(self._level)

    @contextlib.contextmanager
    def with_ffmpeg(self) -> Iterator[None]:
        """Suppress messages of a call that may initialise FFmpeg."""
        before = os.environ.get('OPENCV_FFMPEG_LOGLEVEL')
        os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', FFMPEG_SILENT)
        try:
            with self:
                yield
        finally:
            if before is None:
                os.environ.pop('OPENCV_FFMPEG_LOGLEVEL', None)


_SILENCE = _Silence()


class Capture:
    """A video file, camera (by number) or stream for reading; `opened` is whether it could be opened."""

    def __init__(self, address: str | int) -> None:
        with _SILENCE.with_ffmpeg():
            self._capture = cv2.VideoCapture(address) if is_utf8(str(address)) else cv2.VideoCapture()
        self.opened = self._capture.isOpened()
        rate, count = (self._capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.fps = rate if 0 < rate < FASTEST else None
        self.total = int(count) if 0 < count < 2**31 else None
        """Number of frames, from the header or estimated from the duration; None for live streams."""

    def read(self) -> ByteArray | None:
        """Return the next frame, (H, W, 3) BGR, rotated as the file states; None at the end."""
        with _SILENCE:
            done, image = self._capture.read()
        return as_bgr(image) if done else None

    def stamp(self) -> float:
        """Return the container's time stamp of the last frame in seconds; 0 without one."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def close(self) -> None:
        self._capture.release()


class VideoWriter:
    """Writes BGR frames to an .mp4 file atomically; use it in a `with` statement.

    The first frame sets the size; odd sides grow by one pixel repeated from the edge, because codecs need even sides.
    Frames of another size are scaled to fit on black. The file appears at the end of the block, unless that raises or
    there was no frame.
    """

    def __init__(self, path: Path, fps: float) -> None:
        if path.suffix.lower() != '.mp4':
            raise OutputError(f'a video must be written to a name that ends in .mp4, got {path}')
        if not is_utf8(str(path.absolute())):
            raise OutputError(f'cannot write {path}: OpenCV can only use names in UTF-8; choose another')
        if not 0 < fps <= FASTEST:
            raise SettingsError(f'fps must be above 0 and at most {FASTEST:g}, got {fps}')
        self.path = path
        self.fps = fps
        self.frames = 0
        self._size = (0, 0)
        self._file: contextlib.AbstractContextManager[Path] | None = None
        self._temporary = path
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> 'VideoWriter':
        return self

    def write(self, image: ByteArray) -> None:
        """Add a frame; raises OutputError if the first one cannot be written."""
        image = as_bgr(image)
        writer = self._writer or self._begin(image)
        with _SILENCE:
            writer.write(_fitted(image, self._size))
        self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            with _SILENCE:
                self._writer.release()
        if self._file is None:
            return
        failure = _GivenUpError() if error is not None else self._defect()
        # Not the exception of the block: its OSError would be reported as one of this file.
        self._file.__exit__(type(failure) if failure else None, failure, None)
        if isinstance(failure, OutputError):
            raise failure

    def _begin(self, image: ByteArray) -> cv2.VideoWriter:
        height, width = image.shape[:2]
        self._size = (width + width % 2, height + height % 2)
        file = atomic_write(self.path)
        self._temporary = file.__enter__()
        self._file = file
        for codec in CODECS:
            # The last codec is not tried out; `_defect` checks the file.
            if codec == CODECS[-1] or codec_works(codec):
                self._writer = open_writer(self._temporary, codec, self.fps, self._size)
                if self._writer.isOpened():
                    return self._writer
        raise OutputError(
            f'cannot write {self.path}: this OpenCV ({cv2.__version__}) writes {self._size[0]}x{self._size[1]} video '
            f'as none of {", ".join(CODECS)}; write images instead, or install opencv-python from PyPI'
        )

    def _defect(self) -> OutputError | None:
        """Return the error of the written file; OpenCV does not report a full disk."""
        kept = frames_in(self._temporary)
        if abs(kept - self.frames) <= min(APPROXIMATE, self.frames - 1):
            return None
        return OutputError(
            f'cannot write {self.path}: of {self.frames} frames, {kept} can be read back; is the disk full?'
        )


class _GivenUpError(Exception):
    """Makes `atomic_write` remove the file."""


def is_utf8(name: str) -> bool:
    """Whether a name is UTF-8; OpenCV crashes on others."""
    return not any('\ud800' <= letter <= '\udfff' for letter in name)


def open_writer(path: Path, codec: str, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """Return OpenCV's writer of (width, height) frames, which may not be open."""
    with _SILENCE.with_ffmpeg():
        return cv2.VideoWriter(str(path.absolute()), cv2.VideoWriter.fourcc(*codec), fps, size)


def frames_in(path: Path) -> int:
    """Return the frame count of a video file; 0 if the first frame cannot be read."""
    with contextlib.closing(Capture(str(path.absolute()))) as capture:
        return (capture.total or 0) if capture.read() is not None else 0


@functools.cache
def codec_works(codec: str) -> bool:
    """Test a codec on a small file; encoders of missing or broken hardware open but write nothing."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory() as folder, _SILENCE:
        path = Path(folder) / 'trial.mp4'
        writer = open_writer(path, codec, 25, (64, 64))
        for grey in range(4):
            writer.write(np.full((64, 64, 3), grey * 60, np.uint8))
        writer.release()
        return frames_in(path) == 4
    return False


def _fitted(image: ByteArray, size: tuple[int, int]) -> ByteArray:
    """Return a frame of (width, height): extended by a pixel to even sides, or scaled between black bars."""
    (height, width), (full_width, full_height) = image.shape[:2], size
    right, below = full_width - width, full_height - height
    if right not in (0, width % 2) or below not in (0, height % 2):
        canvas = np.zeros((full_height, full_width, 3), np.uint8)
        Letterbox.fit_inside((height, width), (full_height, full_width)).draw(image, canvas)
        return canvas
    return np.pad(image, ((0, below), (0, right), (0, 0)), 'edge') if right or below else image
