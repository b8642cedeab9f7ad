"""A scatter plot drawn with OpenCV: values of numbered rows in the colours of people."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.plots import COLOURS, Colour

SIDE = 600
"""Pixels of one plot."""
LEFT, RIGHT, TOP, BOTTOM = 75, 25, 70, 70
"""Pixels around its axes."""
TICKS = 5
RADIUS = 7
BLACK, GREY, WHITE = (0, 0, 0), (220, 220, 220), 255
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Point:
    """A value in a row."""

    value: float
    row: int
    colour: Colour


@dataclass(frozen=True)
class Labels:
    """The texts of a plot."""

    title: str
    values: str
    rows: str


def points_of(values: FloatArray) -> list[Point]:
    """Return the points of values (P, K) of people, a colour each; NaN is left out."""
    return [
        Point(value, row, COLOURS[person % len(COLOURS)])
        for person, own in enumerate(values.tolist())
        for row, value in enumerate(own)
        if np.isfinite(value)
    ]


def scatter(points: Sequence[Point], rows: int, labels: Labels) -> ByteArray:
    """Return a plot (600, 600, 3) of points in rows 0 to `rows` - 1, the first at the bottom."""
    plot = np.full((SIDE, SIDE, 3), WHITE, np.uint8)
    low, high = _limits([point.value for point in points])
    across = (SIDE - LEFT - RIGHT) / (high - low)
    up = (SIDE - TOP - BOTTOM) / (rows + 1)
    for row in range(rows):
        y = round(SIDE - BOTTOM - (row + 1) * up)
        cv2.line(plot, (LEFT, y), (SIDE - RIGHT, y), GREY)
        _text(plot, str(row), (LEFT - 18, y), 0.4)
    for value in np.linspace(low, high, TICKS):
        x = round(LEFT + (value - low) * across)
        cv2.line(plot, (x, SIDE - BOTTOM), (x, SIDE - BOTTOM + 5), BLACK)
        _text(plot, f'{value:.3g}', (x, SIDE - BOTTOM + 18), 0.4)
    cv2.rectangle(plot, (LEFT, TOP), (SIDE - RIGHT, SIDE - BOTTOM), BLACK)
    for point in points:
        centre = round(LEFT + (point.value - low) * across), round(SIDE - BOTTOM - (point.row + 1) * up)
        cv2.circle(plot, centre, RADIUS, point.colour, cv2.FILLED, cv2.LINE_AA)
    _text(plot, labels.title, (SIDE // 2, TOP - 18), 0.6)
    _text(plot, labels.values, ((LEFT + SIDE - RIGHT) // 2, SIDE - 25), 0.5)
    plot[:, :40] = _upwards(labels.rows)
    return plot


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (-1.0, 1.0)
    margin = max(0.05 * (high - low), 0.05)
    return low - margin, high + margin


def _text(plot: ByteArray, text: str, middle: tuple[int, int], size: float) -> None:
    (width, height), _ = cv2.getTextSize(text, FONT, size, 1)
    origin = (middle[0] - width // 2, middle[1] + height // 2)
    cv2.putText(plot, text, origin, FONT, size, BLACK, 1, cv2.LINE_AA)


def _upwards(text: str) -> ByteArray:
    """Return text (600, 40, 3) that reads upwards."""
    strip = np.full((40, SIDE, 3), WHITE, np.uint8)
    _text(strip, text, (SIDE // 2, 20), 0.5)
    return np.ascontiguousarray(np.rot90(strip))
