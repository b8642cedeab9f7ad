"""Pairs images with boxes of people from another node (vision_msgs/Detection2DArray) by their stamps."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from pose_estimation_ros.core.boxes import NOBODY, Boxes
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.data.camera_messages import seconds
from pose_estimation_ros.ros.parameters.node_settings import NodeSettings

KEPT = 30
LOG_S = 5.0
"""Minimum time between warnings, in seconds."""


class BoxBuffer:
    """Keeps the latest detections of a class ('' for all); filled by one thread, read by another.

    `max_age` is in seconds, between the stamps of image and detections.
    """

    def __init__(self, class_id: str, max_age: float, logger: Any) -> None:
        self._class_id, self._max_age, self._logger = class_id, max_age, logger
        self._lock = threading.Lock()
        self._messages: deque[Any] = deque(maxlen=KEPT)
        self.fault = ''
        """Why the last image had no boxes, '' if it had some."""

    def add(self, message: Any) -> None:
        """Keep a message of detections."""
        with self._lock:
            self._messages.append(message)

    def boxes(self, header: Any) -> Boxes:
        """Return the boxes of the message nearest in time to an image; if there is none, no boxes and a warning."""
        with self._lock:
            messages = list(self._messages)
        best, apart = nearest(messages, header)
        fault = '' if best is not None else 'no boxes have come on detections'
        if apart > self._max_age:
            fault = (
                f'the nearest boxes are {apart:.3f} s from the image, and boxes.max_age allows {self._max_age:g} s;'
                ' a faster detector, or a greater max_age'
            )
        self.fault = fault
        if fault:
            self._logger.warning(f'an image has no boxes: {fault}', throttle_duration_sec=LOG_S)
            return NOBODY
        return decode_boxes(best, self._class_id)


def nearest(messages: Sequence[Any], header: Any) -> tuple[Any, float]:
    """Return the message nearest in time to a header, None if there is none, and the seconds between them."""
    wanted = seconds(header.stamp)
    best = min(messages, key=lambda message: abs(seconds(message.header.stamp) - wanted), default=None)
    return best, 0.0 if best is None else abs(seconds(best.header.stamp) - wanted)


def box_buffer(settings: NodeSettings, logger: Any) -> BoxBuffer | None:
    """Return a buffer if the settings enable boxes, else None."""
    if not settings.boxes_enabled:
        return None
    return BoxBuffer(settings.boxes_class_id, settings.boxes_max_age, logger)


def decode_boxes(message: Any, class_id: str = '') -> Boxes:
    """Return the boxes of a Detection2DArray; a detection without a class counts for any."""
    rows = [_row(detection, class_id) for detection in message.detections]
    found = np.array([row for row in rows if row is not None], dtype=float).reshape(-1, 5)
    return Boxes(found[:, :4], np.clip(found[:, 4], 0, 1)).usable()


def _row(detection: Any, class_id: str) -> tuple[float, ...] | None:
    """Return x, y, width, height and score, None for other classes."""
    guesses = [(str(each.hypothesis.class_id), float(each.hypothesis.score)) for each in detection.results]
    if class_id and guesses:
        guesses = [guess for guess in guesses if guess[0] == class_id]
        if not guesses:
            return None
    centre, width, height = detection.bbox.center, detection.bbox.size_x, detection.bbox.size_y
    place = getattr(centre, 'position', centre)  # before vision_msgs 4 the middle was a Pose2D of geometry_msgs
    left, top = place.x - width / 2 - PIXEL_CORNER, place.y - height / 2 - PIXEL_CORNER
    return left, top, width, height, max((score for _, score in guesses), default=1.0)
