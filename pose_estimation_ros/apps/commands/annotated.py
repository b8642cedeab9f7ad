"""Annotated images and videos in a folder; none is left half-written."""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import OutputError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.image import write_image
from pose_estimation_ros.data.sources import Frame, Source
from pose_estimation_ros.data.video import VideoWriter

DEFAULT_FPS = 15.0
"""Frames per second of a camera that does not report its rate."""

ENCODABLE = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'})


class AnnotatedOutput:
    """Writes an annotated image or video for each source, named after it."""

    def __init__(self, folder: Path, sources: Sequence[Source]) -> None:
        self._folder = make_folder(folder)
        self._read = files_read(sources)
        self._stack = contextlib.ExitStack()
        self._video: VideoWriter | None = None
        self.paths: list[Path] = []

    def __enter__(self) -> 'AnnotatedOutput':
        return self

    def add(self, source: Source, frame: Frame, annotated: ByteArray) -> None:
        """Write one annotated frame."""
        if source.kind == 'image':
            original = Path(frame.source)
            suffix = original.suffix.lower() if original.suffix.lower() in ENCODABLE else '.png'
            path = self._free_name(original.stem, suffix)
            write_image(path, annotated)
            self.paths.append(path)
            return
        if self._video is None:
            path = self._free_name(stem_of(source), '.mp4')
            self._video = self._stack.enter_context(VideoWriter(path, source.fps or DEFAULT_FPS))
            self.paths.append(path)
        self._video.write(annotated)

    def finish_source(self) -> None:
        """Close the video of a source that has ended."""
        self._stack.close()
        self._video = None

    def _free_name(self, stem: str, suffix: str) -> Path:
        """Return an unused name; raises OutputError if it is a source's."""
        path, number = self._folder / f'{stem}{suffix}', 2
        while path in self.paths:
            path, number = self._folder / f'{stem}_{number}{suffix}', number + 1
        if path.resolve() in self._read:
            raise OutputError(f'{path} is itself a source and would be overwritten; choose another --output folder')
        return path

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


def stem_of(source: Source) -> str:
    """Return a file name without suffix for a video, a camera or an address."""
    return re.sub(r'[^\w.-]+', '_', Path(source.name).stem).strip('_') or 'video'


def files_read(sources: Sequence[Source]) -> set[Path]:
    """Return the files that no result may overwrite, links followed."""
    return {file.resolve() for source in sources for file in source.files}
