"""Backgrounds in the camera's perspective: street, room, park and studio. BGR, (H, W, 3) float32 from 0 to 255."""

from collections.abc import Callable

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.noise import fractal_noise, smooth_noise

Colour = tuple[float, float, float]
Strip = tuple[float, float, float, float]
"""Left, right, near and far end of a strip of ground, in metres."""


def vary(rng: np.random.Generator, colour: Colour, by: float) -> Colour:
    blue, green, red = np.clip(np.array(colour) + rng.normal(0, by * 0.5) + rng.normal(0, by * 0.5, 3), 8, 248)
    return float(blue), float(green), float(red)


def sky(rng: np.random.Generator, camera: Camera) -> FloatArray:
    shape = (camera.height_px, camera.width)
    up = np.clip(1 - np.arange(shape[0]) / max(1.0, camera.horizon), 0, 1).astype(np.float32)[:, None, None]
    low, high = np.array(vary(rng, (232, 224, 214), 8)), np.array(vary(rng, (214, 170, 120), 16))
    image = np.broadcast_to((low * (1 - up) + high * up).astype(np.float32), (*shape, 3)).copy()
    rows = min(max(8, int(camera.horizon)), shape[0])
    clouds = np.clip(fractal_noise(rng, (rows, shape[1]), 3, 4) + float(rng.uniform(-0.2, 0.3)), 0, 1)[..., None]
    image[:rows] = image[:rows] * (1 - clouds) + 242 * clouds
    return image


