"""People of a scene: their positions, paths and actions."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.synthetic.appearance import Appearance, Wardrobe
from pose_estimation_ros.synthetic.body import Build, Figure, angles, pose_figure
from pose_estimation_ros.synthetic.camera import Camera
from pose_estimation_ros.synthetic.motion import STANDING, Style, sit, walk

_BLEND = 0.9
"""Seconds of transition between two actions."""


@dataclass(frozen=True, eq=False)
class Moment:
    """State of a person: joint angles, ground point (x, z) in metres, heading in radians."""

    posture: FloatArray
    ground: FloatArray
    heading: float


class Journey(Protocol):
    """Motion of a person, a smooth function of time in seconds."""

    def at(self, time: float) -> Moment: ...


@dataclass(frozen=True, eq=False)
class Walker:
    """Walks up and down a lane with semicircles at its ends; one gait cycle is `stride` metres."""

    style: Style
    centre: FloatArray
    half_length: float
    radius: float
    direction: float
    """Heading of the lane's first side in radians."""
    speed: float
    stride: float
    start: float
    pace: float

    def at(self, time: float) -> Moment:
        distance = self.start + self.speed * time
        along, across, turned = self._on_lane(distance)
        cos, sin = np.cos(self.direction), np.sin(self.direction)
        ground = self.centre + np.array([along * sin + across * cos, along * cos - across * sin])
        posture = walk(distance / self.stride + self.style.phase, self.style, self.pace)
        return Moment(posture, ground, self.direction + turned)

    def _on_lane(self, distance: float) -> tuple[float, float, float]:
        """Return metres along and across the lane and the heading after `distance` metres."""
        straight, bend = 2 * self.half_length, np.pi * self.radius
        rounds, rest = divmod(distance, 2 * (straight + bend))
        back = rest >= straight + bend
        rest -= (straight + bend) * back
        sign = -1.0 if back else 1.0
        if rest < straight:
            along, across, turned = rest - self.half_length, -self.radius, 0.0
        else:
            turned = (rest - straight) / self.radius
            along = self.half_length + self.radius * np.sin(turned)
            across = -self.radius * np.cos(turned)
        return sign * along, sign * across, turned + np.pi * back + 2 * np.pi * rounds


@dataclass(frozen=True, eq=False)
class Stander:
    """Stands, turns slowly and performs a few actions, each for `period` seconds."""

    style: Style
    ground: FloatArray
    heading: float
    turning: float
    """Radians to either side."""
    actions: tuple[str, ...]
    period: float

    def at(self, time: float) -> Moment:
        number, rest = divmod(time, self.period)
        now, after = (STANDING[self.actions[int(number + step) % len(self.actions)]] for step in (0, 1))
        share = np.clip((rest - self.period + _BLEND) / _BLEND, 0, 1)
        share = share * share * (3 - 2 * share)
        posture = now(time, self.style)
        if share > 0:
            posture = posture * (1 - share) + after(time, self.style) * share
        heading = self.heading + self.turning * np.sin(0.45 * self.style.tempo * time + self.style.phase)
        return Moment(posture, self.ground, float(heading))


@dataclass(frozen=True, eq=False)
class Sitter:
    """Sits on a stool."""

    style: Style
    ground: FloatArray
    heading: float

    def at(self, time: float) -> Moment:
        return Moment(sit(time, self.style), self.ground, self.heading)


@dataclass(frozen=True, eq=False)
class Actor:
    """One person of a scene."""

    id: int
    build: Build
    appearance: Appearance
    journey: Journey

    def figure(self, time: float) -> Figure:
        moment = self.journey.at(time)
        aside = angles(both_shoulder_abduct=max(0.0, self.build.girth - 0.95) * 55)
        return pose_figure(self.build, moment.posture + aside, moment.ground, moment.heading)


