"""Transforms of samples; geometric steps compose to one affine map, so that an image is resampled once."""

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.sample import NOT_LABELLED, Sample


class Transform(Protocol):
    """Changes a sample; `rng` is the only source of randomness."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return a changed copy."""


@dataclass(frozen=True)
class Compose:
    """Several transforms in sequence."""

    transforms: tuple[Transform, ...]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


@dataclass(frozen=True)
class DropSmall:
    """Removes the annotations of people smaller than `area` square pixels; image and mask stay."""

    area: float

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        kept = sample.areas >= self.area
        return replace(sample, keypoints=sample.keypoints[kept], boxes=sample.boxes[kept], areas=sample.areas[kept])


IDENTITY = Affine(np.eye(2, 3))


@dataclass(frozen=True, eq=False)
class View:
    """A frame of `hw` pixels over a sample's image; `affine` maps pixels of the image to pixels of the frame."""

    sample: Sample
    affine: Affine
    hw: tuple[int, int]
    order: tuple[int, ...] = ()  # Index in the sample of each keypoint after mirroring; empty without mirroring

    @classmethod
    def whole(cls, sample: Sample) -> 'View':
        return cls(sample, IDENTITY, (sample.image.shape[0], sample.image.shape[1]))

    def then(self, affine: Affine, hw: tuple[int, int] | None = None) -> 'View':
        """Return the view after another map, optionally in a frame of another size."""
        return replace(self, affine=affine @ self.affine, hw=hw or self.hw)

    def resized(self, hw: tuple[int, int]) -> 'View':
        return self.then(Affine.scaling(hw[1] / self.hw[1], hw[0] / self.hw[0]), hw)

    def cut(self, left: float, top: float, hw: tuple[int, int]) -> 'View':
        """Return a frame of another size whose top-left pixel is at `left` and `top` of this one."""
        return self.then(Affine.translation(-left, -top), hw)

    def flipped(self, skeleton: Skeleton) -> 'View':
        """Return the mirrored view with left and right keypoints swapped; raises SettingsError."""
        if len(skeleton) != self.sample.keypoints.shape[1]:
            raise SettingsError(
                f'people of {self.sample.keypoints.shape[1]} keypoints cannot be mirrored as {skeleton.name},'
                f' which has {len(skeleton)}; give RandomFlip their skeleton'
            )
        order = tuple(self.order[keypoint] for keypoint in skeleton.flip) if self.order else skeleton.flip
        mirror = Affine(np.array([[-1.0, 0.0, self.hw[1] - 1.0], [0.0, 1.0, 0.0]]))
        return replace(self.then(mirror), order=order)

    @property
    def middle(self) -> tuple[float, float]:
        """The frame's centre, x and y."""
        return (self.hw[1] - 1) / 2, (self.hw[0] - 1) / 2

    @property
    def scale(self) -> float:
        return self.affine.scale

    @property
    def main_box(self) -> FloatArray | None:
        """Box (4,) of the first person in the image's pixels; None without a person or for a flat box."""
        boxes = self.sample.boxes
        return boxes[0] if len(boxes) and boxes[0, 2:].min() > 0 else None


class Step(Protocol):
    """One geometric step; Warp composes several to one map."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Return the view after this step; `rng` is the only source of randomness."""


SHRINK_BELOW = 0.8  # Below this scale an image is first reduced by averaging, to avoid aliasing


@dataclass(frozen=True)
class Warp:
    """Geometric steps as one transform: image and mask are resampled once, annotations are mapped exactly.

    Parts that an earlier step cropped reappear if a later one moves them into the frame. Keypoints keep their flags
    outside the frame; boxes become those around their mapped corners.
    """

    steps: tuple[Step, ...]
    image_pad: int = 128  # Grey level outside the image
    mask_pad: int = 1  # 1 if a loss uses the padding (as background, as published); 0 if not
    label_offset: float = 0.0
    """How much the coordinates that the published code maps exceed this package's, in pixels before and after."""
    shrinks: bool = True  # Whether images are averaged before they become much smaller, to avoid aliasing

    def __post_init__(self) -> None:
        if not 0 <= self.image_pad <= 255 or self.mask_pad not in (0, 1):
            raise SettingsError(
                f'image_pad must be a grey level 0 to 255 and mask_pad 0 or 1, got {self.image_pad}, {self.mask_pad}'
            )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        view = View.whole(sample)
        for step in self.steps:
            view = step(view, rng)
        return self._drawn(view)

    def _drawn(self, view: View) -> Sample:
        sample = view.sample
        order = list(view.order or range(sample.keypoints.shape[1]))
        xy, flags = sample.keypoints[:, order, :2], sample.keypoints[:, order, 2:]
        mirrored, offset = bool(np.linalg.det(view.affine.matrix[:, :2]) < 0), self.label_offset
        moved = view.affine(xy + offset) - [-offset if mirrored else offset, offset]
        keypoints = np.concatenate([moved, flags], axis=-1)
        return replace(
            sample,
            image=warped(sample.image, view.affine, view.hw, self.image_pad, self.shrinks),
            mask=self._mask(sample.mask, view),
            keypoints=np.where(flags > NOT_LABELLED, keypoints, NOT_LABELLED),
            boxes=_moved_boxes(sample.boxes, view.affine),
            areas=sample.areas * view.scale**2,
            annotated=sample.annotated[order],
            mirrored=sample.mirrored != mirrored,
        )

    def _mask(self, mask: AnyArray, view: View) -> AnyArray:
        if self.mask_pad and mask.all():
            return np.ones(view.hw, np.uint8)
        shares = warped(mask * np.uint8(255), view.affine, view.hw, 255 * self.mask_pad, self.shrinks)
        return (shares > 127).astype(np.uint8)


def warped(image: AnyArray, affine: Affine, hw: tuple[int, int], pad: int, shrinks: bool = True) -> AnyArray:
    """Return an image (H, W) or (H, W, 3) mapped by `affine` to a frame of `hw`; `shrinks` avoids aliasing."""
    height, width = image.shape[:2]
    scale = affine.scale
    if shrinks and scale < SHRINK_BELOW:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        affine = affine @ Affine.scaling(size[0] / width, size[1] / height).inverse()
    if np.allclose(affine.matrix, np.eye(2, 3), atol=1e-6) and image.shape[:2] == hw:
        return image.copy()
    return cv2.warpAffine(
        image, affine.matrix, hw[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(pad,) * 3
    )


def _moved_boxes(boxes: FloatArray, affine: Affine) -> FloatArray:
    """Return the axis-aligned boxes (P, 4) around mapped ones."""
    near, far = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    corners = np.stack([near, far, np.c_[near[:, 0], far[:, 1]], np.c_[far[:, 0], near[:, 1]]], axis=1)  # (P, 4, 2)
    moved = affine(corners)
    return np.concatenate([moved.min(axis=1), np.ptp(moved, axis=1)], axis=1)
