"""Person detectors: the boxes that top-down methods crop."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import POSE_MARGIN, Boxes, with_margin
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.settings import setting

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectorChoice:
    """Which detector finds the people."""

    group: ClassVar[str] = 'people'

    detector: str | None = setting(
        None, 'YOLOX person detector, an ONNX file (`download detector` fetches one).',
        metavar='PATH', unset='', default_text='none: each image is one person',
    )  # fmt: skip


class PersonDetector(Protocol):
    """Finds boxes around people. Known boxes are passed to a top-down pipeline directly."""

    def __call__(self, image: ByteArray) -> Boxes:
        """Return where people are in an (H, W, 3) BGR image, in its pixels."""


class WholeImage:
    """Takes every image for one person, for images that are cropped already.

    A `note` is logged at the first image.
    """

    def __init__(self, note: str = '') -> None:
        self._note = note

    def __call__(self, image: ByteArray) -> Boxes:
        if self._note:
            LOG.info(self._note)
            self._note = ''
        height, width = image.shape[:2]
        return Boxes.certain(np.array([[-0.5, -0.5, width, height]]))


@dataclass(frozen=True, eq=False)
class PosesAsBoxes:
    """Takes the people that another method, such as a bottom-up one, found."""

    find: Callable[[ByteArray], list[Pose]]
    margin: float = POSE_MARGIN

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 1:
            raise SettingsError(f'margin must be from 0 to 1, got {self.margin}')

    def __call__(self, image: ByteArray) -> Boxes:
        """Return boxes around the keypoints of all people found."""
        poses = self.find(image)
        rows = np.array([pose.bbox for pose in poses]).reshape(-1, 4)
        scores = np.array([pose.score for pose in poses])
        return Boxes(with_margin(rows, self.margin), np.clip(scores, 0, 1)).usable()
