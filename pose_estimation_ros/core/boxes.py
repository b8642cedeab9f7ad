"""Boxes around people: overlap, margins, non-maximum suppression, and the crops of top-down networks.

A box is x, y, width, height; x and y of its corner count from the centre of the top-left pixel.
"""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.core.geometry import Affine, CentredAffine, centred_affine

POSE_MARGIN = 0.1  # Margin of a person around the keypoints on each side, as a share of the box's longer side


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of people, `xywh` (N, 4), and their `scores` (N,) from 0 to 1."""

    xywh: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        xywh = np.array(self.xywh, dtype=float).reshape(-1, 4)
        scores = np.array(self.scores, dtype=float).reshape(-1)
        if len(xywh) != len(scores):
            raise ValueError(f'each box needs a score, got {len(xywh)} boxes and {len(scores)} scores')
        object.__setattr__(self, 'xywh', xywh)
        object.__setattr__(self, 'scores', scores)

    @classmethod
    def certain(cls, xywh: FloatArray) -> 'Boxes':
        """Return boxes with score 1."""
        rows = np.asarray(xywh, dtype=float).reshape(-1, 4)
        return cls(rows, np.ones(len(rows)))

    def __len__(self) -> int:
        return len(self.xywh)

    def __getitem__(self, chosen: IntArray | slice) -> 'Boxes':
        return Boxes(self.xywh[chosen], self.scores[chosen])

    def __add__(self, other: 'Boxes') -> 'Boxes':
        return Boxes(np.concatenate([self.xywh, other.xywh]), np.concatenate([self.scores, other.scores]))

    def usable(self) -> 'Boxes':
        """Return the boxes that are finite and not flat."""
        finite = np.isfinite(self.xywh).all(axis=1) & np.isfinite(self.scores)
        with np.errstate(invalid='ignore'):
            return self[np.flatnonzero(finite & (self.xywh[:, 2:] > 0).all(axis=1))]

    def best(self, count: int) -> 'Boxes':
        """Return the boxes with the highest scores, best first; 0 for all."""
        order = np.argsort(-self.scores, kind='stable')
        return self[order[: count or None]]


NOBODY = Boxes(np.zeros((0, 4)), np.zeros(0))


def enlarged(boxes: FloatArray, share: float) -> FloatArray:
    """Return boxes with width and height enlarged by a share about the same centre."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.hstack([boxes[:, :2] - boxes[:, 2:] * share / 2, boxes[:, 2:] * (1 + share)])


def with_margin(xywh: FloatArray, margin: float = POSE_MARGIN) -> FloatArray:
    """Return boxes (N, 4) with a margin on each side, a share of their longer side."""
    extra = margin * xywh[:, 2:].max(axis=1, initial=0)[:, None]
    return np.concatenate([xywh[:, :2] - extra, xywh[:, 2:] + 2 * extra], axis=1)


def overlaps(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return intersection over union (N, M) of every box with every other; 0 if both are empty."""
    boxes, others = (np.asarray(each, dtype=np.float64).reshape(-1, 4) for each in (boxes, others))
    common = _common(boxes, others)
    together = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None] - common
    return common / np.where(together > 0, together, 1)


def covered(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return the fraction (N, M) of each of M boxes that lies within each of N boxes; 0 for empty boxes."""
    boxes, others = (np.asarray(each, dtype=np.float64).reshape(-1, 4) for each in (boxes, others))
    areas = others[:, 2:].prod(axis=1)
    return _common(boxes, others) / np.where(areas > 0, areas, 1)


def _common(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return the area (N, M) of the intersection of every box with every other."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    common: FloatArray = np.maximum(high - low, 0).prod(axis=2)
    return common


def after_nms(boxes: Boxes, threshold: float) -> Boxes:
    """Return the boxes after non-maximum suppression at an IoU threshold, best first."""
    ordered = boxes.best(0)
    return ordered[nms_indices(overlaps(ordered.xywh, ordered.xywh), threshold)]


def nms_indices(similarity: FloatArray, threshold: float) -> IntArray:
    """Return the indices after non-maximum suppression by similarities (N, N), in descending order of score."""
    left = np.ones(len(similarity), bool)
    kept = []
    for index in range(len(similarity)):
        if left[index]:
            kept.append(index)
            left &= similarity[index] <= threshold
    return np.array(kept, dtype=int)


@dataclass(frozen=True)
class PersonCrop:
    """The part of an image around a box that is the input of a top-down network.

    The published rule: the box grows about its centre to the aspect ratio of the network's input, then by `padding`.
    """

    centre: tuple[float, float]  # x and y in image pixels
    size: tuple[float, float]  # Width and height in image pixels

    @classmethod
    def around(cls, box: FloatArray, network_hw: tuple[int, int], padding: float = 1.25) -> 'PersonCrop':
        x, y, width, height = (float(each) for each in box)
        centre = (x + width / 2, y + height / 2)
        aspect = network_hw[1] / network_hw[0]
        width, height = max(width, height * aspect), max(height, width / aspect)
        return cls(centre, (width * padding, height * padding))

    def to_network(self, network_hw: tuple[int, int], degrees: float = 0.0, factor: float = 1.0) -> Affine:
        """Return the published map from image pixels to pixels of a network's input.

        The centre of the box maps to half the input's sides, regardless of pixel centres: the published networks were
        trained so. `degrees` turn the image counter-clockwise, as seen on a screen; `factor` enlarges the crop.
        """
        return centred_affine(self.centre, network_hw[1] / (self.size[0] * factor), network_hw, -degrees)

    def placement(
        self, image_hw: tuple[int, int], network_hw: tuple[int, int], label_offset: float = 0.0
    ) -> CentredAffine:
        """Return the placement of the crop in a network's input; `label_offset` is CentredAffine's."""
        return CentredAffine(image_hw, network_hw, self.to_network(network_hw), label_offset)
