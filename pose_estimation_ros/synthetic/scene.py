"""Synthetic images and videos of people.

Seed and settings determine every byte. Keypoints are the projected joints of the drawn figures in the order of
OPENPOSE_18, in pixels counted from the centre of the top-left pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray, FloatArray
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.synthetic.actors import Actor, Walker, cast_actor
from pose_estimation_ros.synthetic.appearance import Wardrobe
from pose_estimation_ros.synthetic.background import BACKGROUNDS, paint_background
from pose_estimation_ros.synthetic.camera import Camera, Finish
from pose_estimation_ros.synthetic.compose import compose, obstacle, stage, visibility
from pose_estimation_ros.synthetic.mesh import Mesh
from pose_estimation_ros.synthetic.raster import Light
from pose_estimation_ros.synthetic.settings import SceneSettings, require

_TO_COCO = OPENPOSE_18.mapping_to(COCO_17)


@dataclass(frozen=True, eq=False)
class SyntheticPerson:
    """Ground truth of one person.

    `keypoints` (18, 3) float32 are x, y and 2 visible, 1 hidden (by the person, another one or an object), 0 outside
    the image (with valid coordinates). `bbox` (x, y, width, height) and `area` (pixels) are those of the visible
    silhouette. `id` counts from 1 and is the same in all frames of a video.
    """

    id: int
    keypoints: FloatArray
    bbox: tuple[float, float, float, float]
    area: int

    @classmethod
    def of(cls, identity: int, keypoints: FloatArray, owner: AnyArray) -> 'SyntheticPerson | None':
        """Return a person of keypoints and of the map (H, W) of visible ids; None if invisible."""
        own = (owner == identity).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(own)
        area = int(np.count_nonzero(own))
        return cls(identity, keypoints, (float(x), float(y), float(width), float(height)), area) if area else None


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """An image (H, W, 3) uint8 BGR, the people with at least one visible pixel, and seconds since the start.

    `mask` (H, W) int16 is the id of the person visible at each pixel, 0 for none.
    """

    image: ByteArray
    people: tuple[SyntheticPerson, ...]
    stamp: float
    mask: AnyArray = field(repr=False)

    def to_coco(self, image_id: int, first_annotation_id: int) -> list[dict[str, object]]:
        """Return COCO person annotations with 17 keypoints; those outside the image are not labelled."""
        return [
            _coco_annotation(person, self.mask, image_id, first_annotation_id + number)
            for number, person in enumerate(self.people)
        ]


class SyntheticVideo:
    """A video of people who walk, turn, wave and cross each other in front of a fixed camera.

    `frame(i)` depends on seed, settings and i only, so frames can be drawn in any order.
    """

    def __init__(self, seed: int, settings: SceneSettings | None = None, frames: int = 300) -> None:
        require(frames >= 1, f'a video has at least one frame, got {frames}')
        require(seed >= 0, f'a seed is a whole number from 0, got {seed}')
        self.settings = settings = settings or SceneSettings()
        self._frames, self._seed = frames, seed
        rng = np.random.default_rng([seed, 0])
        self._camera = _camera(rng, settings)
        self._background = settings.background or str(rng.choice(list(BACKGROUNDS), p=[0.35, 0.35, 0.2, 0.1]))
        self._light = _light(rng)
        self._finish = Finish.random(rng, settings.blur, settings.noise, settings.grey)
        self._actors = _cast(np.random.default_rng([seed, 1]), self._camera, settings)
        self._objects = _obstacles(np.random.default_rng([seed, 2]), self._camera, self._actors, settings.objects)

    def __len__(self) -> int:
        return self._frames

    def __iter__(self) -> Iterator[SyntheticFrame]:
        return (self.frame(index) for index in range(self._frames))

    def frame(self, index: int) -> SyntheticFrame:
        """Draw one frame; raises IndexError outside 0..len - 1."""
        if not 0 <= index < self._frames:
            raise IndexError(f'frame {index} of a video of {self._frames} frames')
        time = index / self.settings.fps
        staged = [stage(actor, time, self._camera) for actor in self._actors]
        canvas = compose(self._backdrop, staged, self._objects, self._camera, self._light, self.settings.detail)
        image = self._finish(canvas.image, np.random.default_rng([self._seed, 4, index]))
        shown = (
            SyntheticPerson.of(person.actor.id, visibility(person, canvas, self._camera), canvas.owner)
            for person in staged
        )
        people = tuple(person for person in shown if person is not None)
        return SyntheticFrame(image, people, time, canvas.owner)

    @cached_property
    def _backdrop(self) -> FloatArray:
        return paint_background(self._background, np.random.default_rng([self._seed, 3]), self._camera)


def generate_image(seed: int, settings: SceneSettings | None = None) -> SyntheticFrame:
    """Draw one image."""
    return SyntheticVideo(seed, settings, frames=1).frame(0)


def _camera(rng: np.random.Generator, settings: SceneSettings) -> Camera:
    """Return a random view that the tallest people fit into if possible."""
    greatest = settings.person_height[1]
    row = float(rng.uniform(0.22, 0.48))
    headroom = 0.04 if greatest < 0.9 else 0.02
    lowest = 1 - (row - headroom) / greatest  # eye heights (in statures) for which nearest heads and feet fit
    highest = (0.985 - row) / greatest
    at = float(np.clip((lowest + highest) / 2 + rng.uniform(-0.06, 0.06), 0.3, 1.6))
    if greatest > 1:
        at = lowest
    return Camera(
        settings.width,
        settings.height,
        focal=float(rng.uniform(1.05, 1.5)) * settings.height,
        horizon=row * settings.height,
        height=at * 1.75,
    )


def _light(rng: np.random.Generator) -> Light:
    around, up = float(rng.uniform(-1.9, 1.9)), float(rng.uniform(0.65, 1.25))
    direction = np.array([np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)])
    sun = float(rng.uniform(0.25, 0.75))
    warmth = float(rng.uniform(0, 0.12))
    sky = 1.02 - 0.55 * sun
    return Light(
        direction,
        sun * np.array([1 - warmth, 1.0, 1 + warmth * 0.5]),
        sky * np.array([1 + warmth * 0.5, 1.0, 1 - warmth * 0.5]),
        sky * 0.62 * np.array([0.95, 1.0, 1.02]),
    )


def _cast(rng: np.random.Generator, camera: Camera, settings: SceneSettings) -> list[Actor]:
    low, high = settings.people_range
    heights = (settings.person_height[0] * settings.height, settings.person_height[1] * settings.height)
    actors: list[Actor] = []
    wardrobe = Wardrobe(settings.looks)
    for identity in range(1, int(rng.integers(low, high + 1)) + 1):
        actors.append(cast_actor(rng, identity, camera, heights, actors, wardrobe))
    return actors


def _obstacles(
    rng: np.random.Generator, camera: Camera, actors: list[Actor], probability: float
) -> list[tuple[Mesh, ByteArray]]:
    """Return at most one obstacle in front of a person who does not walk."""
    still = [actor for actor in actors if not isinstance(actor.journey, Walker)]
    if not still or rng.random() >= probability:
        return []
    chosen = still[int(rng.integers(len(still)))]
    mesh, atlas = obstacle(rng, camera, chosen.journey.at(0.0).ground)
    low, high = mesh.vertices.min(axis=0)[[0, 2]] - 0.4, mesh.vertices.max(axis=0)[[0, 2]] + 0.4
    grounds = [actor.journey.at(0.0).ground for actor in actors]
    crowded = any(bool(((ground > low) & (ground < high)).all()) for ground in grounds)
    return [] if crowded else [(mesh, atlas)]


def _coco_annotation(person: SyntheticPerson, mask: AnyArray, image_id: int, identity: int) -> dict[str, object]:
    keypoints = person.keypoints[_TO_COCO].astype(float)
    keypoints[keypoints[:, 2] == 0] = 0
    own = (mask == person.id).astype(np.uint8)
    contours, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return {
        'id': identity,
        'image_id': image_id,
        'category_id': 1,
        'iscrowd': 0,
        'keypoints': np.round(keypoints, 2).ravel().tolist(),
        'num_keypoints': int((keypoints[:, 2] > 0).sum()),
        'bbox': list(person.bbox),
        'area': person.area,
        'segmentation': [contour.ravel().astype(float).tolist() for contour in contours if len(contour) >= 3],
    }
