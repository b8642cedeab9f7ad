"""Hands and feet."""

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.synthetic.appearance import tile
from pose_estimation_ros.synthetic.body import SIDES, Figure
from pose_estimation_ros.synthetic.mesh import Mesh, rings, sheet
from pose_estimation_ros.synthetic.parts import Part
from pose_estimation_ros.synthetic.tubes import unit_vectors


def hands(figure: Figure) -> list[Mesh]:
    """Palms, four curled fingers and a thumb a side."""
    unit, axes = figure.build.stature * figure.build.limb_girth**0.5, figure.hand_axes
    thumb, palm, down = axes[:, :, 2], -SIDES[:, None] * axes[:, :, 0], -axes[:, :, 1]
    wrist = figure.arms[:, 2]
    along = np.array([-0.006, 0.006, 0.02, 0.035, 0.048, 0.053])
    centres = wrist[:, None] + along[:, None] * unit * down[:, None]
    half = np.array([150, 160, 205, 232, 226, 180]) * 1e-4 * unit
    thick = np.array([125, 115, 105, 100, 88, 50]) * 1e-4 * unit
    shape = centres.shape
    points = rings(
        centres,
        np.broadcast_to(thumb[:, None], shape),
        np.broadcast_to(palm[:, None], shape),
        half[None],
        thick[None],
        None,
        10,
    )
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
    shape = (10, 6, 3)
    wide = np.broadcast_to(thumb[:, None, None], (2, 5, 6, 3)).reshape(shape)
    deep = np.broadcast_to(palm[:, None, None], (2, 5, 6, 3)).reshape(shape)
    return rings(centres.reshape(shape), wide, deep, radius[None], radius[None], None, 6)


def feet(figure: Figure) -> Mesh:
    unit, axes = figure.build.stature, figure.foot_axes
    ahead = np.array([-450, -430, -360, -150, 80, 350, 600, 800, 980, 1090, 1125])
    half = np.array([60, 150, 225, 262, 262, 270, 300, 308, 265, 165, 40])
    bottom = np.array([-360, -385, -390, -390, -390, -390, -390, -390, -385, -360, -330])
    top = np.array([-60, 40, 150, 190, 120, -50, -160, -215, -250, -280, -310])
    middle = (top + bottom) / 2
    centres = figure.legs[:, 2, None] + 1e-4 * unit * (
        ahead[:, None] * axes[:, None, :, 2] + middle[:, None] * axes[:, None, :, 1]
    )
    wide = np.broadcast_to(axes[:, None, :, 0], centres.shape)
    up = np.broadcast_to(axes[:, None, :, 1], centres.shape)
    points = rings(
        centres, wide, up, (half * 1e-4 * unit)[None], ((top - bottom) / 2 * 1e-4 * unit)[None], None, 14, 0.75
    )
    parts = np.array([Part.RIGHT_FOOT, Part.LEFT_FOOT])
    return sheet(points, tile('shoes'), parts[:, None, None], np.linspace(0.9, 1, 11)[:, None])
