"""The surface of a posed and dressed figure. Lengths in tables are fractions of the stature."""

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.synthetic.appearance import Outfit
from pose_estimation_ros.synthetic.body import SHOULDER_LINE, Figure
from pose_estimation_ros.synthetic.head import head_mesh
from pose_estimation_ros.synthetic.limb_meshes import Covering, Folds, Limbs, cover, feet, hands, smooth, unit_vectors
from pose_estimation_ros.synthetic.mesh import Mesh, Part, grouped, join, rings, sheet, tile

_ARM = np.array([[0, 0.15, 0.4, 0.7, 1, 1.2, 1.5, 1.8, 2], [272, 302, 285, 256, 232, 250, 230, 174, 154]]).T
_LEG = np.array([[0, 0.2, 0.5, 0.8, 1, 1.12, 1.35, 1.6, 1.85, 2], [490, 500, 455, 388, 345, 338, 346, 290, 216, 205]]).T
# height, half width, front, back (in ten-thousandths of the stature) of the torso's rings
_TORSO = np.array(
    [
        *((4600, 420, 300, 320), (4750, 880, 570, 630), (5000, 1000, 640, 730), (5250, 1000, 645, 740)),
        *((5550, 935, 625, 650), (5900, 840, 605, 560), (6200, 800, 590, 535), (6550, 830, 605, 550)),
        *((6900, 885, 630, 590), (7250, 950, 655, 630), (7600, 1000, 640, 650), (7900, 1060, 575, 640)),
        *((8100, 1110, 490, 570), (8280, 1090, 410, 490), (8400, 930, 360, 440), (8500, 700, 325, 405)),
        *((8600, 450, 310, 370), (8680, 345, 305, 340)),
    ]
)
_CALF_BACK = 0.006


def dressed(figure: Figure, outfit: Outfit, fine: bool = True) -> Mesh:
    """Return the surface of a whole person; `fine` gives the head more facets."""
    folds = Folds(outfit.wrinkles)
    head = head_mesh(figure, outfit.hair, fine)
    top, seat = _trunk(figure, outfit, folds)
    trunk = [_neck(figure), top, head]
    arms = [*_arms(figure, outfit, folds), *hands(figure)]
    legs = [*_legs(figure, outfit, folds), feet(figure), seat]
    if outfit.skirt:
        legs.append(_skirt(figure, outfit))
    return join([grouped(join(pieces), group) for group, pieces in enumerate((trunk, legs, arms))])


def _arms(figure: Figure, outfit: Outfit, folds: Folds) -> list[Mesh]:
    limbs = Limbs(figure.arms, figure.upper_arm_axes[:, :, 0], (Part.RIGHT_UPPER_ARM, Part.RIGHT_FOREARM))
    bare = _ARM * (1, 1e-4 * figure.build.stature * figure.build.limb_girth)
    skin = Covering(bare, max(outfit.sleeves - 0.2, 0), 2.05, 'skin', nearer=-0.02, cap=outfit.sleeves < 0.2)
    widths = 1.03 + np.interp(bare[:, 0], (0, 0.5), (0, 0.12)) * outfit.looseness
    profile = np.column_stack([bare[:, 0], bare[:, 1] * widths])
    sleeve = Covering(profile, 0, outfit.sleeves, 'top', 0.05 * outfit.looseness, (0.02, 0.36))
    return [cover(limbs, piece, folds) for piece in (skin, sleeve)]


def _legs(figure: Figure, outfit: Outfit, folds: Folds) -> list[Mesh]:
    unit = figure.build.stature
    limbs = Limbs(figure.legs, figure.thigh_axes[:, :, 0], (Part.RIGHT_THIGH, Part.RIGHT_SHIN), _CALF_BACK * unit)
    bare = _LEG * (1, 1e-4 * unit * figure.build.limb_girth)
    below = 'extra' if outfit.trousers > 1.7 else 'skin'  # socks
    skin = Covering(bare, max(outfit.trousers - 0.2, 0), 2.08, below, nearer=-0.08, cap=False)
    width = np.interp(bare[:, 0], (0.3, 1, 2), (0, 0.0022, 0.007)) * outfit.looseness * unit
    profile = np.column_stack([bare[:, 0], bare[:, 1] * 1.05 + width])
    cloth = Covering(profile, 0, outfit.trousers, 'bottom', 0.03 * outfit.looseness, (0.05, 0.95), nearer=-0.03)
    return [cover(limbs, piece, folds) for piece in (skin, cloth)]


