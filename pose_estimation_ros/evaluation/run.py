"""Running a model over many pictures: detections, and how long each stage took."""

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

Infer = Callable[..., Sequence[Result]]
"""Takes pictures and, where it is told where people are, a list of boxes for each."""
Entry = tuple[int, 'Path | ByteArray']
"""A picture's id, and its file or pixels."""

DETECT = 'detect'
"""A stage of methods that look for boxes first, and of no others."""

STAGES = {
    DETECT: 'detect_ms',
    'preprocess': 'preprocess_ms',
    'forward': 'forward_ms',
    'decode': 'decode_ms',
    'total': 'total_ms',
}


@dataclass(frozen=True, eq=False)
class Run:
    """What came of a run over pictures."""

    detections: list[dict[str, Any]]
    """In COCO's result format."""
    timings: list[Timings]
    """One a picture; of a batch each bears its share."""
    image_ids: list[int]
    """The pictures that were seen."""
    unreadable: list[str]
    """What is wrong with the pictures that were left out."""

    @property
    def ms_per_image(self) -> float:
        """Median milliseconds of a picture, reading it from disk excluded; NaN without pictures."""
        return float(np.median([each.total_ms for each in self.timings])) if self.timings else float('nan')

    def timing_table(self) -> str:
        """Return medians and 95th percentiles of every stage as text."""
        lines = [f' {"milliseconds an image":<22}{"median":>9}{"p95":>9}']
        for name, (median, p95) in self.timing_summary().items():
            lines.append(f' {name:<22}{median:9.2f}{p95:9.2f}')
        return '\n'.join(lines)

    def timing_summary(self) -> dict[str, tuple[float, float]]:
        """Return median and 95th percentile by stage, in milliseconds; {} without pictures."""
        if not self.timings:
            return {}
        columns = {name: [getattr(each, field) for each in self.timings] for name, field in STAGES.items()}
        spread = {name: (float(np.median(ms)), float(np.percentile(ms, 95))) for name, ms in columns.items()}
        return {name: both for name, both in spread.items() if name != DETECT or both[1]}


def evaluate_pictures(
    infer: Infer,
    pictures: Iterable[Entry],
    batch: int = 1,
    *,
    boxes: Mapping[int, Boxes] | None = None,
    total: int | None = None,
    skip_unreadable: bool = False,
    skeleton: Skeleton = COCO_17,
    progress: bool = True,
) -> Run:
    """Find the people in all pictures, under a progress bar; Ctrl-C ends it as in any loop, nothing is written.

    Args:
        infer: Takes at most `batch` pictures (H, W, 3) BGR and returns a result for each, such as a pipeline's `batch`
            or a learner's `infer_batch`.
        pictures: Ids and files or pixels; no more than `batch` are in memory at a time.
        batch: Pictures passed at a time.
        boxes: Where people are in each picture, by its id, which `infer` then takes as its second argument; pictures
            that are not among them have nobody in them.
        total: How many there are, for the bar; None where it is not known.
        skip_unreadable: Leave out pictures that cannot be read, and list them, rather than stop at the first.
        skeleton: That of the detections.
        progress: Show the bar.

    Raises:
        DatasetError: A picture cannot be read.

    """
    if total is None and isinstance(pictures, Sequence):
        total = len(pictures)
    run = Run([], [], [], [])
    with tqdm(total=total, desc='evaluating', unit='image', leave=False, disable=not progress) as bar:
        for chunk in _chunks(pictures, batch):
            read = list(_read(chunk, run.unreadable, skip_unreadable))
            images = [image for _, image in read]
            given = [] if boxes is None else [[boxes.get(image_id, NOBODY) for image_id, _ in read]]
            results = infer(images, *given) if read else []
            for (image_id, _), result in zip(read, results, strict=True):
                run.image_ids.append(image_id)
                run.timings.append(result.timings)
                run.detections.extend(coco_detection(pose, image_id, skeleton) for pose in result.poses)
            bar.update(len(chunk))
    return run


def _chunks(pictures: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    iterator = iter(pictures)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _read(chunk: list[Entry], unreadable: list[str], skip: bool) -> Iterator[tuple[int, ByteArray]]:
    """Yield the pictures of a chunk that can be read, and note the others."""
    for image_id, picture in chunk:
        try:
            yield image_id, to_bgr(picture)
        except ImageError as error:
            if not skip:
                raise DatasetError(f'image {image_id} of the dataset: {error}; mend it, or skip unreadable') from error
            unreadable.append(str(error))
            LOG.warning('%s; left out', error)
