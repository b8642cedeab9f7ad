"""Images that are scaled to one height before a pipeline sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.inference.pipeline import PeoplePipeline, Result


@dataclass(frozen=True, eq=False)
class ResizedInput:
    """Scales images to a height before a pipeline, and its poses back."""

    pipeline: PeoplePipeline
    rows: int

    def __call__(self, image: ByteArray) -> Result:
        """Find the people in an (H, W, 3) BGR image."""
        return self.batch([image])[0]

    def batch(self, images: Sequence[ByteArray]) -> list[Result]:
        """Find the people in several images; scaling them is not counted as time."""
        results = self.pipeline.batch([self._scaled(image) for image in images])
        return [_back(result, image.shape[0] / self.rows) for result, image in zip(results, images, strict=True)]

    def _scaled(self, image: ByteArray) -> ByteArray:
        if image.shape[0] == self.rows:
            return image
        scale = self.rows / image.shape[0]
        scaled = cv2.resize(image, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(scaled, np.uint8)


def _back(result: Result, scale: float) -> Result:
    to_image = Affine.scaling(scale)
    return Result([pose.moved(to_image(pose.keypoints[:, :2])) for pose in result.poses], result.timings)
