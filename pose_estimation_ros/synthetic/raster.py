"""Draws a mesh: facets to an index buffer, then colour, light and depth per pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray, IntArray
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.mesh import Mesh

_SHIFT = 4
_FAR = np.float32(1e4)


@dataclass(frozen=True, eq=False)
class Light:
    """`direction` (3,) points to the sun or lamp; colours are BGR factors of a white surface."""

    direction: FloatArray
    sun: FloatArray
    sky: FloatArray
    ground: FloatArray


@dataclass(frozen=True, eq=False)
class Layer:
    """A drawn mesh: its position in the image and, per image pixel, colour times coverage, coverage, depth, part."""

    left: int
    top: int
    colour: FloatArray
    """(h, w, 3) float32 BGR 0..255, premultiplied"""
    alpha: FloatArray
    depth: FloatArray
    """Metres, at the pixel's centre."""
    parts: ByteArray
    """0 for none."""

    @property
    def window(self) -> tuple[slice, slice]:
        height, width = self.alpha.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True, eq=False)
class _Surface:
    """Facets as they are shaded: part, upward share of the normal, planes (3, F, 5) of what `_shade` interpolates."""

    parts: IntArray
    upward: FloatArray
    planes: FloatArray


def draw_mesh(mesh: Mesh, atlas: ByteArray, camera: Camera, light: Light, detail: float = 1.0) -> Layer | None:
    """Draw a mesh as seen by the camera; None if it is outside the image.

    Small meshes are drawn at a higher resolution and reduced; `detail` scales the maximum heights for that.
    """
    projected = camera.project(mesh.vertices)
    low, high = projected[:, :2].min(axis=0), projected[:, :2].max(axis=0)
    left, top = (max(0, int(np.floor(edge)) - 1) for edge in low)
    right = min(camera.width, int(np.ceil(high[0])) + 2)
    bottom = min(camera.height_px, int(np.ceil(high[1])) + 2)
    if right <= left or bottom <= top:
        return None
    tall = (high[1] - low[1]) / detail
    fine = 3 if tall < 90 else 2 if tall < 260 else 1
    canvas = (projected[:, :2] - (left, top) + 0.5) * fine - 0.5
    size = ((bottom - top) * fine, (right - left) * fine)
    facets = _front_facets(mesh, canvas, projected[:, 2], camera, size)
    sunlight = np.clip((mesh.normals @ light.direction + 0.15) / 1.15, 0, 1)
    attributes = np.column_stack([mesh.texture, sunlight, mesh.ambient, projected[:, 2]])
    corners = mesh.quads[facets]
    outlines, planes = canvas[corners], _gradients(canvas[corners], attributes[corners])
    ids = _index_buffer(outlines, planes[..., 4], mesh.nearer[facets], mesh.groups[facets], size)
    if not ids.any():
        return None
    surface = _Surface(mesh.parts[facets], mesh.normals[corners, 1].mean(axis=1), planes)
    return _shrink(*_shade(ids, surface, atlas, light, fine), (left, top), fine)


def _front_facets(mesh: Mesh, canvas: FloatArray, depth: FloatArray, camera: Camera, size: tuple[int, int]) -> IntArray:
    """Facets that face the camera and touch the canvas, far ones first."""
    first, second, third, fourth = mesh.quads.T
    centres = (mesh.vertices[first] + mesh.vertices[third]) / 2
    normals = mesh.normals[first] + mesh.normals[third]
    facing = np.einsum('fi,fi->f', camera.position - centres, normals) > 0
    low = np.minimum(np.minimum(canvas[first], canvas[second]), np.minimum(canvas[third], canvas[fourth]))
    high = np.maximum(np.maximum(canvas[first], canvas[second]), np.maximum(canvas[third], canvas[fourth]))
    inside = (high[:, 0] >= 0) & (high[:, 1] >= 0) & (low[:, 0] < size[1]) & (low[:, 1] < size[0])
    chosen = np.flatnonzero(facing & inside)
    nearness = mesh.nearer[chosen] - (depth[first] + depth[second] + depth[third] + depth[fourth])[chosen] / 4
    return chosen[np.argsort(nearness, kind='stable')]


