"""The head: its surface, the keypoints of the face on it, hair and hats.

The surface is a function of azimuth (0 ahead, positive to the person's left, radians) and level v (0 at the chin's
underside, 1 at the crown). Lengths are fractions of the head's height.
"""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.synthetic.body import SIDES, Figure
from pose_estimation_ros.synthetic.mesh import Mesh, Part, inside_out, join, sheet, tile

EYE_LEVEL, EYE_APART = 0.50, 0.148
NOSE_LEVEL, MOUTH_LEVEL, BROW_LEVEL = 0.325, 0.195, 0.585
EAR_AZIMUTH, EAR_LEVEL = 1.72, 0.43

_LEVELS = (0, 0.04, 0.12, 0.22, 0.35, 0.5, 0.62, 0.75, 0.87, 0.95, 0.985, 1.0)
_WIDTH = (0.08, 0.16, 0.235, 0.275, 0.305, 0.325, 0.335, 0.325, 0.27, 0.185, 0.105, 0.0)
_FRONT = (0.24, 0.36, 0.395, 0.40, 0.40, 0.385, 0.405, 0.385, 0.305, 0.20, 0.11, 0.0)
_BACK = (0.0, 0.05, 0.13, 0.20, 0.29, 0.40, 0.44, 0.435, 0.365, 0.245, 0.14, 0.0)


@dataclass(frozen=True)
class Hair:
    """A hair style: `length` is the level where the hair at the back ends (below 0: under the chin)."""

    length: float = 0.2
    volume: float = 0.04
    fringe: float = 0.8
    bald: bool = False
    bun: bool = False
    hat: str = ''
    """'', 'cap' or 'beanie'"""


def azimuth(t: AnyArray) -> FloatArray:
    """Angle of the texture's u (t = 2u - 1): the face gets more of it than the back of the head."""
    return np.pi * (0.4 * t + 0.6 * t**3)


_U = np.linspace(0, 1, 401)
_AZIMUTH_OF_U = azimuth(2 * _U - 1)


def texture_u(angle: AnyArray | float) -> FloatArray:
    """Inverse of `azimuth`, as u between 0 and 1."""
    return np.asarray(np.interp(angle, _AZIMUTH_OF_U, _U))


def half_width(level: AnyArray | float) -> FloatArray:
    return np.asarray(np.interp(level, _LEVELS, _WIDTH))


def surface(angle: AnyArray, level: AnyArray, grown: AnyArray | float = 0.0) -> FloatArray:
    """Points (..., 3) x left, y up, z forward of the bare head, moved outwards by `grown`."""
    inside = np.clip(level, 0, 1)
    wide = np.interp(inside, _LEVELS, _WIDTH) + grown
    front = np.interp(inside, _LEVELS, _FRONT) + grown
    back = np.interp(inside, _LEVELS, _BACK) + grown
    cosine = np.cos(angle)
    nose = 0.115 * np.exp(-((angle / 0.13) ** 2)) * np.interp(level, (0.25, 0.29, 0.33, 0.54), (0, 0.75, 1, 0))
    for side in SIDES:  # eye sockets
        nose = nose - 0.03 * np.exp(-(((angle - side * 0.42) / 0.2) ** 2) - ((level - 0.51) / 0.05) ** 2)
    lips = 0.018 * np.exp(-((angle / 0.22) ** 2) - ((level - MOUTH_LEVEL) / 0.045) ** 2)
    depth = np.where(cosine > 0, front, back) * cosine + np.where(np.asarray(grown) > 0, 0, nose + lips)
    top = np.asarray(grown) * np.clip((level - 0.7) / 0.3, 0, 1)
    return np.stack([wide * np.sin(angle), level + top, depth], axis=-1)


def face_points(figure: Figure) -> dict[str, FloatArray]:
    """World positions of nose, eyes (2, 3) and ears (2, 3), right before left."""
    angle = np.arcsin(EYE_APART / half_width(EYE_LEVEL)) * SIDES
    return {
        'nose': to_world(figure, surface(np.array(0.0), np.array(NOSE_LEVEL))),
        'eyes': to_world(figure, surface(angle, np.full(2, EYE_LEVEL))),
        'ears': to_world(figure, surface(SIDES * EAR_AZIMUTH, np.full(2, EAR_LEVEL), 0.02)),
    }


def to_world(figure: Figure, points: FloatArray) -> FloatArray:
    scale = figure.build.head_height * figure.build.stature
    return figure.head + scale * points @ figure.head_axes.T


def head_mesh(figure: Figure, hair: Hair, fine: bool) -> Mesh:
    """Return head, ears, hair and hat."""
    t = np.linspace(-1, 1, 37 if fine else 21)
    levels = np.concatenate([np.linspace(0, 0.86, 26 if fine else 14), [0.9, 0.94, 0.97, 0.99, 1.0]])
    level, u = np.meshgrid(levels, (t + 1) / 2, indexing='ij')
    points = surface(azimuth(2 * u - 1), level)
    under_chin = np.interp(level, (0, 0.12), (0.55, 1))
    uv = np.stack([u, 1 - level], axis=-1)
    meshes = [sheet(to_world(figure, points), tile('face'), Part.HEAD, under_chin, uv=uv), _ears(figure)]
    if hair.hat:
        meshes.extend(_hat(figure, hair))
    if not hair.bald:
        shell = _hair_shell(figure, hair, fine)
        meshes.append(shell)
        if hair.length < 0.1:
            meshes.append(inside_out(shell, 0.5))
    if hair.bun and not hair.hat:
        meshes.append(_bun(figure))
    return join(meshes)


