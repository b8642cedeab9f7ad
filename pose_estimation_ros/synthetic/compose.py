"""Composes a frame: people, stools and obstacles over a background, shadows, every pixel's owner, visible keypoints."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.synthetic.actors import Actor, Sitter
from pose_estimation_ros.synthetic.body import Figure
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.dress import dressed
from pose_estimation_ros.synthetic.head import face_points
from pose_estimation_ros.synthetic.mesh import Mesh, Part, box, grouped, join, tile
from pose_estimation_ros.synthetic.noise import smooth_noise
from pose_estimation_ros.synthetic.raster import Layer, Light, draw_mesh

_SIDED: dict[int, tuple[tuple[Part, ...], tuple[Part, ...], float]] = {
    2: ((Part.RIGHT_UPPER_ARM,), (Part.TORSO,), 0.085),
    3: ((Part.RIGHT_UPPER_ARM, Part.RIGHT_FOREARM), (), 0.055),
    4: ((Part.RIGHT_FOREARM, Part.RIGHT_HAND), (), 0.045),
    8: ((Part.RIGHT_THIGH,), (Part.TORSO, Part.PELVIS, Part.SKIRT), 0.115),
    9: ((Part.RIGHT_THIGH, Part.RIGHT_SHIN), (Part.SKIRT,), 0.08),
    10: ((Part.RIGHT_SHIN, Part.RIGHT_FOOT), (), 0.06),
}
"""Right keypoint of OPENPOSE_18 (the left one is 3 later) -> parts of its side and of the middle that show it, and how
far (fraction of the stature) it may lie below their surface."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """A frame being drawn: `image` float32 BGR, and per pixel the nearest depth, owner (0 nobody) and part."""

    image: FloatArray
    depth: FloatArray
    owner: AnyArray
    part: ByteArray


@dataclass(frozen=True, eq=False)
class Staged:
    """A person at one moment: keypoints (18, 3) in world metres, and the surface."""

    actor: Actor
    keypoints: FloatArray
    mesh: Mesh


def stage(actor: Actor, time: float, camera: Camera) -> Staged:
    """Return a posed and dressed person; small ones get a coarser head."""
    figure = actor.figure(time)
    fine = camera.focal * figure.build.stature > 520 * -figure.pelvis[2]
    mesh = dressed(figure, actor.appearance.outfit, fine)
    if isinstance(actor.journey, Sitter):
        mesh = join([mesh, seat(figure)])
    face = face_points(figure)
    limbs = [*figure.arms, *figure.legs]
    keypoints = np.concatenate([face['nose'][None], figure.neck[None], *limbs, face['eyes'], face['ears']])
    return Staged(actor, keypoints, mesh)


def compose(
    backdrop: FloatArray,
    people: list[Staged],
    objects: list[tuple[Mesh, ByteArray]],
    camera: Camera,
    light: Light,
    detail: float = 1.0,
) -> Canvas:
    """Draw everything, distant objects first, with a depth buffer for intersections."""
    size = backdrop.shape[:2]
    canvas = Canvas(
        backdrop.copy(), np.full(size, np.inf, np.float32), np.zeros(size, np.int16), np.zeros(size, np.uint8)
    )
    cast_shadows(canvas.image, [person.mesh for person in people] + [mesh for mesh, _ in objects], camera, light)
    drawn = [(person.mesh, person.actor.appearance.atlas, person.actor.id) for person in people]
    drawn += [(mesh, atlas, 0) for mesh, atlas in objects]
    for mesh, atlas, owner in sorted(drawn, key=lambda item: float(item[0].vertices[:, 2].mean())):
        layer = draw_mesh(mesh, atlas, camera, light, detail)
        if layer is not None:
            _lay(canvas, layer, owner)
    return canvas


def visibility(person: Staged, canvas: Canvas, camera: Camera) -> FloatArray:
    """Return (18, 3) float32 of x, y in the image and 2 visible, 1 hidden, 0 outside the image."""
    projected = camera.project(person.keypoints)
    keypoints = projected.copy()
    height, width = canvas.owner.shape
    column, row = (np.round(projected[:, axis]).astype(int) for axis in (0, 1))
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
    below = projected[:, 2] - canvas.depth[row, column]
    shown = _SHOWN_BY[np.arange(len(keypoints)), canvas.part[row, column]]
    seen = (canvas.owner[row, column] == person.actor.id) & shown
    seen &= below < _TOLERANCE * person.actor.build.stature
    keypoints[:, 2] = np.where(inside, 1 + seen, 0)
    return keypoints.astype(np.float32)


def seat(figure: Figure) -> Mesh:
    """Return a stool under a sitting figure, in its orientation."""
    top, half = float(figure.pelvis[1]) - 0.075 * figure.build.stature, 0.13 * figure.build.stature
    low, high = np.array([-half, 0.0, -half * 1.2]), np.array([half, top, half * 0.9])
    mesh = join(box(low, high, tile('extra'), Part.SEAT))
    forward = figure.pelvis_axes[:, 2] * (1, 0, 1)
    forward /= np.linalg.norm(forward)
    turn = np.stack([np.cross([0, 1, 0], forward), [0, 1, 0], forward], axis=1)
    moved = mesh.vertices @ turn.T + figure.pelvis * (1, 0, 1)
    placed = replace(mesh, vertices=moved, normals=mesh.normals @ turn.T, nearer=mesh.nearer - 0.04)
    return grouped(placed, 3)  # after the trunk, legs and arms of `dressed`


def obstacle(rng: np.random.Generator, camera: Camera, behind: FloatArray) -> tuple[Mesh, ByteArray]:
    """Return a box, planter or post that stands in front of the ground point (x, z) `behind`, and its texture."""
    depth = max(1.2, -float(behind[1]) - float(rng.uniform(0.45, 0.8)))
    column = camera.project(np.array([behind[0], 0.0, behind[1]]))[0]
    x, _ = camera.ground_at(float(column), depth)
    x += float(rng.uniform(-0.4, 0.4))
    if rng.random() < 0.35:
        half, tall, thick = 0.05, float(rng.uniform(1.0, 3.2)), 0.05
    else:
        half, tall, thick = float(rng.uniform(0.2, 0.7)), float(rng.uniform(0.35, 0.95)), 0.2
    low, high = np.array([x - half, 0.0, -depth - thick]), np.array([x + half, tall, -depth + thick])
    colour = rng.uniform(40, 190, 3) * 0.5 + rng.uniform(40, 190) * 0.5
    grain = 1 + 0.12 * smooth_noise(rng, (64, 64), (16, 3)) + 0.04 * rng.normal(0, 1, (64, 64))
    pixels = colour * grain[..., None]
    pixels[[0, 1, 2, -3, -2, -1]] *= 0.7
    return join(box(low, high, (1, 1, 62, 62), Part.SEAT, cells=6)), np.clip(pixels, 0, 255).astype(np.uint8)


def cast_shadows(image: FloatArray, meshes: list[Mesh], camera: Camera, light: Light) -> None:
    """Darken the ground in the shadows of people and more at their feet."""
    step = 4
    size = (camera.height_px // step + 1, camera.width // step + 1)
    far, touch = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for mesh in meshes:
        ground = mesh.vertices - light.direction * (mesh.vertices[:, 1:2] / light.direction[1])
        points = np.round(np.clip(camera.project(ground)[:, :2] / step, -4000, 4000)).astype(np.int32)
        for part in set(mesh.parts.tolist()):
            corners = mesh.quads[mesh.parts == part, ::2].ravel()
            cv2.fillConvexPoly(far, cv2.convexHull(points[corners]), (255,))
            if part in (Part.RIGHT_FOOT, Part.LEFT_FOOT, Part.SEAT):
                low = corners[mesh.vertices[corners, 1] < 0.06]
                if len(low) > 2:
                    cv2.fillConvexPoly(touch, cv2.convexHull(points[low]), (255,))
    strength = 0.25 + 0.35 * float(light.sun.mean() / (light.sun.mean() + light.sky.mean()))
    spread = camera.height_px / 720
    dark = 1 - strength / 255 * cv2.GaussianBlur(far, (0, 0), 1.6 * spread).astype(np.float32)
    dark *= 1 - 0.5 / 255 * cv2.GaussianBlur(touch, (0, 0), 1.1 * spread).astype(np.float32)
    full = cv2.resize(dark, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    floor = max(0, int(camera.horizon))
    image[floor:] *= full[floor : camera.height_px, : camera.width, None]


def _lay(canvas: Canvas, layer: Layer, owner: int) -> None:
    window = layer.window
    in_front = cv2.erode(layer.depth, np.ones((3, 3), np.uint8)) < canvas.depth[window]
    alpha = layer.alpha * in_front
    colour = layer.colour if in_front[layer.alpha > 0].all() else layer.colour * in_front[..., None]
    image = canvas.image[window]
    image *= 1 - alpha[..., None]
    image += colour
    solid = (alpha > 0.5) & (layer.parts > 0)
    canvas.depth[window][solid] = layer.depth[solid]
    canvas.part[window][solid] = layer.parts[solid]
    canvas.owner[window][solid] = np.where(layer.parts[solid] == Part.SEAT, 0, owner)


def _rules() -> tuple[AnyArray, FloatArray]:
    """Return which parts show which keypoint (18, parts), and depths (18,) as fractions of the stature."""
    shown = np.zeros((18, max(Part) + 1), bool)
    tolerance = np.zeros(18)

    rules = [(keypoint, [Part.HEAD], 0.02) for keypoint in (0, 14, 15, 16, 17)]
    rules.append((1, [Part.TORSO, Part.NECK], 0.085))
    for right, (sided, middle, depth) in _SIDED.items():
        rules += [(right + 3 * left, [*(Part(part + left) for part in sided), *middle], depth) for left in (0, 1)]
    for keypoint, parts, depth in rules:
        shown[keypoint, parts], tolerance[keypoint] = True, depth
    return shown, tolerance


_SHOWN_BY, _TOLERANCE = _rules()
