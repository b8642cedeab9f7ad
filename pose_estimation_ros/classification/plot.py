"""Drawing the best classes on an image, as thawro's code does."""

from collections.abc import Sequence

import cv2
import numpy as np

from pose_estimation_ros.classification.scores import Prediction
from pose_estimation_ros.core.arrays import AnyArray, ByteArray

ROWS = 512
"""Height of drawings."""
MARGIN = 10
COVERAGE = 0.8
"""Of the box behind texts."""
GREY = (128, 128, 128)
GREEN = (80, 255, 80)
WHITE = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALES = ((224, 0.3), (336, 0.5))
"""Up to which smaller side of the drawing, and the scale of the font."""
LARGE_FONT = 0.7


def draw_predictions(image: AnyArray, predictions: Sequence[Prediction], target: str = '') -> ByteArray:
    """Return a resized copy of a BGR image with the classes at the top left, and the right one at the bottom right."""
    height, width = image.shape[:2]
    drawn = np.ascontiguousarray(cv2.resize(image, (max(1, width * ROWS // height), ROWS)), dtype=np.uint8)
    _draw_box(drawn, [str(each) for each in predictions], GREY)
    if target:
        _draw_box(drawn, [target], GREEN, at_end=True)
    return drawn


def _draw_box(image: ByteArray, lines: Sequence[str], colour: tuple[int, int, int], at_end: bool = False) -> None:
    """Draw lines on a box in a corner, in place."""
    scale = next((scale for side, scale in FONT_SCALES if min(image.shape[:2]) <= side), LARGE_FONT)
    sizes = [cv2.getTextSize(line, FONT, scale, 1)[0] for line in lines]
    pitch = max(height for _, height in sizes) + MARGIN
    box_hw = pitch * len(lines) + MARGIN, max(width for width, _ in sizes) + 2 * MARGIN
    top, left = (max(0, side - box) if at_end else 0 for side, box in zip(image.shape[:2], box_hw, strict=True))
    part = image[top : top + box_hw[0], left : left + box_hw[1]]
    part[:] = cv2.addWeighted(part, 1 - COVERAGE, np.full_like(part, colour), COVERAGE, 0)
    for number, line in enumerate(lines, 1):
        cv2.putText(image, line, (left + MARGIN, top + number * pitch), FONT, scale, WHITE, 1, cv2.LINE_AA)
