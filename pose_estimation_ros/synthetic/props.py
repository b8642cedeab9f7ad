"""Stools that people sit on, and obstacles in front of them."""

from dataclasses import replace

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.synthetic.appearance import tile
from pose_estimation_ros.synthetic.body import Figure
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.mesh import Mesh, Part, Tile, box, grouped, join
from pose_estimation_ros.synthetic.noise import smooth_noise

_SEAT_GROUP = 3


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
    return grouped(placed, _SEAT_GROUP)


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
    whole: Tile = (1, 1, 62, 62)
    low, high = np.array([x - half, 0.0, -depth - thick]), np.array([x + half, tall, -depth + thick])
    return join(box(low, high, whole, Part.SEAT, cells=6)), _surface(rng)


def _surface(rng: np.random.Generator) -> ByteArray:
    colour = rng.uniform(40, 190, 3) * 0.5 + rng.uniform(40, 190) * 0.5
    grain = 1 + 0.12 * smooth_noise(rng, (64, 64), (16, 3)) + 0.04 * rng.normal(0, 1, (64, 64))
    pixels = colour * grain[..., None]
    pixels[:3] *= 0.7
    pixels[-3:] *= 0.7
    return np.clip(pixels, 0, 255).astype(np.uint8)
