"""A short video that is difficult for trackers: fast people who cross each other and pass behind a post.

People are cut out of synthetic images, in a few postures each, and moved along straight lines over a background. This
draws a frame in milliseconds with known speeds. The camera may sway like that of a robot.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.synthetic.scene import SyntheticFrame, SyntheticPerson, SyntheticVideo, generate_image
from pose_estimation_ros.synthetic.settings import SceneSettings, require

STUDIO = SceneSettings(width=288, height=288, people=1, person_height=(0.6, 0.75), fps=6, objects=0, detail=0.5)
"""Scene of the people that are cut out."""

VISIBLE, HIDDEN, OUTSIDE = 2, 1, 0


@dataclass(frozen=True)
class CrossingSettings:
    """Settings of a crossing; raises SettingsError for values out of range.

    `speed` is the minimum and maximum distance between two frames, in heights of the person: walking at 10 frames per
    second is 0.08, running 0.3. `size` is the minimum and maximum height of a person in pixels. `post` is the width of
    the post in pixels, 0 for none; `sway` is the motion of the camera to either side in pixels. `postures` is the
    number of postures of a person.
    """

    width: int = 640
    height: int = 360
    frames: int = 60
    fps: float = 10.0
    people: int = 5
    speed: tuple[float, float] = (0.04, 0.2)
    size: tuple[float, float] = (110, 220)
    post: int = 50
    sway: float = 15.0
    postures: int = 4

    def __post_init__(self) -> None:
        require(
            self.frames >= 1 and self.people >= 1 and self.postures >= 1,
            f'a crossing needs at least one frame, person and posture: {self}',
        )
        require(0 <= self.speed[0] <= self.speed[1], f'speed must be (minimum, maximum) from 0, got {self.speed}')
        require(16 <= self.size[0] <= self.size[1] <= self.height, f'size must be 16 to the height, got {self.size}')
        require(self.post >= 0 and self.sway >= 0, f'post and sway must be 0 or more, got {self.post}, {self.sway}')
        require(self.fps > 0, f'fps must be positive, got {self.fps}')


@dataclass(frozen=True, eq=False)
class CutOut:
    """A person cut out of an image: image, mask, and keypoints (18, 3) in its pixels."""

    image: ByteArray
    mask: AnyArray
    keypoints: FloatArray


@dataclass(frozen=True, eq=False)
class Passer:
    """A person who moves back and forth between the image's edges; `start` and `speed` in pixels, `feet` is a row."""

    id: int
    postures: tuple[CutOut, ...]
    start: float
    speed: float
    feet: float

    def posture(self, frame: int) -> CutOut:
        """Return the posture of a frame; postures run forwards and backwards to avoid jumps."""
        last = len(self.postures) - 1
        return self.postures[last - abs(last - frame % (2 * last))] if last else self.postures[0]

    def corner(self, frame: int, width: int) -> tuple[int, int]:
        """Return column and row of the cut-out's top-left pixel on a background of this width."""
        rows, columns = self.posture(frame).mask.shape
        room = max(1.0, width - columns)
        way = (self.start + self.speed * frame) % (2 * room)
        return round(room - abs(room - way)), round(self.feet - rows)


def crossing_video(seed: int, settings: CrossingSettings | None = None) -> Iterator[SyntheticFrame]:
    """Yield the frames of a crossing, determined by seed and settings."""
    settings = settings or CrossingSettings()
    rng = np.random.default_rng([seed, 11])
    margin = int(np.ceil(settings.sway))
    scene = SceneSettings(settings.width + 2 * margin, settings.height, people=0, background='street')
    background = generate_image(seed, scene).image
    people = [_passer(rng, number, background.shape[1], settings) for number in range(1, settings.people + 1)]
    people.sort(key=lambda passer: passer.feet)
    post = int(rng.uniform(0.35, 0.65) * background.shape[1])
    for frame in range(settings.frames):
        turned = round(margin + settings.sway * float(np.sin(frame * 0.4)))
        yield _drawn(frame, background, people, (post, turned), settings)


