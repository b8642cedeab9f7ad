"""Paints a face (eyes, brows, lips, beard, glasses) on the head's unrolled surface of 256x256 pixels."""

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.synthetic.head import (
    BROW_LEVEL,
    EYE_APART,
    EYE_LEVEL,
    MOUTH_LEVEL,
    NOSE_LEVEL,
    Hair,
    azimuth,
    hairline,
    half_width,
    texture_u,
)
from pose_estimation_ros.synthetic.noise import smooth_noise

_SIZE = 256
Colour = FloatArray


def paint_face(
    rng: np.random.Generator, skin: Colour, hair: Colour, feminine: bool, child: bool, style: Hair
) -> FloatArray:
    """Return (256, 256, 3) BGR 0..255: columns are the azimuth, row 0 the crown."""
    canvas = np.empty((_SIZE, _SIZE, 3), np.uint8)
    canvas[:] = np.clip(skin, 0, 255)
    _tint(canvas, [(0.0, 0.21, 0.34, 0.13)], skin * (0.88, 0.9, 0.97), 1.0)
    cheeks = [(side * 0.17, 0.33, 0.08, 0.06) for side in (-1, 1)]
    _tint(canvas, cheeks, skin * (0.88, 0.87, 1.0), 1.0)
    _tint(canvas, [(side * EYE_APART, EYE_LEVEL + 0.015, 0.085, 0.05) for side in (-1, 1)], skin * 0.72, 1.0)
    beard = not feminine and not child and rng.random() < 0.4
    if beard:
        _beard(rng, canvas, skin, hair)
    _nose(canvas, skin)
    iris = np.array([(60, 40, 25), (40, 60, 90), (120, 90, 50), (70, 90, 70)][int(rng.integers(4))], float)
    for side in (-1, 1):
        _eye(canvas, side, skin, iris, feminine)
        _brow(canvas, side, hair * 0.8 if hair.mean() < 140 else hair * 0.75, 0.8 if feminine or child else 1.2)
    _mouth(canvas, skin, feminine, float(rng.uniform(-0.008, 0.016)))
    if rng.random() < 0.18:
        _glasses(canvas)
    small: FloatArray = canvas.astype(np.float32)
    if not style.bald:
        small = _scalp(rng, small, hair, style)
    return small + np.float32(4) * smooth_noise(rng, (_SIZE, _SIZE), 20)[..., None]


def _to_canvas(points: list[tuple[float, float]]) -> FloatArray:
    """Map (x to the left, level) in head heights, as seen from ahead, to canvas pixels."""
    x, level = np.array(points).T
    angle = np.arcsin(np.clip(x / half_width(level), -1, 1))
    return np.stack([texture_u(angle), 1 - level], axis=-1) * _SIZE


def _fill(canvas: ByteArray, points: list[tuple[float, float]], colour: Colour) -> None:
    fixed = np.round(_to_canvas(points) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], np.clip(colour, 0, 255).tolist(), cv2.LINE_AA, 4)


def _line(canvas: ByteArray, points: list[tuple[float, float]], colour: Colour, thick: float) -> None:
    fixed = np.round(_to_canvas(points) * 16).astype(np.int32)
    pixels = max(1, round(thick * _SIZE))
    cv2.polylines(canvas, [fixed], False, np.clip(colour, 0, 255).tolist(), pixels, cv2.LINE_AA, 4)


def _ellipse(x: float, level: float, wide: float, high: float, turns: int = 20) -> list[tuple[float, float]]:
    steps = np.linspace(0, 2 * np.pi, turns, endpoint=False)
    return [(x + wide * float(np.cos(step)), level + high * float(np.sin(step))) for step in steps]


def _tint(canvas: ByteArray, spots: list[tuple[float, float, float, float]], colour: Colour, strength: float) -> None:
    """Blend soft spots (x, level, half width, half height) of a colour in."""
    for spot in spots:
        outline = _to_canvas(_ellipse(*spot))
        left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 8, 0)
        right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 8, _SIZE)
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, [np.round(outline - (left, top)).astype(np.int32)], (255,))
        share = cv2.GaussianBlur(mask, (0, 0), 3.2)[..., None].astype(np.float32) * np.float32(strength / 255)
        window = canvas[top:bottom, left:right]
        window[:] = window * (1 - share) + np.asarray(colour, np.float32) * share