def cast_actor(
    rng: np.random.Generator,
    identity: int,
    camera: Camera,
    heights: tuple[float, float],
    others: list[Actor],
    wardrobe: Wardrobe,
) -> Actor:
    """Return a random person with a standing height within `heights` (pixels), apart from the others at time 0."""
    feminine, child = bool(rng.random() < 0.5), bool(rng.random() < 0.08)
    build, style = Build.random(rng, feminine, child), Style.random(rng)
    taken = [actor.journey.at(0.0).ground for actor in others]
    for _ in range(40):
        journey = _journey(rng, build, style, camera, heights)
        if _is_free(journey.at(0.0).ground, taken, camera):
            break
    sits = isinstance(journey, Sitter)
    return Actor(identity, build, wardrobe.appearance(rng, feminine, child, sits), journey)


def _journey(
    rng: np.random.Generator, build: Build, style: Style, camera: Camera, heights: tuple[float, float]
) -> Journey:
    near, far = (camera.focal * build.stature / pixels for pixels in (heights[1], heights[0]))
    depth = 1 / rng.uniform(1 / far, 1 / near)
    column = float(rng.uniform(0.05, 0.95)) * camera.width
    ground = camera.ground_at(column, depth)
    what = rng.random()
    if what < 0.45:
        return _walker(rng, build, style, camera, ground, (near, far))
    if what < 0.53 and far > 1.6:
        return Sitter(style, ground, float(rng.uniform(-1.4, 1.4)))
    heading = float(rng.choice([0.0, 1.0, np.pi], p=[0.6, 0.22, 0.18]) * rng.choice([-1, 1]) + rng.normal(0, 0.45))
    actions = tuple(str(name) for name in rng.choice(list(STANDING), 3, replace=False))
    return Stander(style, ground, heading, float(rng.uniform(0.1, 0.9)), actions, float(rng.uniform(3, 5)))


def _walker(
    rng: np.random.Generator,
    build: Build,
    style: Style,
    camera: Camera,
    ground: FloatArray,
    depths: tuple[float, float],
) -> Walker:
    """Return a walker on a lane through `ground`, usually across the image, within the depths."""
    near, far = depths
    runs = rng.random() < 0.12
    radius = 0.9 if runs else float(np.clip((far - near) / 2, 0.45, 0.8))  # nobody spins on the spot
    lengthwise = bool(far - near > 2 * radius + 2.5 and rng.random() < 0.4)
    if lengthwise:
        half = (far - near) / 2 - radius
        centre = np.array([ground[0], -(near + far) / 2])
        direction = float(rng.normal(0, 0.12))
    else:
        half = float(rng.uniform(0.25, 0.6)) * camera.width * -ground[1] / camera.focal
        depth = float(np.clip(-ground[1], near + radius, max(near + radius, far - radius)))
        centre = np.array([ground[0] * float(rng.uniform(0, 0.6)), -depth])
        direction = float(rng.choice([-1, 1]) * np.pi / 2)
    pace = float(rng.uniform(1.5, 1.7) if runs else rng.uniform(0.85, 1.1))
    stride = build.stature * (0.78 if not runs else 1.15) * (0.6 + 0.4 * pace)
    speed = stride * (0.95 + 0.1 * style.tempo) * (1.35 if runs else 1)
    start = float(rng.uniform(0, 4 * half + 2 * np.pi * radius))
    return Walker(style, centre, half, radius, direction, speed, stride, start, pace)


def _is_free(ground: FloatArray, taken: list[FloatArray], camera: Camera) -> bool:
    """Whether a ground point is in view, not inside another person and not almost hidden by or hiding one."""
    depth = -ground[1]
    column = camera.project(np.array([ground[0], 0.0, ground[1]]))[0]
    if not 0.02 * camera.width < column < 0.98 * camera.width:
        return False
    for other in taken:
        if np.hypot(*(ground - other)) < 0.6:
            return False
        other_column = camera.project(np.array([other[0], 0.0, other[1]]))[0]
        if abs(column - other_column) < 0.28 * camera.focal / min(depth, -other[1]):
            return False
    return True
