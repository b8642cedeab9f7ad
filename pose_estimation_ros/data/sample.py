"""A sample: one annotated image, returned by datasets and changed by transforms."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, ByteArray, FloatArray

NOT_LABELLED, HIDDEN, VISIBLE = 0.0, 1.0, 2.0  # COCO's flags of a keypoint


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and its people, independent of methods. The top-left pixel covers -0.5 to 0.5."""

    image: ByteArray  # (H, W, 3) BGR
    mask: AnyArray  # (H, W) uint8: 1 for pixels that a loss uses, 0 in crowds and other regions without annotations
    keypoints: FloatArray  # (P, K, 3): x and y in image pixels, and COCO's flag
    boxes: FloatArray  # (P, 4): x, y, width, height around each whole person, in image pixels
    areas: FloatArray  # (P,): square pixels of each person (COCO's segment area)
    annotated: BoolArray  # (K,): keypoints that this dataset labels; the others are unknown for all people
    extras: dict[str, Any] = field(default_factory=dict)  # Other data of the image, such as `image_id` and `path`
    mirrored: bool = False  # Whether a transform mirrored the image; keypoints and mask are mirrored with it

    @property
    def joints(self) -> FloatArray:
        """Old name of `keypoints`, to be removed in the next version."""
        warnings.warn('Sample.joints is now Sample.keypoints; use the new name', DeprecationWarning, stacklevel=2)
        return self.keypoints


def boxes_of(keypoints: FloatArray) -> FloatArray:
    """Return the boxes (P, 4) around labelled keypoints (P, K, 3), zeros for people without any."""
    boxes = np.zeros((len(keypoints), 4))
    for box, person in zip(boxes, keypoints, strict=True):
        labelled = person[person[:, 2] > NOT_LABELLED, :2]
        if len(labelled):
            box[:2] = labelled.min(axis=0)
            box[2:] = labelled.max(axis=0) - box[:2]
    return boxes