def _eye(canvas: ByteArray, side: int, skin: Colour, iris: Colour, feminine: bool) -> None:
    x, level = side * EYE_APART, EYE_LEVEL
    almond = [
        *((x - 0.062, level - 0.002), (x - 0.03, level + 0.024), (x, level + 0.029), (x + 0.03, level + 0.024)),
        *((x + 0.062, level - 0.002), (x + 0.03, level - 0.02), (x, level - 0.024), (x - 0.03, level - 0.02)),
    ]
    _fill(canvas, almond, np.array([222.0, 226.0, 230.0]) * min(1.0, 0.6 + skin.mean() / 400))
    _fill(canvas, _ellipse(x, level + 0.003, 0.026, 0.026), iris)
    _fill(canvas, _ellipse(x, level + 0.003, 0.013, 0.013), np.array([12.0] * 3))
    _fill(canvas, _ellipse(x + 0.008, level + 0.01, 0.005, 0.005), np.array([245.0] * 3))
    lid = [almond[0], almond[1], almond[2], almond[3], almond[4]]
    _line(canvas, lid, skin * (0.15 if feminine else 0.28), 0.014 if feminine else 0.011)
    _line(canvas, [(px, py + 0.03) for px, py in lid[1:4]], skin * 0.62, 0.007)
    _line(canvas, [almond[0], almond[7], almond[6], almond[5], almond[4]], skin * 0.6, 0.005)


def _brow(canvas: ByteArray, side: int, colour: Colour, weight: float) -> None:
    x, level = side * EYE_APART, BROW_LEVEL
    inner, outer = x - side * 0.085, x + side * 0.085
    arch = [(inner, level - 0.012), (x, level + 0.014), (outer, level - 0.014), (x, level - 0.006 - 0.008 * weight)]
    _fill(canvas, [*arch, (inner, level - 0.022 - 0.008 * weight)], colour)


def _nose(canvas: ByteArray, skin: Colour) -> None:
    _tint(canvas, [(side * 0.065, 0.31, 0.025, 0.03) for side in (-1, 1)], skin * 0.74, 1.0)
    _tint(canvas, [(0.0, NOSE_LEVEL - 0.055, 0.06, 0.02)], skin * 0.62, 1.0)
    _tint(canvas, [(0.0, NOSE_LEVEL + 0.02, 0.03, 0.09)], np.minimum(skin * 1.08, 250), 0.8)
    for side in (-1, 1):
        _fill(canvas, _ellipse(side * 0.03, NOSE_LEVEL - 0.048, 0.017, 0.010), skin * 0.34)


def _mouth(canvas: ByteArray, skin: Colour, feminine: bool, smile: float) -> None:
    level, half = MOUTH_LEVEL, 0.105
    lips = skin * (0.62, 0.58, 0.86) if feminine else skin * (0.72, 0.7, 0.88)
    corners = (-half, level + smile), (half, level + smile)
    _fill(
        canvas, [corners[0], (-0.03, level + 0.027), (0, level + 0.021), (0.03, level + 0.027), corners[1]], lips * 0.85
    )
    lower = [corners[0], (-0.05, level - 0.026), (0, level - 0.037), (0.05, level - 0.026), corners[1]]
    _fill(canvas, [*lower, (0.0, level)], lips)
    _line(
        canvas, [corners[0], (-0.04, level + 0.002), (0, level), (0.04, level + 0.002), corners[1]], skin * 0.3, 0.010
    )
    _tint(canvas, [(0.0, level - 0.065, 0.06, 0.012)], skin * 0.78, 1.0)


def _beard(rng: np.random.Generator, canvas: ByteArray, skin: Colour, hair: Colour) -> None:
    strength = float(rng.choice([0.35, 0.6, 0.9]))
    spots = [(0.0, 0.08, 0.2, 0.07), (-0.2, 0.17, 0.06, 0.16), (0.2, 0.17, 0.06, 0.16), (0.0, 0.25, 0.13, 0.018)]
    _tint(canvas, spots, hair * 0.6 + skin * 0.15, strength)


def _scalp(rng: np.random.Generator, face: FloatArray, hair: Colour, style: Hair) -> FloatArray:
    """Paint the hairline with an uneven edge."""
    angle = np.abs(azimuth(np.linspace(-1, 1, _SIZE)))[None, :]
    level = 1 - np.linspace(0, 1, _SIZE)[:, None] + 0.012 * rng.normal(0, 1, (1, _SIZE))
    share = np.clip((level - np.interp(angle, *hairline(style)) + 0.03) / 0.03, 0, 1)[..., None]
    share = share.astype(np.float32)
    face += (np.asarray(hair * 0.75, np.float32) - face) * share
    return face


def _glasses(canvas: ByteArray) -> None:
    frame = np.array([30.0, 30.0, 34.0])
    for side in (-1, 1):
        ring = _ellipse(side * EYE_APART, EYE_LEVEL, 0.092, 0.07)
        _line(canvas, [*ring, ring[0]], frame, 0.014)
        _line(canvas, [(side * 0.24, EYE_LEVEL + 0.02), (side * 0.318, EYE_LEVEL + 0.01)], frame, 0.012)
    _line(canvas, [(-0.056, EYE_LEVEL + 0.02), (0.056, EYE_LEVEL + 0.02)], frame, 0.012)