def _hair_shell(figure: Figure, hair: Hair, fine: bool) -> Mesh:
    angle = np.linspace(-np.pi, np.pi, 49 if fine else 29)
    lowest = min(0.15, hair.length)
    levels = np.concatenate([np.linspace(lowest, 0.86, 36 if fine else 20), [0.9, 0.94, 0.97, 0.99, 1.0]])
    level, azimuths = np.meshgrid(levels, angle, indexing='ij')
    line = np.interp(np.abs(azimuths), *hairline(hair))
    depth = np.clip((level - line) / 0.10, 0, 1) ** 0.5
    wobble = 0.5 + 0.5 * np.sin(7 * azimuths + 9 * level) * np.sin(3 * azimuths - 4 * level)
    volume = hair.volume * (0.75 + 0.5 * wobble)
    points = surface(azimuths, level, 0.003 + (volume + 0.009) * depth)
    if hair.length < 0.15:
        points = _hanging(points, azimuths, level, volume)
    if hair.hat:
        points = np.where(level[..., None] > 0.72, surface(azimuths, level, 0.001), points)
    above = level > line
    keep = above[:-1, :-1] & above[1:, 1:] & above[1:, :-1] & above[:-1, 1:]
    uv = np.stack([(azimuths / np.pi + 1) / 2, 1 - (level - lowest) / (1 - lowest)], axis=-1)
    ambient = np.clip(0.72 + 0.3 * level, 0.6, 1)
    return sheet(to_world(figure, points), tile('hair'), Part.HAIR, ambient, keep=keep, uv=uv)


def _hanging(points: FloatArray, angle: FloatArray, level: FloatArray, volume: FloatArray) -> FloatArray:
    """Let long hair fall straight from its widest level instead of following skull and neck."""
    widest = surface(angle, np.full_like(level, 0.58), 0.03 + volume)
    falling = np.clip((0.58 - level) / 0.25, 0, 1)[..., None]
    fallen = widest * np.array([0.96, 1, 0.86]) + np.stack([0 * level, level - 0.58, -0.02 + 0 * level], axis=-1)
    taper = 1 - np.clip(-level, 0, 1)[..., None] * np.array([0.3, 0, 0.1])
    return np.asarray(points * (1 - falling) + fallen * taper * falling)


def hairline(hair: Hair) -> tuple[FloatArray, FloatArray]:
    """Level below which there is no hair, by absolute azimuth."""
    long = hair.length < 0.1
    side, behind = (max(hair.length, 0.3), hair.length + 0.1) if long else (0.42, 0.5)
    azimuths = np.array([0.0, 0.5, 0.9, 1.12, 1.3, 1.5, 1.62, 1.9, 2.2, np.pi])
    fringe = hair.fringe
    front = [fringe + 0.02, fringe, fringe - 0.05, 0.64, 0.54]
    levels = [*front, side, 0.5 if not long else behind, behind, hair.length, hair.length]
    return azimuths, np.array(levels)


def _ears(figure: Figure) -> Mesh:
    """Two flattened shells, standing off a little."""
    theta, phi = np.meshgrid(np.linspace(0.02, np.pi - 0.02, 6), np.linspace(-np.pi, np.pi, 9), indexing='ij')
    side = SIDES[:, None, None]
    up, out = np.cos(theta) * 0.125, np.sin(theta) * np.sin(phi) * 0.035
    back = np.sin(theta) * np.cos(phi) * 0.07
    x = side * (0.327 + 0.35 * back + out)
    points = np.stack([x, EAR_LEVEL + up + 0 * x, -0.055 - back + 0.15 * up + 0 * x], axis=-1)
    u = texture_u(EAR_AZIMUTH)
    uv = np.broadcast_to(np.array([float(u), 1 - EAR_LEVEL]), points.shape[1:3] + (2,))
    ambient = 0.9 - 0.25 * np.abs(np.sin(theta) * np.cos(phi))
    return sheet(to_world(figure, points), tile('face'), Part.HEAD, ambient, uv=uv)


def _bun(figure: Figure) -> Mesh:
    theta, phi = np.meshgrid(np.linspace(0.02, np.pi - 0.02, 9), np.linspace(-np.pi, np.pi, 13), indexing='ij')
    offset = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], axis=-1)
    return sheet(to_world(figure, np.array([0.0, 0.86, -0.44]) + 0.17 * offset), tile('hair'), Part.HAIR, 0.9)


def _hat(figure: Figure, hair: Hair) -> list[Mesh]:
    low = 0.66 if hair.hat == 'cap' else 0.6
    level, angle = np.meshgrid(np.linspace(low, 1, 14) ** 0.9, np.linspace(-np.pi, np.pi, 37), indexing='ij')
    level = level + 0.05 * np.cos(angle) * np.clip((1 - level) / 0.3, 0, 1)
    crown = surface(angle, level, 0.05 if hair.hat == 'cap' else 0.075)
    ambient = np.interp(level, (low, low + 0.1), (0.75, 1))
    meshes = [sheet(to_world(figure, crown), tile('extra'), Part.HAIR, ambient)]
    if hair.hat == 'cap':
        reach, across = np.meshgrid(np.linspace(0, 1, 5), np.linspace(-1.25, 1.25, 13), indexing='ij')
        rim = surface(across, np.full_like(across, 0.71), 0.05)
        brim = rim + reach[..., None] * np.array([0, -0.06, 0.30]) * np.cos(across[..., None] * 1.2)
        thick = np.stack([brim, brim - np.array([0, 0.02, 0])])
        ambient = np.array([1.0, 0.5])[:, None, None]
        meshes.append(sheet(to_world(figure, thick), tile('extra'), Part.HAIR, ambient, closed=False))
    return meshes