def _index_buffer(
    outlines: FloatArray, depths: FloatArray, nearer: FloatArray, groups: IntArray, size: tuple[int, int]
) -> AnyArray:
    """Return (h, w) int32: 1 + the index of the visible facet, 0 for none.

    Facets are in order of decreasing distance. Within a group the last one drawn is visible; between groups the nearer
    one is, by the facets' depth planes (3, F).
    """
    best, nearest = np.zeros(size, np.int32), np.full(size, _FAR, np.float32)
    fixed = np.round(outlines * (1 << _SHIFT)).astype(np.int32)
    planes = np.ascontiguousarray(depths.T)
    planes[:, 0] -= nearer
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        corners = outlines[members]
        left, top = np.maximum(np.floor(corners.min(axis=(0, 1))).astype(int) - 1, 0)
        right, bottom = np.ceil(corners.max(axis=(0, 1))).astype(int) + 2
        ids = np.zeros(best[top:bottom, left:right].shape, np.int32)
        moved = fixed - (np.array([left, top], np.int32) << _SHIFT)
        for number in members.tolist():
            cv2.fillConvexPoly(ids, moved[number], (number + 1,), cv2.LINE_8, _SHIFT)
        _keep_nearer(ids, planes, (left, top), best[top:bottom, left:right], nearest[top:bottom, left:right])
    return best


def _keep_nearer(
    ids: AnyArray, planes: FloatArray, corner: tuple[int, int], best: AnyArray, nearest: FloatArray
) -> None:
    """Copy the pixels of `ids` that are nearer than those in `best`."""
    rows, columns = np.nonzero(ids)
    facet = ids[rows, columns]
    plane = np.take(planes, facet - 1, axis=0)
    depth = plane[:, 0] + plane[:, 1] * (columns + corner[0]) + plane[:, 2] * (rows + corner[1])
    wins = depth < nearest[rows, columns]
    rows, columns = rows[wins], columns[wins]
    best[rows, columns], nearest[rows, columns] = facet[wins], depth[wins]


def _shade(
    ids: AnyArray, surface: _Surface, atlas: ByteArray, light: Light, fine: int
) -> tuple[FloatArray, FloatArray, ByteArray]:
    """Return colour (h, w, 3), depth and part (h, w) of the fine canvas."""
    index = np.flatnonzero(ids)
    rows, columns = np.divmod(index, ids.shape[1])
    facet = np.take(ids, index) - 1
    values = _evaluate(surface.planes, facet, columns, rows)  # (P, 5)
    upward = np.take(surface.upward.astype(np.float32), facet)
    depth = np.full(ids.shape, _FAR, np.float32)
    depth.ravel()[index] = values[:, 4]
    shadow, crevice = _screen_shadows(ids > 0, depth, light, fine)
    ambient = (np.clip(values[:, 3], 0, 1) * np.take(crevice, index))[:, None]
    mean, difference = ((light.sky + sign * light.ground).astype(np.float32) / 2 for sign in (1, -1))
    lit = mean + difference * upward[:, None]
    lit *= ambient
    direct = np.clip(values[:, 2], 0, 1) * np.take(shadow, index) * (0.4 + 0.6 * ambient[:, 0])
    lit += light.sun.astype(np.float32) * direct[:, None]
    lit *= _sample(atlas, values[:, 0], values[:, 1])
    colour = np.zeros((*ids.shape, 3), np.float32)
    colour.reshape(-1, 3)[index] = np.minimum(lit, 255, out=lit)
    parts = np.zeros(ids.shape, np.uint8)
    parts.ravel()[index] = np.take(surface.parts.astype(np.uint8), facet)
    return colour, depth, parts


