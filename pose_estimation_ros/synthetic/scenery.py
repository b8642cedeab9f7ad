"""Pieces of backdrops: sky, ground, walls, furniture, trees. BGR, drawn in place on (H, W, 3) float32 0..255."""

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.noise import fractal_noise, smooth_noise

Colour = tuple[float, float, float]


def vary(rng: np.random.Generator, colour: Colour, by: float) -> Colour:
    blue, green, red = np.clip(np.array(colour) + rng.normal(0, by * 0.5) + rng.normal(0, by * 0.5, 3), 8, 248)
    return float(blue), float(green), float(red)


def sky(rng: np.random.Generator, camera: Camera) -> FloatArray:
    shape = (camera.height_px, camera.width)
    up = np.clip(1 - np.arange(shape[0]) / max(1.0, camera.horizon), 0, 1).astype(np.float32)[:, None, None]
    low, high = np.array(vary(rng, (232, 224, 214), 8)), np.array(vary(rng, (214, 170, 120), 16))
    picture = np.broadcast_to((low * (1 - up) + high * up).astype(np.float32), (*shape, 3)).copy()
    rows = max(8, int(camera.horizon)) if camera.horizon > 0 else 8
    rows = min(rows, shape[0])
    clouds = np.clip(fractal_noise(rng, (rows, shape[1]), 3, 4) + float(rng.uniform(-0.2, 0.3)), 0, 1)[..., None]
    picture[:rows] = picture[:rows] * (1 - clouds) + 242 * clouds
    return picture


def ground(picture: FloatArray, rng: np.random.Generator, camera: Camera, colour: Colour, rough: float) -> None:
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
    picture[top:] = np.asarray(colour, np.float32) * (1 + shade[..., None]) + rough * grain[..., None]


def _floor_points(camera: Camera, across: tuple[float, float], ahead: tuple[float, float]) -> AnyArray:
    near, far = max(0.4, ahead[0]), max(0.5, ahead[1])
    corners = np.array([[across[0], 0, -near], [across[1], 0, -near], [across[1], 0, -far], [across[0], 0, -far]])
    return _fixed(camera.project(corners)[:, :2])


def _fixed(points: FloatArray) -> AnyArray:
    return np.round(np.clip(points, -20000, 20000) * 8).astype(np.int32)


def floor_polygon(
    picture: FloatArray, camera: Camera, across: tuple[float, float], ahead: tuple[float, float], colour: Colour
) -> None:
    cv2.fillConvexPoly(picture, _floor_points(camera, across, ahead), colour, cv2.LINE_8, 3)


def carpet(
    picture: FloatArray,
    camera: Camera,
    across: tuple[float, float],
    ahead: tuple[float, float],
    colour: Colour,
    rng: np.random.Generator,
) -> None:
    """Lay a strip of ground of another colour that keeps the grain."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, _floor_points(camera, across, ahead), (255,), cv2.LINE_8, 3)
    inside = mask > 0
    if inside.any():
        picture[inside] += np.asarray(colour, np.float32) - picture[inside].mean(axis=0)


def wall(picture: FloatArray, camera: Camera, texture: AnyArray, ends: list[tuple[float, float]], tall: float) -> None:
    """Hang a texture between two floor points (x, distance), from the floor up to `tall` metres."""
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
    picture[window][mask > 0] = hung[mask > 0]


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


def cupboard(picture: FloatArray, rng: np.random.Generator, camera: Camera, half: float, depth: float) -> None:
    """Place a shelf or sideboard along the back wall, drawn as its front."""
    wide, tall = float(rng.uniform(0.8, 2.0)), float(rng.choice([0.8, 1.1, 1.9]))
    left = float(rng.uniform(-half, half - wide))
    front = np.empty((60, 80, 3), np.uint8)
    front[:] = np.array(vary(rng, (90, 120, 160), 40))
    for row in range(0, 60, 20):
        cv2.rectangle(front, (3, row + 3), (38, row + 17), vary(rng, (70, 95, 130), 40), cv2.FILLED)
        cv2.rectangle(front, (42, row + 3), (77, row + 17), vary(rng, (70, 95, 130), 40), cv2.FILLED)
    wall(picture, camera, front, [(left, depth - 0.5), (left + wide, depth - 0.5)], tall)


def trees(picture: FloatArray, rng: np.random.Generator, camera: Camera, count: int, aside: float) -> None:
    """Plant trees, far ones first: a trunk and a crown of leaf blobs, lit from above."""
    for distance in sorted(rng.uniform(9, 30, count), reverse=True):
        x = float(rng.choice([-1, 1]) * rng.uniform(0.55, 1.6) * aside)
        tall, unit = float(rng.uniform(4, 8)), camera.focal / distance
        foot, top = camera.project(np.array([[x, 0, -distance], [x, tall, -distance]]))[:, :2]
        trunk = vary(rng, (52, 66, 84), 12)
        cv2.line(picture, _point(foot), _point(top), trunk, max(1, round(0.22 * unit)), cv2.LINE_8)
        green = np.array(vary(rng, (44, 92, 70), 16))
        for height in np.sort(rng.uniform(-0.35, 0.35, 70)):
            spread = 0.30 * np.sqrt(max(0.02, 1 - (height / 0.36) ** 2)) * tall
            centre = top + np.array([rng.normal(0, 0.5) * spread, -height * tall]) * unit / 1.0
            shade = 0.7 + 0.9 * (height + 0.35) + rng.normal(0, 0.08)
            radius = max(1, round(float(rng.uniform(0.05, 0.1)) * tall * unit))
            cv2.circle(picture, _point(centre), radius, tuple((green * shade).tolist()), cv2.FILLED)


def _point(xy: FloatArray) -> tuple[int, int]:
    x, y = np.clip(np.round(xy), -20000, 20000).astype(int).tolist()
    return x, y
