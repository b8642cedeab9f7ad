"""The JSON that `infer --json` and `bag --json` write, and reading boxes from it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from pose_estimation_ros.core.boxes import Boxes, with_margin
from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton


def pose_record(pose: Pose) -> dict[str, Any]:
    """Return a pose in the JSON format; a missing keypoint is null."""
    keypoints = [
        [round(float(x), 2), round(float(y), 2), round(float(score), 4)] if np.isfinite(x) else None
        for x, y, score in pose.keypoints
    ]
    return {
        'id': pose.id,
        'score': round(pose.score, 4),
        'bbox': [round(side, 2) for side in pose.bbox],
        'keypoints': keypoints,
    }


class PoseJsonWriter:
    """Writes `{"skeleton": ..., "frames": [...]}` frame by frame, with constant memory."""

    def __init__(self, file: TextIO, skeleton: Skeleton) -> None:
        self._file, self._frames = file, 0
        file.write(f'{{"skeleton": {json.dumps(skeleton.describe())}, "frames": [')

    def add(self, source: str, index: int, stamp: float, image_hw: tuple[int, int], poses: list[Pose]) -> None:
        frame = {
            'source': source,
            'index': index,
            'stamp': round(stamp, 6),
            'width': image_hw[1],
            'height': image_hw[0],
            'poses': [pose_record(pose) for pose in poses],
        }
        self._file.write((',\n' if self._frames else '\n') + json.dumps(frame, allow_nan=False))
        self._frames += 1


@contextlib.contextmanager
def written_poses(path: Path, skeleton: Skeleton, stream: TextIO | None = None) -> Iterator[PoseJsonWriter]:
    """Yield a writer to a file that appears at the end of the block, or to `stream` instead."""
    if stream:
        yield PoseJsonWriter(stream, skeleton)
        print('\n]}', file=stream, flush=True)
        return
    with atomic_write(path) as temporary, temporary.open('w') as file:
        yield PoseJsonWriter(file, skeleton)
        file.write('\n]}\n')


def read_boxes(path: Path) -> dict[tuple[str, int], Boxes]:
    """Return boxes, with a margin, by source and frame index from a file of poses.

    Raises DatasetError unless the file was written by `infer --json`.
    """
    try:
        frames = json.loads(path.read_text(encoding='utf-8'))['frames']
        return {(str(frame['source']), int(frame['index'])): _boxes(frame['poses']) for frame in frames}
    except OSError as error:
        raise DatasetError(f'cannot read boxes from {path}: {error.strerror}') from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f'{path} must be a file of poses as `infer --json` writes it, with frames of source, index and poses'
        ) from error


def _boxes(poses: list[dict[str, Any]]) -> Boxes:
    rows = np.array([pose['bbox'] for pose in poses], dtype=float).reshape(-1, 4)
    return Boxes(with_margin(rows), np.clip([float(pose['score']) for pose in poses], 0, 1))
