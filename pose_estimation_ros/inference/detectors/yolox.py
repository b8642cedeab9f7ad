"""A person detector out of an ONNX file of the YOLOX family (Ge et al., 2021), through ONNX Runtime."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.boxes import Boxes, after_nms
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.inference.backends.backend import thread_count

STRIDES = (8, 16, 32)
PAD = 114
"""Grey level of the padding below and right of the image."""

PERSON = 0
"""Index among COCO's 80 classes."""

BOX_COLUMNS = 5
"""Middle x and y, width, height and objectness; the classes follow."""


@dataclass(frozen=True)
class YoloxSettings:
    """Settings of the detector; the defaults are those of the published demo."""

    group: ClassVar[str] = 'people'

    score_threshold: float = setting(
        0.3, 'Minimum score of a detected box.', range=(0, 1), requires='detector',
        option='detector_score_threshold', parameter='detector_score_threshold',
        argument='detector_settings.score_threshold',
    )  # fmt: skip
    nms_threshold: float = setting(
        0.45, 'NMS IoU threshold of detected boxes.', range=(0, 1), requires='detector',
        option='detector_nms_threshold', parameter='detector_nms_threshold',
        argument='detector_settings.nms_threshold',
    )  # fmt: skip
    max_persons: int = setting(
        0, 'Maximum number of boxes, best first; 0 for no limit.', range=(0, math.inf), option=None, parameter=None
    )

    def __post_init__(self) -> None:
        check_settings(self, prefix="the detector's ")


class YoloxDetector:
    """Runs a YOLOX file whose output is the raw grid, (N, cells, 5 + classes), as published for ONNX.

    The input is BGR from 0 to 255; the image lies in its top-left corner, scaled to fit.

    Raises:
        WeightsError: The file cannot be read, or is not a YOLOX model.

    """

    def __init__(
        self,
        path: str | Path,
        settings: YoloxSettings | None = None,
        providers: Sequence[str] = ('CPUExecutionProvider',),
        threads: int = 0,
    ) -> None:
        self.path, self.settings = Path(path), settings or YoloxSettings()
        self._session = _open(self.path, providers, threads)
        source = self._session.get_inputs()[0]
        height, width = source.shape[2:4] if len(source.shape) == 4 else (None, None)
        if not isinstance(height, int) or not isinstance(width, int):
            raise WeightsError(f'{path} has no input of one size, got {source.shape}; export YOLOX with a fixed size')
        self.network_hw, self._input = (height, width), source.name
        self._grid = grid(self.network_hw)  # (cells, 3)
        shape = self._session.get_outputs()[0].shape
        if len(shape) != 3 or shape[1] != len(self._grid) or not isinstance(shape[2], int) or shape[2] <= BOX_COLUMNS:
            raise WeightsError(
                f'{path} is no YOLOX model: expected an output of (1, {len(self._grid)}, 5 + classes) for inputs of'
                f' {width}x{height}, got {shape}'
            )

    def __call__(self, image: ByteArray) -> Boxes:
        batch, scale = letterboxed(image, self.network_hw)
        output = self._session.run(None, {self._input: batch})[0][0]  # (cells, 5 + classes)
        found = decoded(output, self._grid, self.settings.score_threshold)
        to_image = Boxes(found.xywh / scale - [0.5, 0.5, 0, 0], found.scores)
        return after_nms(to_image.usable(), self.settings.nms_threshold).best(self.settings.max_persons)


def _open(path: Path, providers: Sequence[str], threads: int) -> Any:
    import onnxruntime

    if not path.is_file():
        raise WeightsError(f'there is no detector at {path}; give an ONNX file, or run download detector first')
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = thread_count(threads)
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's exceptions have no public base class
        raise WeightsError(f'{path} is no ONNX model that can be used: {str(error).splitlines()[0][:200]}') from error


def letterboxed(image: ByteArray, network_hw: tuple[int, int]) -> tuple[FloatArray, float]:
    """Return the network's input (1, 3, H, W) and the scale of the image."""
    height, width = image.shape[:2]
    scale = min(network_hw[0] / height, network_hw[1] / width)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    frame = np.full((*network_hw, 3), PAD, np.uint8)
    frame[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(frame.transpose(2, 0, 1)[None], dtype=np.float32), scale


def grid(network_hw: tuple[int, int]) -> FloatArray:
    """Return column, row and stride (cells, 3) of every cell, the finest maps first."""
    rows = []
    for stride in STRIDES:
        y, x = np.mgrid[: network_hw[0] // stride, : network_hw[1] // stride]
        rows.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], axis=1))
    return np.concatenate(rows).astype(np.float32)


def decoded(output: FloatArray, grid: FloatArray, threshold: float) -> Boxes:
    """Return the people (N) among a network's output (cells, 5 + classes), in input pixels from their corner.

    A cell holds the middle as an offset from its own corner in cells, and width and height as logarithms of cells.
    """
    scores = output[:, 4] * output[:, BOX_COLUMNS + PERSON]
    people = np.flatnonzero(scores > threshold)
    rows, cells, stride = output[people], grid[people, :2], grid[people, 2:]
    with np.errstate(over='ignore'):
        middle, size = (rows[:, :2] + cells) * stride, np.exp(rows[:, 2:4]) * stride
    return Boxes(np.concatenate([middle - size / 2, size], axis=1), scores[people])
