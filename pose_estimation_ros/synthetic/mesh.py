"""Surfaces: grids of points with normals, texture coordinates and body parts."""

from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, FloatArray, IntArray


class Part(IntEnum):
    """Body parts as the drawing names them, right before left."""

    TORSO = 1
    PELVIS = 2
    NECK = 3
    HEAD = 4
    HAIR = 5
    RIGHT_UPPER_ARM = 6
    LEFT_UPPER_ARM = 7
    RIGHT_FOREARM = 8
    LEFT_FOREARM = 9
    RIGHT_HAND = 10
    LEFT_HAND = 11
    RIGHT_THIGH = 12
    LEFT_THIGH = 13
    RIGHT_SHIN = 14
    LEFT_SHIN = 15
    RIGHT_FOOT = 16
    LEFT_FOOT = 17
    SKIRT = 18
    SEAT = 19


Tile = tuple[float, float, float, float]
"""left, top, right, bottom in texture pixels"""
TILES: dict[str, Tile] = {
    'face': (0, 0, 256, 256),
    'top': (256, 0, 384, 128),
    'bottom': (256, 128, 384, 256),
    'hair': (384, 0, 512, 128),
    'skin': (384, 128, 512, 256),
    'shoes': (512, 0, 640, 128),
    'extra': (512, 128, 640, 256),
}
MARGIN = 4
"""Of a texture in the atlas, in pixels."""


def tile(name: str, across: tuple[float, float] = (0, 1)) -> Tile:
    """Return a texture's rectangle in the atlas without its margin; `across` selects a part of the width."""
    left, top, right, bottom = TILES[name]
    left, top, right, bottom = left + MARGIN, top + MARGIN, right - 1 - MARGIN, bottom - 1 - MARGIN
    return left + across[0] * (right - left), top, left + across[1] * (right - left), bottom


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices (N, 3) world metres, normals (N, 3), texture (N, 2) pixels of the atlas, ambient (N,) 0..1.

    Quads (F, 4) index the vertices; `parts` (F,) are their body parts.
    """

    vertices: FloatArray
    normals: FloatArray
    texture: FloatArray
    ambient: FloatArray
    quads: IntArray
    parts: IntArray
    nearer: FloatArray
    """(F,) metres by which a facet is taken to lie nearer when facets are sorted: clothes over what they cover"""
    groups: IntArray
    """(F,) facets of one group are sorted as wholes, those of different groups are compared pixel by pixel"""


def sheet(
    points: FloatArray,
    tile: Tile,
    parts: AnyArray | int,
    ambient: AnyArray | float = 1.0,
    closed: bool = True,
    keep: BoolArray | None = None,
    uv: FloatArray | None = None,
    nearer: float = 0.0,
) -> Mesh:
    """Make a mesh of `points` ([B,] n, m, 3): surfaces of n rings with m points; closed ones end where they began.

    Normals point away from the rings' middles. `parts` and `keep` go per ring gap and segment (B, n-1, m-1), `ambient`
    per point, all broadcast. The tile is laid with its u along the ring and v along the surface unless `uv` (.., 2)
    gives both as 0..1.
    """
    points = points.reshape(-1, *points.shape[-3:])
    batch, rings, segments = points.shape[:3]
    if uv is None:
        v, u = np.meshgrid(np.linspace(0, 1, rings), np.linspace(0, 1, segments), indexing='ij')
        uv = np.stack([u, v], axis=-1)
    left, top, right, bottom = tile
    texture = np.broadcast_to(uv * (right - left, bottom - top) + (left, top), (*points.shape[:3], 2))
    start = np.arange(batch * rings * segments).reshape(batch, rings, segments)[:, :-1, :-1]
    quads = np.stack([start, start + 1, start + segments + 1, start + segments], axis=-1)  # (B, n-1, m-1, 4)
    part = np.broadcast_to(parts, quads.shape[:3])
    if keep is not None:
        chosen = np.broadcast_to(keep, quads.shape[:3])
        quads, part = quads[chosen], part[chosen]
    return Mesh(
        points.reshape(-1, 3),
        _normals(points, closed).reshape(-1, 3),
        texture.reshape(-1, 2),
        np.broadcast_to(ambient, points.shape[:3]).reshape(-1),
        quads.reshape(-1, 4),
        part.reshape(-1),
        np.full(part.size, nearer),
        np.zeros(part.size, int),
    )


def join(meshes: list[Mesh]) -> Mesh:
    """Put meshes together into one."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    columns = {each.name: np.concatenate([getattr(mesh, each.name) for mesh in meshes]) for each in fields(Mesh)}
    quads = np.concatenate([mesh.quads + start for mesh, start in zip(meshes, starts, strict=True)])
    return Mesh(**{**columns, 'quads': quads})


