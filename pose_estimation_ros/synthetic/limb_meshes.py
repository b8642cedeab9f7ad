"""Arms, legs, hands and feet as meshes, bare or covered by clothes."""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.synthetic.body import SIDES, Figure
from pose_estimation_ros.synthetic.mesh import Mesh, Part, rings, sheet, tile

_SEGMENTS = 14


@dataclass(frozen=True, eq=False)
class Limbs:
    """A pair of arms or legs: `joints` (2, 3, 3) metres, `hinge` (2, 3) the middle joint's axis.

    `parts` are the numbers of the right side's bones, each followed by the left's; `back` (metres) moves the lower
    half behind its bone, as calves are.
    """

    joints: FloatArray
    hinge: FloatArray
    parts: tuple[int, int]
    back: float = 0.0


@dataclass(frozen=True, eq=False)
class Covering:
    """What lies over a limb between two stations (0 first joint, 1 middle joint, 2 last joint).

    `profile` (P, 2) are stations and radii in metres; `uneven` is the strength of the folds, 0 for bare skin;
    `across` is the part of the texture around the limb; `cap` rounds the beginning.
    """

    profile: FloatArray
    start: float
    end: float
    texture: str
    uneven: float = 0.0
    across: tuple[float, float] = (0, 1)
    nearer: float = 0.0
    cap: bool = True


class Folds:
    """Uneven cloth: factors around 1 for the rings' radii, the same at every moment."""

    def __init__(self, seed: int) -> None:
        self._waves = np.random.default_rng(seed).uniform(-1, 1, (5, 4))

    def __call__(self, rings: int, segments: int, strength: float) -> FloatArray:
        theta, along = np.linspace(-np.pi, np.pi, segments + 1), np.linspace(0, 1, rings)[:, None]
        total = np.zeros((rings, segments + 1))
        for turns, (slant, phase, pace, weight) in enumerate(self._waves, start=1):
            total += weight * np.sin(turns * theta + (9 + 14 * pace) * along + 6 * slant + 3 * phase)
        return 1 + strength * 0.5 * total


def cover(limbs: Limbs, covering: Covering, folds: Folds) -> Mesh:
    """Return the surfaces over both sides; cloth ends in a darker lip."""
    stations = _stations(covering.start, covering.end)
    radii = np.interp(stations, *covering.profile.T)
    if covering.uneven:
        stations, radii = np.append(stations, stations[-1]), np.append(radii, radii[-1] * 0.8)
    caps = 0
    if covering.cap:
        ball = np.linspace(0.05, 1.45, 5)
        length = float(np.linalg.norm(limbs.joints[0, 1] - limbs.joints[0, 0]))
        stations = np.concatenate([-np.cos(ball) * radii[0] / length, stations])
        radii = np.concatenate([np.sin(ball) * radii[0], radii])
        caps = len(ball)
    centres, points = _tube(limbs, stations, radii)
    if covering.uneven:
        wrap = folds(len(stations), _SEGMENTS, covering.uneven)[None, ..., None]
        points = centres[:, :, None] + (points - centres[:, :, None]) * wrap
    ambient = np.ones((len(stations), 1))
    ambient[:caps] = 0.85
    if covering.uneven:
        ambient[-1] = 0.4
    upper, lower = limbs.parts
    between = (stations[:-1] + stations[1:]) / 2
    parts = (np.where(between > 1, lower, upper) + np.array([[0], [1]]))[..., None]  # (2, n-1, 1)
    return sheet(points, tile(covering.texture, covering.across), parts, ambient, nearer=covering.nearer)


