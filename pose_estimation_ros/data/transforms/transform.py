"""What every transform is, and the two simplest ones."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from pose_estimation_ros.data.sample import Sample


class Transform(Protocol):
    """Turns a sample into another; all chance comes from `rng`."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the changed sample; the one given stays as it is."""


@dataclass(frozen=True)
class Compose:
    """One transform after another."""

    transforms: tuple[Transform, ...]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


@dataclass(frozen=True)
class DropSmall:
    """Leaves out people who cover less than `area` square pixels; they stay in the picture, and in the mask."""

    area: float

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        kept = sample.areas >= self.area
        return replace(sample, joints=sample.joints[kept], boxes=sample.boxes[kept], areas=sample.areas[kept])
