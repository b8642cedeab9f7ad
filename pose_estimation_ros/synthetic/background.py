"""Backdrops with the camera's perspective: street, room, park and plain studio. BGR, (H, W, 3) float32 0..255."""

from collections.abc import Callable

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.noise import fractal_noise, smooth_noise
from pose_estimation_ros.synthetic.scenery import (
    carpet,
    cupboard,
    facade,
    floor_polygon,
    ground,
    inner_wall,
    sky,
    trees,
    vary,
    wall,
)


def paint_background(kind: str, rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint one of BACKGROUNDS, a little out of focus."""
    step = 2 if camera.height_px >= 400 else 1  # painted coarsely: it is out of focus anyway
    coarse = Camera(
        *(-(-camera.width // step), -(-camera.height_px // step), camera.focal / step),
        *(camera.horizon / step, camera.height),
    )
    picture = BACKGROUNDS[kind](rng, coarse)
    soft = float(rng.uniform(0.3, 1.0)) * coarse.height_px / 360
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.3, soft)))
    if step > 1:
        picture = np.asarray(cv2.resize(picture, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(picture[: camera.height_px, : camera.width], np.float32)


def street(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Rows of houses on both sides of a road under the sky."""
    picture = sky(rng, camera)
    ground(picture, rng, camera, vary(rng, (112, 114, 118), 14), 7)
    half = float(rng.uniform(3.5, 7))
    carpet(picture, camera, (-half * 0.6, half * 0.6), (1.0, 80.0), vary(rng, (84, 84, 88), 10), rng)
    for start in np.arange(1.0, 60, 4.0):
        floor_polygon(picture, camera, (-0.07, 0.07), (start, start + 1.8), (190, 195, 196))
    end = float(rng.uniform(22, 45))
    for side in (-1, 1):
        near = end
        while near > 1.5:
            length = float(rng.uniform(5, 10))
            front = facade(rng, int(rng.integers(3, 6)), max(2, int(length / 2.2)))
            wall(picture, camera, front, [(side * half, near), (side * half, near - length)], float(rng.uniform(6, 13)))
            near -= length
    trees(picture, rng, camera, int(rng.integers(0, 4)), half)
    return picture


def room(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint a room with floor, three walls, pictures, windows, a door and furniture along the walls."""
    picture = np.empty((camera.height_px, camera.width, 3), np.float32)
    picture[:] = vary(rng, (215, 220, 222), 12)
    tone = vary(rng, ((196, 208, 214), (176, 186, 180), (206, 196, 186), (150, 170, 196))[int(rng.integers(4))], 14)
    depth, half, tall = float(rng.uniform(6.5, 12)), float(rng.uniform(2.8, 5)), float(rng.uniform(2.5, 3.4))
    ground(
        picture, rng, camera, vary(rng, ((96, 130, 170), (120, 124, 130), (70, 96, 134))[int(rng.integers(3))], 14), 6
    )
    for plank in np.arange(-half, half, 0.45):
        floor_polygon(picture, camera, (plank, plank + 0.02), (0.5, depth), (60, 76, 96))
    wall(picture, camera, inner_wall(rng, tone), [(-half, depth), (half, depth)], tall)
    for side in (-1, 1):
        ends = [(side * half, depth), (side * half, 0.6)]
        wall(picture, camera, inner_wall(rng, vary(rng, tone, 8)), ends, tall)
    for _ in range(int(rng.integers(1, 4))):
        cupboard(picture, rng, camera, half, depth)
    return picture


def park(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Grass, a path, trees and the sky."""
    picture = sky(rng, camera)
    hills = smooth_noise(rng, (1, camera.width), (1, 6))[0] * 0.02 * camera.height_px
    green = np.array(vary(rng, (58, 92, 74), 14))
    base = camera.horizon - 0.07 * camera.height_px
    rows = np.arange(camera.height_px)[:, None]
    wood = rows > base + hills[None] + 6 * rng.normal(0, 1, (1, camera.width))
    leaf = 1 + 0.35 * fractal_noise(rng, (camera.height_px, camera.width), 12, 4)
    picture[wood] = (green * leaf[..., None])[wood]
    ground(picture, rng, camera, vary(rng, (62, 128, 106), 16), 26)
    left = float(rng.uniform(-3, 1))
    if rng.random() < 0.7:
        carpet(picture, camera, (left, left + float(rng.uniform(1.5, 3))), (1, 60), vary(rng, (150, 172, 186), 12), rng)
    trees(picture, rng, camera, int(rng.integers(2, 7)), 5.0)
    return picture


def studio(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint a lit sheet: a gradient with stains of colour, running over into the floor."""
    shape = (camera.height_px, camera.width)
    first, second = (np.array(vary(rng, (128, 128, 128), 60)) for _ in range(2))
    along = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None, None]
    picture = np.broadcast_to((first * (1 - along) + second * along).astype(np.float32), (*shape, 3)).copy()
    picture += (fractal_noise(rng, shape, 3, 5) * rng.uniform(5, 30))[..., None].astype(np.float32)
    ground(picture, rng, camera, vary(rng, (second[0], second[1], second[2]), 6), 6)
    return np.clip(picture, 0, 255).astype(np.float32)


BACKGROUNDS: dict[str, Callable[[np.random.Generator, Camera], FloatArray]] = {
    'street': street,
    'room': room,
    'park': park,
    'studio': studio,
}
