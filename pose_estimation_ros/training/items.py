"""From annotated pictures to batches: the same seed, epoch and index give the same item in any process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from pose_estimation_ros.core.errors import PoseEstimationError
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.methods.method import Annotation, Objective

Transform = Callable[[Sample, np.random.Generator], Sample]

MAPS = 'maps'
"""Among a sample's extras: a teacher's maps of the network input that it is."""

Key = tuple[int, int]
"""Epoch and index: what a sampler asks an item for."""


class Pictures(Protocol):
    """Annotated pictures, as every keypoint dataset gives them."""

    def __len__(self) -> int:
        """Return how many there are."""

    def sample(self, index: int) -> Sample:
        """Return one of them."""


class Batch(NamedTuple):
    """Pictures and their targets, stacked."""

    images: Tensor
    """(N, H, W, 3) uint8 BGR."""
    targets: list[Tensor]
    """Those of the objective, each (N, ...)."""
    keys: Tensor
    """(N, 2): epoch and index of each picture."""


@dataclass(frozen=True)
class Failed:
    """What stands for an item, or a batch, that could not be made; a worker's own exception would arrive garbled."""

    error: PoseEstimationError


class Items(Dataset[Any]):
    """A torch dataset of pictures with their targets."""

    def __init__(self, pictures: Pictures, transform: Transform, objective: Objective, seed: int) -> None:
        self._pictures, self._transform = pictures, transform
        self._objective, self._seed = objective, seed

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, key: Key) -> Batch | Failed:
        try:
            sample = self.sample(key)
            image = np.ascontiguousarray(sample.image)
            return Batch(image, list(self._objective.encode(annotation(sample))), np.array(key))  # type: ignore[arg-type]
        except PoseEstimationError as error:
            return Failed(error)

    def sample(self, key: Key) -> Sample:
        """Return the transformed picture and its people."""
        epoch, index = key
        rng = np.random.default_rng([self._seed, epoch, index])
        return self._transform(self._pictures.sample(index), rng)


def annotation(sample: Sample) -> Annotation:
    """Return what an objective needs to know of a sample."""
    return Annotation(sample.joints, sample.mask, sample.annotated, sample.areas, sample.extras.get(MAPS))


def collate(items: Sequence[Batch | Failed]) -> Batch | Failed:
    """Stack items, or pass on the first failure among them."""
    failed = [item for item in items if isinstance(item, Failed)]
    batch: Batch | Failed = failed[0] if failed else default_collate(list(items))
    return batch
