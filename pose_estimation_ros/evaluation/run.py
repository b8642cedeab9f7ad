"""Runs a model over many images: detections, and the time of each stage."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import NOBODY, Boxes
from pose_estimation_ros.core.errors import DatasetError, ImageError
from pose_estimation_ros.core.image import to_bgr
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.evaluation.detections import coco_detection
from pose_estimation_ros.inference.pipeline import Result, Timings

LOG = logging.getLogger(__name__)

Infer = Callable[..., Sequence[Result]]  # Takes images and, if boxes are given, a list of boxes for each
Entry = tuple[int, 'Path | ByteArray']  # An image's id, and its file or pixels

DETECT = 'detect'  # The stage of person detection, which only some methods have
STAGES = {
    DETECT: 'detect_ms',
    'preprocess': 'preprocess_ms',
    'forward': 'forward_ms',
    'decode': 'decode_ms',
    'total': 'total_ms',
}


@dataclass(frozen=True, eq=False)
class Run:
    """Detections and timings of a model on many images."""

    detections: list[dict[str, Any]]  # In COCO's result format
    timings: list[Timings]  # One for each image; the time of a batch is divided equally
    image_ids: list[int]  # Images that were processed
    unreadable: list[str]  # Errors of the images that were skipped

    @property
    def ms_per_image(self) -> float:
        """Median milliseconds per image, without reading it from disk; NaN without images."""
        return float(np.median([each.total_ms for each in self.timings])) if self.timings else float('nan')

    def timing_table(self) -> str:
        lines = [f' {"ms per image":<22}{"median":>9}{"p95":>9}']
        for name, (median, p95) in self.timing_summary().items():
            lines.append(f' {name:<22}{median:9.2f}{p95:9.2f}')
        return '\n'.join(lines)

    def timing_summary(self) -> dict[str, tuple[float, float]]:
        """Return median and 95th percentile by stage, in milliseconds; {} without images."""
        if not self.timings:
            return {}
        columns = {name: [getattr(each, field) for each in self.timings] for name, field in STAGES.items()}
        spread = {name: (float(np.median(ms)), float(np.percentile(ms, 95))) for name, ms in columns.items()}
        return {name: both for name, both in spread.items() if name != DETECT or both[1]}


def evaluate_images(
    infer: Infer,
    entries: Iterable[Entry],
    batch: int = 1,
    *,
    boxes: Mapping[int, Boxes] | None = None,
    total: int | None = None,
    skip_unreadable: bool = False,
    skeleton: Skeleton = COCO_17,
    progress: bool = True,
) -> Run:
    """Detect the people in all images and show a progress bar over `total` images.

    `infer` takes at most `batch` images (H, W, 3) BGR and returns a result for each, such as a pipeline's `batch`; no
    more are in memory at a time. Boxes of people by image id are its second argument; other images have nobody in
    them. `skeleton` is that of the detections. Raises DatasetError if an image cannot be read, unless such images are
    to be skipped and listed.
    """
    if total is None and isinstance(entries, Sequence):
        total = len(entries)
    run = Run([], [], [], [])
    iterator = iter(entries)
    with tqdm(total=total, desc='evaluating', unit='image', leave=False, disable=not progress) as bar:
        while chunk := list(islice(iterator, batch)):
            read = list(_read(chunk, run.unreadable, skip_unreadable))
            images = [image for _, image in read]
            chunk_boxes = [] if boxes is None else [[boxes.get(image_id, NOBODY) for image_id, _ in read]]
            results = infer(images, *chunk_boxes) if read else []
            for (image_id, _), result in zip(read, results, strict=True):
                run.image_ids.append(image_id)
                run.timings.append(result.timings)
                run.detections.extend(coco_detection(pose, image_id, skeleton) for pose in result.poses)
            bar.update(len(chunk))
    return run


def _read(chunk: list[Entry], unreadable: list[str], skip: bool) -> Iterator[tuple[int, ByteArray]]:
    """Yield the readable images of a chunk; record errors for the rest."""
    for image_id, image in chunk:
        try:
            yield image_id, to_bgr(image)
        except ImageError as error:
            if not skip:
                raise DatasetError(
                    f'image {image_id} of the dataset: {error}; repair it, or skip unreadable images'
                ) from error
            unreadable.append(str(error))
            LOG.warning('%s; skipped', error)