def _spine(figure: Figure, height: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centres (n, 3), sideways and forward axes of the torso at heights given as fractions of the stature."""
    unit = figure.build.stature
    upper = smooth((height - 0.555) / 0.12)[:, None]
    from_pelvis = figure.pelvis + (height - 0.53)[:, None] * unit * figure.pelvis_axes[:, 1]
    from_chest = figure.chest + (height - SHOULDER_LINE)[:, None] * unit * figure.chest_axes[:, 1]
    centres = (1 - upper) * from_pelvis + upper * from_chest
    wide = (1 - upper) * figure.pelvis_axes[:, 0] + upper * figure.chest_axes[:, 0]
    deep = (1 - upper) * figure.pelvis_axes[:, 2] + upper * figure.chest_axes[:, 2]
    return centres, unit_vectors(wide), unit_vectors(deep)


def _trunk(figure: Figure, outfit: Outfit, folds: Folds) -> tuple[Mesh, Mesh]:
    """Return the top and the seat of the trousers."""
    loose = outfit.looseness
    upper = np.concatenate([[outfit.hem], np.linspace(outfit.hem + 0.001, 0.868, 24)])
    factor = 1.04 + 0.055 * loose * np.interp(upper, (0.5, 0.62, 0.76, 0.82), (1.4, 1.2, 0.3, 0.1))
    lower = np.linspace(0.46, min(0.6, outfit.hem + 0.05), 9)
    return (
        _trunk_piece(figure, upper, factor, folds(len(upper), 28, 0.02 * loose), 'top', Part.TORSO),
        _trunk_piece(figure, lower, 1.05, folds(len(lower), 28, 0.01), 'bottom', Part.PELVIS),
    )


def _trunk_piece(
    figure: Figure, height: FloatArray, loose: FloatArray | float, uneven: FloatArray, texture: str, part: int
) -> Mesh:
    build, unit = figure.build, figure.build.stature
    centres, wide, deep = _spine(figure, height)
    half, front, back = (np.interp(height, _TORSO[:, 0] * 1e-4, column) * 1e-4 for column in _TORSO[:, 1:].T)
    factor = np.interp(height, (0.5, 0.53, 0.62, 0.72, 0.84), (build.hips, build.hips, build.waist, build.chest, 1.0))
    factor = factor * np.interp(height, (0.68, 0.77, 0.84), (build.girth, 0.6 + 0.4 * build.girth, 1.0)) * loose
    bust = build.bust * np.exp(-(((height - 0.725) / 0.03) ** 2))
    belly = 0.05 * max(0.0, build.girth - 1) * np.exp(-(((height - 0.6) / 0.07) ** 2))
    scale = np.asarray(factor * unit)
    points = rings(centres, wide, deep, half * scale, (front + bust + belly) * scale, back * scale, 28, 0.88)
    points = centres[:, None] + (points - centres[:, None]) * uneven[..., None]
    ambient = np.interp(height, (0.46, 0.5, 0.84, 0.87), (0.9, 1, 1, 0.75))
    if part == Part.TORSO:
        points[0] = centres[0] + (points[0] - centres[0]) * 0.86  # the hem's lip
        ambient[0] = 0.4
    v = 1 - (height - height[0]) / (height[-1] - height[0])
    uv = np.stack(np.meshgrid(np.linspace(0, 1, 29), v), axis=-1)
    return sheet(points, tile(texture), part, ambient[:, None], uv=uv, nearer=0.0 if part == Part.TORSO else -0.02)


def _neck(figure: Figure) -> Mesh:
    unit = figure.build.stature
    top = figure.head + figure.head_axes @ np.array([0, 0.04, 0.004]) * unit
    low = figure.neck_base - figure.chest_axes[:, 1] * 0.012 * unit
    along = np.linspace(0, 1, 7)[:, None]
    centres = low * (1 - along) + top * along
    wide = unit_vectors(figure.chest_axes[:, 0] * (1 - along) + figure.head_axes[:, 0] * along)
    deep = unit_vectors(figure.chest_axes[:, 2] * (1 - along) + figure.head_axes[:, 2] * along)
    girth = figure.build.limb_girth * unit * (0.55 + 0.45 * figure.build.chest)
    radius = np.array([420, 368, 335, 325, 325, 330, 330]) * 1e-4 * girth
    points = rings(centres, wide, deep, radius, radius)
    ambient = np.array([0.85, 0.85, 0.8, 0.7, 0.6, 0.5, 0.45])[:, None]
    return sheet(points, tile('skin'), Part.NECK, ambient, nearer=-0.02)


def _skirt(figure: Figure, outfit: Outfit) -> Mesh:
    """Return a cone from the waist over both thighs that follows their stride."""
    unit = figure.build.stature
    height = np.linspace(0.6, 0.53, 5)
    centres, wide, deep = _spine(figure, height)
    half, front, back = (np.interp(height, _TORSO[:, 0] * 1e-4, column) * 1e-4 for column in _TORSO[:, 1:].T)
    station = np.linspace(0.05, outfit.skirt, 11)
    upper, lower = np.minimum(station, 1)[:, None], np.maximum(station - 1, 0)[:, None]
    legs = figure.legs[:, None]
    bones = legs[..., 0, :] + upper * (legs[..., 1, :] - legs[..., 0, :]) + lower * (legs[..., 2, :] - legs[..., 1, :])
    middle, apart = bones.mean(axis=0), np.abs(bones[1] - bones[0]) / 2
    flare = np.interp(station, (0, 0.5, 1.5), (0.05, 0.058, 0.07)) * figure.build.girth
    across = np.abs(apart @ figure.pelvis_axes[:, 0]) / unit
    along = np.abs((bones[1] - bones[0]) @ figure.pelvis_axes[:, 2]) / 2 / unit
    hips = figure.build.hips * figure.build.girth * 1.08
    half = np.concatenate([half * hips, np.maximum(across + flare, 0.096 * hips)]) * unit
    front = np.concatenate([front * hips, np.maximum(along + flare, 0.07 * hips)]) * unit
    back = np.concatenate([back * hips, np.maximum(along + flare, 0.076 * hips)]) * unit
    centres = np.concatenate([centres, middle])
    wide = np.concatenate([wide, np.broadcast_to(figure.pelvis_axes[:, 0], middle.shape)])
    deep = np.concatenate([deep, np.broadcast_to(figure.pelvis_axes[:, 2], middle.shape)])
    points = rings(centres, wide, deep, half, front, back, 32)
    pleats = 1 + np.linspace(0, 0.05, len(half))[:, None] * np.sin(11 * np.linspace(-np.pi, np.pi, 33))
    points = centres[:, None] + (points - centres[:, None]) * pleats[..., None]
    ambient = np.interp(np.arange(len(half)), (0, 3), (0.7, 1))[:, None]
    return sheet(points, tile('bottom'), Part.SKIRT, ambient, nearer=0.03)
