"""Drawing the best classes on an image, as thawro's code does."""

from collections.abc import Sequence

import cv2
import numpy as np

from pose_estimation_ros.classification.scores import Prediction
from pose_estimation_ros.core.arrays import AnyArray, ByteArray
from pose_estimation_ros.core.geometry import MAX_ASPECT
from pose_estimation_ros.core.plots import text_box

ROWS = 512
"""Height of drawings; they are at most MAX_ASPECT times as wide, and squeeze wider images."""
COVERAGE = 0.8
"""Of the box behind texts."""
GREEN = (80, 255, 80)
FONT_SCALES = ((224, 0.3), (336, 0.5))
"""Up to which smaller side of the drawing, and the scale of the font."""
LARGE_FONT = 0.7


def draw_predictions(image: AnyArray, predictions: Sequence[Prediction], target: str = '') -> ByteArray:
    """Return a resized copy of a BGR image with the classes at the top left, and the right one at the bottom right."""
    height, width = image.shape[:2]
    columns = min(max(1, width * ROWS // height), ROWS * MAX_ASPECT)
    drawn = np.ascontiguousarray(cv2.resize(image, (columns, ROWS)), dtype=np.uint8)
    size = next((scale for side, scale in FONT_SCALES if min(drawn.shape[:2]) <= side), LARGE_FONT)
    if predictions:
        text_box(drawn, [str(each) for each in predictions], size, coverage=COVERAGE)
    if target:
        text_box(drawn, [target], size, GREEN, COVERAGE, at_end=True)
    return drawn