def _passer(rng: np.random.Generator, number: int, width: int, settings: CrossingSettings) -> Passer:
    size = float(rng.uniform(*settings.size))
    postures = _cut_outs(rng, settings.postures, size)
    nearness = (size - settings.size[0]) / max(settings.size[1] - settings.size[0], 1)
    feet = settings.height * (0.75 + 0.24 * nearness)
    start = float(rng.uniform(0, 2 * width))
    return Passer(number, postures, start, size * float(rng.uniform(*settings.speed)), feet)


def _cut_outs(rng: np.random.Generator, count: int, size: float) -> tuple[CutOut, ...]:
    """Return the postures of a random person who stays in view, `size` pixels tall."""
    while True:
        frames: list[SyntheticFrame] = []
        for frame in SyntheticVideo(int(rng.integers(2**31)), STUDIO, frames=count):
            if not frame.people or (frame.people[0].keypoints[:, 2] == OUTSIDE).any():
                break
            frames.append(frame)
        if len(frames) == count:
            return tuple(_cut_out(frame, size) for frame in frames)


def _cut_out(frame: SyntheticFrame, size: float) -> CutOut:
    person = frame.people[0]
    left, top, width, height = (int(value) for value in person.bbox)
    window = np.s_[top : top + height, left : left + width]
    own = (frame.mask[window] == person.id).astype(np.uint8)
    scale = size / STUDIO.height / STUDIO.person_height[1]
    resized = max(2, round(width * scale)), max(2, round(height * scale))
    image = np.asarray(cv2.resize(frame.image[window], resized, interpolation=cv2.INTER_AREA), np.uint8)
    mask = np.asarray(cv2.resize(own, resized, interpolation=cv2.INTER_NEAREST))
    to_size = Affine.scaling(resized[0] / width, resized[1] / height)
    xy = to_size(person.keypoints[:, :2] - np.array([left, top], np.float32))
    return CutOut(image, mask, np.column_stack([xy, person.keypoints[:, 2]]).astype(np.float32))


def _drawn(
    frame: int, background: ByteArray, people: list[Passer], columns: tuple[int, int], settings: CrossingSettings
) -> SyntheticFrame:
    post, turned = columns
    image, owner = background.copy(), np.zeros(background.shape[:2], np.int16)
    for passer in people:
        _lay(passer.posture(frame), passer.corner(frame, background.shape[1]), passer.id, image, owner)
    image[:, post : post + settings.post] = (70, 90, 110)
    owner[:, post : post + settings.post] = -1
    window = np.s_[:, turned : turned + settings.width]
    shown = [_truth(passer, frame, background.shape[1], turned, owner[window]) for passer in people]
    seen = tuple(person for person in shown if person is not None)
    return SyntheticFrame(image[window].copy(), seen, frame / settings.fps, np.maximum(owner[window], 0))


def _lay(cut: CutOut, corner: tuple[int, int], identity: int, image: ByteArray, owner: AnyArray) -> None:
    """Draw a cut-out over an image, clipped at its edges."""
    column, row = corner
    rows, columns = cut.mask.shape
    above, beside = max(0, -row), max(0, -column)
    below, beyond = min(rows, image.shape[0] - row), min(columns, image.shape[1] - column)
    own = cut.mask[above:below, beside:beyond] > 0
    window = np.s_[row + above : row + below, column + beside : column + beyond]
    image[window][own] = cut.image[above:below, beside:beyond][own]
    owner[window][own] = identity


def _truth(passer: Passer, frame: int, width: int, turned: int, owner: AnyArray) -> SyntheticPerson | None:
    """Return the truth of a person, None if invisible; a keypoint behind another person is hidden."""
    column, row = passer.corner(frame, width)
    keypoints = passer.posture(frame).keypoints + np.array([column - turned, row, 0], np.float32)
    x, y = np.round(keypoints[:, :2]).astype(int).T
    inside = (x >= 0) & (x < owner.shape[1]) & (y >= 0) & (y < owner.shape[0])
    before = owner[np.clip(y, 0, owner.shape[0] - 1), np.clip(x, 0, owner.shape[1] - 1)]
    covered = (before != passer.id) & (before != 0)
    keypoints[:, 2] = np.where(inside, np.where(covered, HIDDEN, keypoints[:, 2]), OUTSIDE)
    return SyntheticPerson.of(passer.id, keypoints, owner)