def _gradients(outlines: FloatArray, corners: FloatArray) -> FloatArray:
    """Fit each facet's attributes by a plane: (3, F, A) float32 of value at (0, 0), change with x, change with y."""
    first, second = outlines[:, 2] - outlines[:, 0], outlines[:, 3] - outlines[:, 1]
    change, other = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]  # (F, A)
    determinant = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    inverse = np.where(np.abs(determinant) < 0.05, 0, 1 / np.where(determinant == 0, 1, determinant))[:, None]
    along_x = (change * second[:, 1:] - other * first[:, 1:]) * inverse
    along_y = (other * first[:, :1] - change * second[:, :1]) * inverse
    # slivers at the silhouette would shoot far over their corners' values
    limit = (np.abs(change) + np.abs(other)) / (np.hypot(along_x, along_y) + 1e-9)
    calm = np.minimum(1, limit)
    along_x, along_y = along_x * calm, along_y * calm
    middle = outlines.mean(axis=1)
    origin = corners.mean(axis=1) - along_x * middle[:, :1] - along_y * middle[:, 1:]
    return np.stack([origin, along_x, along_y]).astype(np.float32)


def _evaluate(table: FloatArray, facet: IntArray, columns: IntArray, rows: IntArray) -> FloatArray:
    chosen = np.take(table, facet, axis=1)  # (3, P, A)
    chosen[1] *= columns.astype(np.float32)[:, None]
    chosen[2] *= rows.astype(np.float32)[:, None]
    values: FloatArray = chosen[0]
    values += chosen[1]
    values += chosen[2]
    return values


def _sample(atlas: ByteArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return bilinear samples (P, 3) float32; OpenCV needs the points as an image."""
    width = 1024
    total = -(-len(x) // width) * width
    padded = np.zeros((2, total), np.float32)
    padded[0, : len(x)], padded[1, : len(x)] = x, y
    maps = padded.reshape(2, -1, width)
    sampled: AnyArray = cv2.remap(atlas, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.reshape(-1, 3)[: len(x)].astype(np.float32)


def _screen_shadows(mask: AnyArray, depth: FloatArray, light: Light, fine: int) -> tuple[FloatArray, FloatArray]:
    """Return factors of sunlight and skylight from nearer surfaces beside each pixel.

    An approximation in image space: a pixel far behind its neighbourhood is in a crevice; one behind its neighbours in
    the direction of the light is in shadow.
    """
    small = (max(2, mask.shape[1] // (2 * fine)), max(2, mask.shape[0] // (2 * fine)))
    cover = cv2.resize(mask.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    covered = cv2.resize(np.where(mask, depth, 0).astype(np.float32), small, interpolation=cv2.INTER_AREA)
    spread = max(1.0, small[1] * 0.022)
    near = cv2.GaussianBlur(covered, (0, 0), spread) / (cv2.GaussianBlur(cover, (0, 0), spread) + 1e-3)
    own = covered / (cover + 1e-3)
    crevice = 1 - 0.55 * np.clip((own - near) / 0.10, 0, 1)
    shift = np.array([light.direction[0], -light.direction[1]]) * small[1] * 0.03
    move = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]])
    towards = cv2.warpAffine(np.where(cover > 0.5, own, _FAR).astype(np.float32), move, small, borderValue=float(_FAR))
    shadow = 1 - 0.8 * np.clip((own - towards - 0.03) / 0.06, 0, 1)
    shadow = cv2.GaussianBlur(shadow.astype(np.float32), (0, 0), max(0.7, spread * 0.35))
    full = (mask.shape[1], mask.shape[0])
    return np.asarray(cv2.resize(shadow, full)), np.asarray(cv2.resize(crevice.astype(np.float32), full))


def _shrink(colour: FloatArray, depth: FloatArray, parts: ByteArray, corner: tuple[int, int], fine: int) -> Layer:
    """Reduce the fine canvas to image pixels."""
    alpha = (parts > 0).astype(np.float32)
    if fine == 1:  # large figures are drawn at the image's own resolution and their rim is softened
        soft = cv2.GaussianBlur(alpha, (3, 3), 0.55)
        rim = cv2.dilate(colour, np.ones((3, 3), np.uint8))
        colour = np.where(parts[..., None] == 0, rim, colour) * soft[..., None]
        return Layer(*corner, colour, np.asarray(soft), depth, parts)
    size = (alpha.shape[1] // fine, alpha.shape[0] // fine)
    middle = slice(fine // 2, None, fine)
    return Layer(
        *corner,
        np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA)),
        np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)),
        depth[middle, middle],
        parts[middle, middle],
    )