def rings(
    centres: FloatArray,
    wide: FloatArray,
    deep: FloatArray,
    half_width: FloatArray,
    front: FloatArray,
    back: FloatArray | None = None,
    segments: int = 16,
    square: float = 1.0,
) -> FloatArray:
    """Points (..., n, segments + 1, 3) of rings around `centres` (..., n, 3) in the plane of axes `wide` and `deep`.

    `front` and `back` (..., n) are the half depths along +deep and -deep; `square` < 1 flattens the ellipse towards a
    box. A ring begins at the back (-deep), so that the front lies in the middle of its texture.
    """
    theta = np.linspace(-np.pi, np.pi, segments + 1)
    sine = np.sign(np.sin(theta)) * np.abs(np.sin(theta)) ** square
    cosine = np.sign(np.cos(theta)) * np.abs(np.cos(theta)) ** square
    back = front if back is None else back
    depth = np.where(cosine > 0, front[..., None], back[..., None]) * cosine  # (B, n, m)
    across = half_width[..., None] * sine
    return centres[..., None, :] + across[..., None] * wide[..., None, :] + depth[..., None] * deep[..., None, :]


def grouped(mesh: Mesh, group: int) -> Mesh:
    """Return the mesh as one group."""
    return replace(mesh, groups=np.full(len(mesh.quads), group))


def inside_out(mesh: Mesh, ambient: float) -> Mesh:
    """Return the surface's other side, darker."""
    return replace(mesh, normals=-mesh.normals, ambient=mesh.ambient * ambient, nearer=mesh.nearer - 0.01)


def box(low: FloatArray, high: FloatArray, tile: Tile, part: int, cells: int = 4) -> list[Mesh]:
    """Return the six faces of a box along the world's axes (metres), each cut into cells for depth sorting."""
    faces = []
    steps = np.linspace(0, 1, cells + 1)
    v, u = np.meshgrid(1 - steps, steps, indexing='ij')
    for axis in range(3):
        for end in (0.0, 1.0):
            unit = np.insert(np.stack([u, v], axis=-1), axis, end, axis=-1)
            points = low + unit * (np.asarray(high) - low)
            face = sheet(points, tile, part, closed=False)
            outward = np.eye(3)[axis] * (2 * end - 1)
            faces.append(replace(face, normals=np.broadcast_to(outward, face.normals.shape)))
    return faces


def _normals(points: FloatArray, closed: bool) -> FloatArray:
    along = _differences(points)
    around = _differences(points.swapaxes(1, 2)).swapaxes(1, 2)
    if closed:
        around[:, :, 0] = around[:, :, -1] = points[:, :, 1] - points[:, :, -2]
    (ax, ay, az), (bx, by, bz) = np.moveaxis(around, -1, 0), np.moveaxis(along, -1, 0)
    normals = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
    normals /= np.sqrt(np.einsum('...i,...i', normals, normals))[..., None] + 1e-12
    outward = points - points[:, :, :-1].mean(axis=2, keepdims=True)
    sign = np.where(np.einsum('bnmi,bnmi->b', normals, outward) < 0, -1.0, 1.0)
    return normals * sign[:, None, None, None]


def _differences(points: FloatArray) -> FloatArray:
    """Differences along axis 1, of the neighbours on both sides where there are two."""
    change = np.empty_like(points)
    change[:, 1:-1] = points[:, 2:] - points[:, :-2]
    change[:, 0], change[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    return change
