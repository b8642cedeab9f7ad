"""The plots that explain poses, in a folder for each image or video."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.apps.commands.annotated import DEFAULT_FPS, files_read, stem_of
from pose_estimation_ros.core.errors import OutputError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.image import write_image
from pose_estimation_ros.core.plots import text_box
from pose_estimation_ros.data.sources import Frame, Source
from pose_estimation_ros.data.video import VideoWriter
from pose_estimation_ros.inference.pipeline import ExplainingPipeline, milliseconds_since
from pose_estimation_ros.methods.explanation import Explanation
from pose_estimation_ros.methods.plots import plots_of

FONT_SIZE = 0.5


class PlotOutput:
    """Writes DIR/<name of the source>/heatmaps.jpg and so on for images, .mp4 for videos."""

    def __init__(self, folder: Path, sources: Sequence[Source], pipeline: ExplainingPipeline) -> None:
        self._folder, self._pipeline, self._read = folder, pipeline, files_read(sources)
        self._stack = contextlib.ExitStack()
        self._videos: dict[str, VideoWriter] = {}
        self._own: Path | None = None
        self._folders: set[Path] = set()
        self.paths: list[Path] = []

    def __enter__(self) -> 'PlotOutput':
        return self

    def add(self, source: Source, frame: Frame) -> None:
        """Run the network on a frame, and write or add what it finds and why."""
        start = time.perf_counter()
        found = self._pipeline.explain(frame.image)
        latency_ms = milliseconds_since(start)
        if source.kind == 'image':
            own = self._new_folder(Path(frame.source).stem)
            for name, plot in plots_of(frame.image, found).items():
                write_image(self._free(own / f'{name}.jpg'), plot)
            return
        self._own = self._own or self._new_folder(stem_of(source))
        number = f'{frame.index + 1} / {source.total}' if source.total else f'{frame.index + 1}'
        input_hw = 'Model input shape: {} x {}'.format(*found.placement.network_hw)
        for name, plot in plots_of(frame.image, sorted_by_tag(found)).items():
            text_box(plot, [number, input_hw, f'Latency: {latency_ms:.0f} ms'], FONT_SIZE)
            self._video(name, self._own, source.fps or DEFAULT_FPS).write(plot)

    def _video(self, name: str, folder: Path, fps: float) -> VideoWriter:
        if name not in self._videos:
            path = self._free(folder / f'{name}.mp4')
            self._videos[name] = self._stack.enter_context(VideoWriter(path, fps))
        return self._videos[name]

    def finish_source(self) -> None:
        """Close the videos of a source that has ended."""
        self._stack.close()
        self._videos, self._own = {}, None

    def _new_folder(self, stem: str) -> Path:
        folder, number = self._folder / stem, 2
        while folder in self._folders:
            folder, number = self._folder / f'{stem}_{number}', number + 1
        self._folders.add(folder)
        return make_folder(folder)

    def _free(self, path: Path) -> Path:
        """Return a path that is no source's; raises OutputError."""
        if path.resolve() in self._read:
            raise OutputError(f'{path} is itself a source and would be overwritten; choose another --output folder')
        self.paths.append(path)
        return path

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


def sorted_by_tag(found: Explanation) -> Explanation:
    """Return people in the order of their mean first tags, which keeps their colours from frame to frame."""
    if not found.tags.size:
        return found
    tags = found.tags[..., 0]
    counts = np.maximum(np.isfinite(tags).sum(axis=1), 1)
    order = np.argsort(np.nansum(tags, axis=1) / counts, kind='stable')
    return replace(found, poses=[found.poses[each] for each in order], tags=found.tags[order])