def _tube(limbs: Limbs, stations: FloatArray, radii: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres (2, n, 3) and points (2, n, m, 3) of the rings, which turn gradually around the middle joint."""
    joints = limbs.joints
    first, second = joints[:, 1] - joints[:, 0], joints[:, 2] - joints[:, 1]
    upper, lower = np.minimum(stations, 1)[:, None], np.maximum(stations - 1, 0)[:, None]
    centres = joints[:, None, 0] + upper * first[:, None] + lower * second[:, None]
    bend = smooth((stations - 0.78) / 0.44)[:, None]
    down = unit_vectors(first)[:, None] * (1 - bend) + unit_vectors(second)[:, None] * bend
    down /= np.linalg.norm(down, axis=-1, keepdims=True)
    wide = limbs.hinge[:, None]
    deep = np.cross(wide, -down)
    if limbs.back:
        bulge = np.sin(np.pi * np.clip((stations - 1) / 0.75, 0, 1))[:, None]
        centres = centres - deep * bulge * limbs.back
    return centres, rings(centres, wide, deep, radii, radii, segments=_SEGMENTS)


def _stations(start: float, end: float) -> FloatArray:
    """Stations along a limb, closer together around the middle joint."""
    fine = np.concatenate([np.linspace(0, 2, 16), 1 + np.linspace(-0.16, 0.16, 5)])
    inner = np.unique(np.round(fine[(fine > start + 0.02) & (fine < end - 0.02)], 3))
    return np.concatenate([[start], inner, [end]])


def smooth(x: FloatArray) -> FloatArray:
    clipped = np.clip(x, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def unit_vectors(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def hands(figure: Figure) -> list[Mesh]:
    """Palms, four curled fingers and a thumb a side."""
    unit, axes = figure.build.stature * figure.build.limb_girth**0.5, figure.hand_axes
    thumb, palm, down = axes[:, :, 2], -SIDES[:, None] * axes[:, :, 0], -axes[:, :, 1]
    wrist = figure.arms[:, 2]
    along = np.array([-0.006, 0.006, 0.02, 0.035, 0.048, 0.053])
    centres = wrist[:, None] + along[:, None] * unit * down[:, None]
    half = np.array([150, 160, 205, 232, 226, 180]) * 1e-4 * unit
    thick = np.array([125, 115, 105, 100, 88, 50]) * 1e-4 * unit
    points = rings(centres, thumb[:, None], palm[:, None], half, thick, segments=10)
    parts = np.array([Part.RIGHT_HAND, Part.LEFT_HAND])
    fingers = _fingers(figure, wrist, thumb, palm, down, unit)
    return [
        sheet(points, tile('skin'), parts[:, None, None]),
        sheet(fingers, tile('skin'), np.repeat(parts, 5)[:, None, None], 0.92),
    ]


def _fingers(
    figure: Figure, wrist: FloatArray, thumb: FloatArray, palm: FloatArray, down: FloatArray, unit: float
) -> FloatArray:
    """Points (10, 6, m, 3): four fingers and the thumb of either hand."""
    curl = figure.grips[:, None]
    spread = np.array([0.0165, 0.0055, -0.0055, -0.0155, 0.02])
    starts = np.array([0.037, 0.040, 0.038, 0.034, 0.014])
    lengths = np.array([0.050, 0.054, 0.051, 0.043, 0.040])
    base = wrist[:, None] + unit * (spread[:, None] * thumb[:, None] + starts[:, None] * down[:, None])
    lean = np.array([0.12, 0.03, -0.03, -0.1, 0.75])[:, None]
    steps = np.linspace(0, 1, 6)
    angle = (curl * np.array([1, 1.05, 1.1, 1.15, 0.45]))[..., None] * steps * 1.5  # (2, 5, 6)
    path_down = np.cumsum(np.cos(angle), axis=-1) / 6 * lengths[:, None] * unit
    path_palm = np.cumsum(np.sin(angle), axis=-1) / 6 * lengths[:, None] * unit
    out = unit_vectors(down[:, None] + lean * thumb[:, None])
    centres = base[:, :, None] + path_down[..., None] * out[:, :, None] + path_palm[..., None] * palm[:, None, None]
    radius = np.array([62, 60, 56, 52, 46, 10]) * 1e-4 * unit
    points = rings(centres, thumb[:, None, None], palm[:, None, None], radius, radius, segments=6)
    return points.reshape(10, 6, -1, 3)


def feet(figure: Figure) -> Mesh:
    unit, axes = figure.build.stature, figure.foot_axes
    ahead = np.array([-450, -430, -360, -150, 80, 350, 600, 800, 980, 1090, 1125])
    half = np.array([60, 150, 225, 262, 262, 270, 300, 308, 265, 165, 40])
    bottom = np.array([-360, -385, -390, -390, -390, -390, -390, -390, -385, -360, -330])
    top = np.array([-60, 40, 150, 190, 120, -50, -160, -215, -250, -280, -310])
    middle = (top + bottom) / 2
    up, forward = axes[:, None, :, 1], axes[:, None, :, 2]
    centres = figure.legs[:, 2, None] + 1e-4 * unit * (ahead[:, None] * forward + middle[:, None] * up)
    half_width, half_height = half * 1e-4 * unit, (top - bottom) / 2 * 1e-4 * unit
    points = rings(centres, axes[:, None, :, 0], up, half_width, half_height, segments=14, square=0.75)
    parts = np.array([Part.RIGHT_FOOT, Part.LEFT_FOOT])
    return sheet(points, tile('shoes'), parts[:, None, None], np.linspace(0.9, 1, 11)[:, None])
