"""Boxes around people: how much they overlap, growing them, keeping those apart; the crops cut by them.

A box is x, y, width, height; x and y are its corner in pixels that count from the centre of the top-left one.
"""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.core.geometry import Affine, CentredAffine, centred_affine

POSE_MARGIN = 0.1
"""How far beyond their keypoints people are taken to reach on each side, as a share of their box's greater side."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Where people are: `xywh` (N, 4) and how sure that is, `scores` (N,) from 0 to 1."""

    xywh: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        xywh = np.array(self.xywh, dtype=float).reshape(-1, 4)
        scores = np.array(self.scores, dtype=float).reshape(-1)
        if len(xywh) != len(scores):
            raise ValueError(f'there must be a score for each box, got {len(xywh)} boxes and {len(scores)} scores')
        object.__setattr__(self, 'xywh', xywh)
        object.__setattr__(self, 'scores', scores)

    @classmethod
    def sure(cls, xywh: FloatArray) -> 'Boxes':
        """Return boxes of which there is no doubt."""
        rows = np.asarray(xywh, dtype=float).reshape(-1, 4)
        return cls(rows, np.ones(len(rows)))

    def __len__(self) -> int:
        return len(self.xywh)

    def __getitem__(self, chosen: IntArray | slice) -> 'Boxes':
        return Boxes(self.xywh[chosen], self.scores[chosen])

    def __add__(self, other: 'Boxes') -> 'Boxes':
        return Boxes(np.concatenate([self.xywh, other.xywh]), np.concatenate([self.scores, other.scores]))

    def usable(self) -> 'Boxes':
        """Return those that are finite and have an inside."""
        finite = np.isfinite(self.xywh).all(axis=1) & np.isfinite(self.scores)
        with np.errstate(invalid='ignore'):
            return self[np.flatnonzero(finite & (self.xywh[:, 2:] > 0).all(axis=1))]

    def best(self, count: int) -> 'Boxes':
        """Return the surest so many, the surest first; 0 for all."""
        order = np.argsort(-self.scores, kind='stable')
        return self[order[: count or None]]


NOBODY = Boxes(np.zeros((0, 4)), np.zeros(0))


def enlarged(boxes: FloatArray, share: float) -> FloatArray:
    """Return boxes whose width and height are greater by a share, about the same middle."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    grown: FloatArray = np.hstack([boxes[:, :2] - boxes[:, 2:] * share / 2, boxes[:, 2:] * (1 + share)])
    return grown


def with_margin(xywh: FloatArray, margin: float = POSE_MARGIN) -> FloatArray:
    """Return boxes (N, 4) with a margin on each side, a share of their greater side."""
    extra = margin * xywh[:, 2:].max(axis=1, initial=0)[:, None]
    grown: FloatArray = np.concatenate([xywh[:, :2] - extra, xywh[:, 2:] + 2 * extra], axis=1)
    return grown


def overlaps(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return intersection over union (N, M) of every box with every other; 0 where both are empty."""
    boxes, others = (np.asarray(each, dtype=np.float64).reshape(-1, 4) for each in (boxes, others))
    common = _common(boxes, others)
    together = boxes[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None] - common
    overlap: FloatArray = common / np.where(together > 0, together, 1)
    return overlap


def covered(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return how large a part (N, M) of every other lies within every box; 0 where the other is empty."""
    boxes, others = (np.asarray(each, dtype=np.float64).reshape(-1, 4) for each in (boxes, others))
    areas = others[:, 2:].prod(axis=1)
    part: FloatArray = _common(boxes, others) / np.where(areas > 0, areas, 1)
    return part


def _common(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return the area (N, M) that every box shares with every other."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    common: FloatArray = np.maximum(high - low, 0).prod(axis=2)
    return common


def suppressed(boxes: Boxes, threshold: float) -> Boxes:
    """Return the boxes of which no surer one shares more than `threshold` of the union, the surest first."""
    ordered = boxes.best(0)
    return ordered[keep_apart(ordered.xywh, threshold)]


def keep_apart(boxes: FloatArray, overlap: float) -> IntArray:
    """Return the places of the boxes that remain when each removes all after it that it overlaps by more."""
    return keep_unlike(overlaps(boxes, boxes), overlap)


def keep_unlike(likeness: FloatArray, threshold: float) -> IntArray:
    """Return which of N things, in descending order of worth, are not more than `threshold` like one that is kept."""
    left = np.ones(len(likeness), bool)
    kept = []
    for place in range(len(likeness)):
        if left[place]:
            kept.append(place)
            left &= likeness[place] <= threshold
    return np.array(kept, dtype=int)


@dataclass(frozen=True)
class PersonCrop:
    """The part of an image that is shown to a top-down network: what lies around a box, in the network's shape.

    The published rule: the box grows about its middle to the shape of the network's input, and then by `padding`.
    """

    centre: tuple[float, float]
    """x and y in image pixels."""
    size: tuple[float, float]
    """Width and height in image pixels."""

    @classmethod
    def around(cls, box: FloatArray, network_hw: tuple[int, int], padding: float = 1.25) -> 'PersonCrop':
        """Return the crop around a box (4,) for a network's input."""
        x, y, width, height = (float(each) for each in box)
        centre = (x + width / 2, y + height / 2)
        aspect = network_hw[1] / network_hw[0]
        width, height = max(width, height * aspect), max(height, width / aspect)
        return cls(centre, (width * padding, height * padding))

    def to_network(self, network_hw: tuple[int, int], degrees: float = 0.0, factor: float = 1.0) -> Affine:
        """Return the published map from image pixels to those of a network's input.

        The box's middle comes to lie at half the input's sides, without regard to pixel centres: the published
        networks learnt it so, and their keypoints come back by the inverse.

        Args:
            network_hw: Height and width of the input.
            degrees: How far the image is turned counter-clockwise, as seen on a screen.
            factor: How much more of the image is shown.

        """
        return centred_affine(self.centre, network_hw[1] / (self.size[0] * factor), network_hw, -degrees)

    def placement(
        self, image_hw: tuple[int, int], network_hw: tuple[int, int], label_offset: float = 0.0
    ) -> CentredAffine:
        """Return how the crop lies in a network's input; `label_offset` is CentredAffine's."""
        return CentredAffine(image_hw, network_hw, self.to_network(network_hw), label_offset)
