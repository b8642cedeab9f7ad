"""Where a picture's pixels and people go under a chain of geometric steps, before any pixel is touched."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.sample import Sample

IDENTITY = Affine(np.eye(2, 3))


@dataclass(frozen=True, eq=False)
class View:
    """A frame of `hw` pixels laid over a sample's picture; `affine` maps the picture's pixels to the frame's."""

    sample: Sample
    affine: Affine
    hw: tuple[int, int]
    order: tuple[int, ...] = ()
    """Which of the sample's joints each joint is, by a mirror; empty where each is itself."""

    @classmethod
    def whole(cls, sample: Sample) -> 'View':
        """Return the picture as it is."""
        return cls(sample, IDENTITY, (sample.image.shape[0], sample.image.shape[1]))

    def then(self, affine: Affine, hw: tuple[int, int] | None = None) -> 'View':
        """Return the view moved by another map, in a frame of another size if one is given."""
        return replace(self, affine=affine @ self.affine, hw=hw or self.hw)

    def resized(self, hw: tuple[int, int]) -> 'View':
        """Return the view stretched to another size."""
        return self.then(Affine.scaling(hw[1] / self.hw[1], hw[0] / self.hw[0]), hw)

    def cut(self, left: float, top: float, hw: tuple[int, int]) -> 'View':
        """Return a frame of another size whose top-left pixel is at `left` and `top` of this one, or outside."""
        return self.then(Affine.translation(-left, -top), hw)

    def flipped(self, skeleton: Skeleton) -> 'View':
        """Return the view as in a mirror, where left joints are right ones; raises SettingsError."""
        if len(skeleton) != self.sample.joints.shape[1]:
            raise SettingsError(
                f'people of {self.sample.joints.shape[1]} joints cannot be mirrored as {skeleton.name},'
                f' which has {len(skeleton)}; give RandomFlip their skeleton'
            )
        order = tuple(self.order[joint] for joint in skeleton.flip) if self.order else skeleton.flip
        mirror = Affine(np.array([[-1.0, 0.0, self.hw[1] - 1.0], [0.0, 1.0, 0.0]]))
        return replace(self.then(mirror), order=order)

    @property
    def middle(self) -> tuple[float, float]:
        """The frame's middle, x and y."""
        return (self.hw[1] - 1) / 2, (self.hw[0] - 1) / 2

    @property
    def scale(self) -> float:
        """Frame pixels a picture pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.affine.matrix[:, :2]))))

    @property
    def main_box(self) -> FloatArray | None:
        """Box (4,) of the first person in the picture's pixels, None where nobody has one of some height."""
        if not len(self.sample.boxes) or self.sample.boxes[0, 2:].min() <= 0:
            return None
        box: FloatArray = self.sample.boxes[0]
        return box


class Step(Protocol):
    """One geometric step; a chain of them becomes one map, and the picture is resampled once (see Warp)."""

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Return the view after this step; all chance comes from `rng`."""