def ground(image: FloatArray, rng: np.random.Generator, camera: Camera, colour: Colour, rough: float) -> None:
    """Paint everything below the horizon, with grain that grows towards the camera."""
    top = int(np.clip(np.ceil(camera.horizon + 1), 0, camera.height_px - 1))
    rows = camera.height_px - top
    grain = np.zeros((rows, camera.width), np.float32)
    shade = smooth_noise(rng, (rows, camera.width), (8, 4)) * 0.06
    for cell in (40, 12, 4):  # metres seen get fewer nearer by: coarse noise below, fine noise above
        share = np.exp(-((np.linspace(0, 1, rows, dtype=np.float32) * 6 - np.log2(cell)) ** 2) / 6)[:, None]
        size = (max(2, rows // max(1, int(16 / cell + 1))), max(2, camera.width * cell // 400 + 40))
        grain += share * smooth_noise(rng, (rows, camera.width), size)
    fine = rng.normal(0, 1, (rows // 2 + 1, camera.width // 2 + 1)).astype(np.float32)
    grain += 0.6 * cv2.resize(fine, (camera.width, rows))
    image[top:] = np.asarray(colour, np.float32) * (1 + shade[..., None]) + rough * grain[..., None]


def _floor_points(camera: Camera, strip: Strip) -> AnyArray:
    left, right, near, far = strip[0], strip[1], max(0.4, strip[2]), max(0.5, strip[3])
    corners = np.array([[left, 0, -near], [right, 0, -near], [right, 0, -far], [left, 0, -far]])
    return _fixed(camera.project(corners)[:, :2])


def _fixed(points: FloatArray) -> AnyArray:
    return np.round(np.clip(points, -20000, 20000) * 8).astype(np.int32)


def floor_polygon(image: FloatArray, camera: Camera, strip: Strip, colour: Colour) -> None:
    cv2.fillConvexPoly(image, _floor_points(camera, strip), colour, cv2.LINE_8, 3)


def carpet(image: FloatArray, camera: Camera, strip: Strip, colour: Colour) -> None:
    """Paint a strip of ground in another colour and keep the grain."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, _floor_points(camera, strip), (255,), cv2.LINE_8, 3)
    inside = mask > 0
    if inside.any():
        image[inside] += np.asarray(colour, np.float32) - image[inside].mean(axis=0)


def wall(image: FloatArray, camera: Camera, texture: AnyArray, ends: list[tuple[float, float]], tall: float) -> None:
    """Draw a texture between two floor points (x, distance), from the floor up to `tall` metres."""
    (x0, d0), (x1, d1) = ends
    d0, d1 = max(d0, 0.6), max(d1, 0.6)
    if abs(d0 - d1) < 1e-6 and d0 <= 0.6:
        return
    corners = np.array([[x0, tall, -d0], [x1, tall, -d1], [x1, 0, -d1], [x0, 0, -d0]])
    target = camera.project(corners)[:, :2].astype(np.float32)
    low = np.clip(np.floor(target.min(axis=0)), 0, (camera.width, camera.height_px)).astype(int)
    high = np.clip(np.ceil(target.max(axis=0)) + 1, 0, (camera.width, camera.height_px)).astype(int)
    if (high - low < 2).any():
        return
    height, width = texture.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    move = cv2.getPerspectiveTransform(source, target - low.astype(np.float32))
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    hung = cv2.warpPerspective(texture, move, size, flags=cv2.INTER_LINEAR)
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, _fixed(target - low), (255,), cv2.LINE_8, 3)
    image[window][mask > 0] = hung[mask > 0]


def facade(rng: np.random.Generator, floors: int, bays: int) -> AnyArray:
    """Paint a house front: wall, windows, a shop or door at the bottom."""
    cell = 24
    palette = ((120, 140, 176), (160, 178, 190), (96, 110, 150), (190, 200, 206), (130, 132, 138), (150, 170, 200))
    wall = np.empty((floors * cell, bays * cell, 3), np.uint8)
    wall[:] = np.array(vary(rng, palette[int(rng.integers(len(palette)))], 16))
    glass = vary(rng, (96, 86, 78), 20)
    for floor in range(floors):
        for bay in range(bays):
            left, top = bay * cell + 6, floor * cell + 5
            pane = np.array(glass) * rng.uniform(0.7, 1.5)
            if floor == floors - 1:
                cv2.rectangle(wall, (left - 3, top), (left + 15, top + 19), tuple(pane * 0.8), cv2.FILLED)
                continue
            cv2.rectangle(wall, (left - 1, top - 1), (left + 13, top + 14), (205, 208, 210), cv2.FILLED)
            cv2.rectangle(wall, (left, top), (left + 12, top + 13), tuple(pane), cv2.FILLED)
            cv2.line(wall, (left + 6, top), (left + 6, top + 13), (190, 195, 198), 1)
    awning = vary(rng, (90, 80, 120), 50)
    cv2.rectangle(wall, (0, (floors - 1) * cell), (bays * cell, (floors - 1) * cell + 4), awning, cv2.FILLED)
    return cv2.resize(wall, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)


def inner_wall(rng: np.random.Generator, colour: Colour) -> AnyArray:
    wall = np.empty((120, 320, 3), np.uint8)
    wall[:] = np.clip(colour, 0, 255)
    wall[-5:] = (222, 226, 228)
    left = 8
    while left < 280:
        wide = int(rng.integers(24, 60))
        kind = rng.random()
        if kind < 0.3:
            cv2.rectangle(wall, (left, 30), (left + wide, 82), (236, 238, 238), cv2.FILLED)
            cv2.rectangle(wall, (left + 3, 33), (left + wide - 3, 79), vary(rng, (235, 215, 190), 20), cv2.FILLED)
            cv2.line(wall, (left + wide // 2, 33), (left + wide // 2, 79), (230, 232, 232), 2)
        elif kind < 0.6:
            cv2.rectangle(wall, (left, 38), (left + wide // 2, 66), (50, 56, 66), cv2.FILLED)
            cv2.rectangle(wall, (left + 2, 40), (left + wide // 2 - 2, 64), vary(rng, (130, 140, 150), 60), cv2.FILLED)
        elif kind < 0.75:
            cv2.rectangle(wall, (left, 36), (left + 30, 118), vary(rng, (90, 120, 160), 30), cv2.FILLED)
            cv2.circle(wall, (left + 26, 78), 2, (180, 200, 210), cv2.FILLED)
        left += wide + int(rng.integers(14, 50))
    light = np.linspace(1.04, 0.9, 120)[:, None, None]
    return cv2.resize(np.clip(wall * light, 0, 255).astype(np.uint8), (960, 360), interpolation=cv2.INTER_LINEAR)


def cupboard(image: FloatArray, rng: np.random.Generator, camera: Camera, half: float, depth: float) -> None:
    """Draw the front of a shelf or sideboard at the back wall."""
    wide, tall = float(rng.uniform(0.8, 2.0)), float(rng.choice([0.8, 1.1, 1.9]))
    left = float(rng.uniform(-half, half - wide))
    front = np.empty((60, 80, 3), np.uint8)
    front[:] = np.array(vary(rng, (90, 120, 160), 40))
    for row in range(0, 60, 20):
        cv2.rectangle(front, (3, row + 3), (38, row + 17), vary(rng, (70, 95, 130), 40), cv2.FILLED)
        cv2.rectangle(front, (42, row + 3), (77, row + 17), vary(rng, (70, 95, 130), 40), cv2.FILLED)
    wall(image, camera, front, [(left, depth - 0.5), (left + wide, depth - 0.5)], tall)


def trees(image: FloatArray, rng: np.random.Generator, camera: Camera, count: int, aside: float) -> None:
    """Draw trees, distant ones first: a trunk and a crown of blobs, lit from above."""
    for distance in sorted(rng.uniform(9, 30, count), reverse=True):
        x = float(rng.choice([-1, 1]) * rng.uniform(0.55, 1.6) * aside)
        tall, unit = float(rng.uniform(4, 8)), camera.focal / distance
        foot, top = camera.project(np.array([[x, 0, -distance], [x, tall, -distance]]))[:, :2]
        trunk = vary(rng, (52, 66, 84), 12)
        cv2.line(image, _point(foot), _point(top), trunk, max(1, round(0.22 * unit)), cv2.LINE_8)
        green = np.array(vary(rng, (44, 92, 70), 16))
        for height in np.sort(rng.uniform(-0.35, 0.35, 70)):
            spread = 0.30 * np.sqrt(max(0.02, 1 - (height / 0.36) ** 2)) * tall
            centre = top + np.array([rng.normal(0, 0.5) * spread, -height * tall]) * unit
            shade = 0.7 + 0.9 * (height + 0.35) + rng.normal(0, 0.08)
            radius = max(1, round(float(rng.uniform(0.05, 0.1)) * tall * unit))
            cv2.circle(image, _point(centre), radius, tuple((green * shade).tolist()), cv2.FILLED)


def _point(xy: FloatArray) -> tuple[int, int]:
    x, y = np.clip(np.round(xy), -20000, 20000).astype(int).tolist()
    return x, y


def paint_background(kind: str, rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint one of BACKGROUNDS, slightly out of focus."""
    step = 2 if camera.height_px >= 400 else 1  # painted coarsely: it is out of focus anyway
    width, height = -(-camera.width // step), -(-camera.height_px // step)
    coarse = Camera(width, height, camera.focal / step, camera.horizon / step, camera.height)
    image = BACKGROUNDS[kind](rng, coarse)
    soft = float(rng.uniform(0.3, 1.0)) * coarse.height_px / 360
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.3, soft)))
    if step > 1:
        image = np.asarray(cv2.resize(image, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(image[: camera.height_px, : camera.width], np.float32)


def street(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint rows of houses on both sides of a road under the sky."""
    image = sky(rng, camera)
    ground(image, rng, camera, vary(rng, (112, 114, 118), 14), 7)
    half = float(rng.uniform(3.5, 7))
    carpet(image, camera, (-half * 0.6, half * 0.6, 1.0, 80.0), vary(rng, (84, 84, 88), 10))
    for start in np.arange(1.0, 60, 4.0):
        floor_polygon(image, camera, (-0.07, 0.07, start, start + 1.8), (190, 195, 196))
    end = float(rng.uniform(22, 45))
    for side in (-1, 1):
        near = end
        while near > 1.5:
            length = float(rng.uniform(5, 10))
            front = facade(rng, int(rng.integers(3, 6)), max(2, int(length / 2.2)))
            wall(image, camera, front, [(side * half, near), (side * half, near - length)], float(rng.uniform(6, 13)))
            near -= length
    trees(image, rng, camera, int(rng.integers(0, 4)), half)
    return image


def room(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint a room with floor, three walls, images, windows, a door and furniture along the walls."""
    image = np.empty((camera.height_px, camera.width, 3), np.float32)
    image[:] = vary(rng, (215, 220, 222), 12)
    tone = vary(rng, ((196, 208, 214), (176, 186, 180), (206, 196, 186), (150, 170, 196))[int(rng.integers(4))], 14)
    depth, half, tall = float(rng.uniform(6.5, 12)), float(rng.uniform(2.8, 5)), float(rng.uniform(2.5, 3.4))
    ground(image, rng, camera, vary(rng, ((96, 130, 170), (120, 124, 130), (70, 96, 134))[int(rng.integers(3))], 14), 6)
    for plank in np.arange(-half, half, 0.45):
        floor_polygon(image, camera, (plank, plank + 0.02, 0.5, depth), (60, 76, 96))
    wall(image, camera, inner_wall(rng, tone), [(-half, depth), (half, depth)], tall)
    for side in (-1, 1):
        ends = [(side * half, depth), (side * half, 0.6)]
        wall(image, camera, inner_wall(rng, vary(rng, tone, 8)), ends, tall)
    for _ in range(int(rng.integers(1, 4))):
        cupboard(image, rng, camera, half, depth)
    return image


def park(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint grass, a path, trees and the sky."""
    image = sky(rng, camera)
    hills = smooth_noise(rng, (1, camera.width), (1, 6))[0] * 0.02 * camera.height_px
    green = np.array(vary(rng, (58, 92, 74), 14))
    base = camera.horizon - 0.07 * camera.height_px
    rows = np.arange(camera.height_px)[:, None]
    wood = rows > base + hills[None] + 6 * rng.normal(0, 1, (1, camera.width))
    leaf = 1 + 0.35 * fractal_noise(rng, (camera.height_px, camera.width), 12, 4)
    image[wood] = (green * leaf[..., None])[wood]
    ground(image, rng, camera, vary(rng, (62, 128, 106), 16), 26)
    left = float(rng.uniform(-3, 1))
    if rng.random() < 0.7:
        right = left + float(rng.uniform(1.5, 3))
        carpet(image, camera, (left, right, 1, 60), vary(rng, (150, 172, 186), 12))
    trees(image, rng, camera, int(rng.integers(2, 7)), 5.0)
    return image


def studio(rng: np.random.Generator, camera: Camera) -> FloatArray:
    """Paint a colour gradient with stains that continues on the floor."""
    shape = (camera.height_px, camera.width)
    first, second = (np.array(vary(rng, (128, 128, 128), 60)) for _ in range(2))
    along = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None, None]
    image = np.broadcast_to((first * (1 - along) + second * along).astype(np.float32), (*shape, 3)).copy()
    image += (fractal_noise(rng, shape, 3, 5) * rng.uniform(5, 30))[..., None].astype(np.float32)
    ground(image, rng, camera, vary(rng, (second[0], second[1], second[2]), 6), 6)
    return np.clip(image, 0, 255).astype(np.float32)


BACKGROUNDS: dict[str, Callable[[np.random.Generator, Camera], FloatArray]] = {
    painter.__name__: painter for painter in (street, room, park, studio)
}
