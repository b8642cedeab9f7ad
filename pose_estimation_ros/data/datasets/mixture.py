"""A weighted mixture of datasets."""

import math
from collections.abc import Sequence

import numpy as np

from pose_estimation_ros.core.arrays import BoolArray, FloatArray, IntArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.wrappers import InSkeleton
from pose_estimation_ros.data.sample import Sample


class Mixture(KeypointDataset):
    """Samples of several datasets in random order, in proportion to their weights; a seed fixes the order.

    A dataset that is smaller than its share repeats, each time in another order. The extras `part` and `part_index`
    name the dataset and the index in it. By default weights are equal, the length is enough for every sample of every
    part, and the skeleton is that of the first; parts of another one are converted. Raises SettingsError.
    """

    def __init__(
        self,
        datasets: Sequence[KeypointDataset],
        weights: Sequence[float] | None = None,
        length: int | None = None,
        seed: int = 0,
        skeleton: Skeleton | None = None,
    ) -> None:
        shares = _shares(datasets, weights)
        self.skeleton = skeleton or datasets[0].skeleton
        self.parts = [each if each.skeleton == self.skeleton else InSkeleton(each, self.skeleton) for each in datasets]
        sizes = [len(part) for part in self.parts]
        enough = [math.ceil(size / float(share) - 1e-9) for size, share in zip(sizes, shares, strict=True) if share > 0]
        self._length = max(enough) if length is None else length
        if self._length < 1 or seed < 0:
            raise SettingsError(f'length must be 1 or more and seed 0 or more, got {length} and {seed}')
        self.order = _order(sizes, shares, self._length, seed)  # (length, 2): part and index in it

    def __len__(self) -> int:
        return self._length

    def sample(self, index: int) -> Sample:
        """Return a sample with `annotated` of its part."""
        if not 0 <= index < len(self):
            raise IndexError(f'Mixture has no sample {index}; its {len(self)} samples are numbered from 0')
        part, within = (int(each) for each in self.order[index])
        sample = self.parts[part].sample(within)
        sample.extras.update(part=part, part_index=within)
        return sample

    def load_sample(self, index: int) -> Loaded:
        sample = self.sample(index)
        extras = {**sample.extras, 'boxes': sample.boxes, 'areas': sample.areas}
        return sample.image, sample.mask, sample.keypoints, extras

    @property
    def annotated(self) -> BoolArray:
        """(K,): keypoints that any part labels; a sample has those of its part."""
        labelled: BoolArray = np.any([part.annotated for part in self.parts], axis=0)
        return labelled


def _shares(datasets: Sequence[KeypointDataset], weights: Sequence[float] | None) -> FloatArray:
    """Return the share of each part; they add up to 1."""
    if not datasets:
        raise SettingsError('a mixture needs one dataset or more, got none')
    values = np.ones(len(datasets)) if weights is None else np.asarray(weights, dtype=float)
    if values.shape != (len(datasets),) or not np.isfinite(values).all() or values.min() < 0 or not values.any():
        raise SettingsError(
            f'a mixture of {len(datasets)} datasets needs as many weights, 0 or more and not all 0, got {weights}'
        )
    for dataset, value in zip(datasets, values, strict=True):
        if value > 0 and not len(dataset):
            raise SettingsError(f'{type(dataset).__name__} has no images to mix in; give it the weight 0')
    shares: FloatArray = values / values.sum()
    return shares


def _order(sizes: Sequence[int], shares: FloatArray, length: int, seed: int) -> IntArray:
    """Return (length, 2): part and index in it."""
    counts = np.floor(shares * length + 1e-9).astype(int)
    rest = np.argsort(counts - shares * length, kind='stable')[: length - counts.sum()]
    counts[rest] += 1
    parts = enumerate(zip(sizes, counts.tolist(), strict=True))
    rows = np.concatenate([_rounds(part, size, count, seed) for part, (size, count) in parts])
    return np.random.default_rng(seed).permutation(rows)


def _rounds(part: int, size: int, count: int, seed: int) -> IntArray:
    """Return (count, 2): all of a part in random order, repeated as needed."""
    rounds = -(-count // max(1, size))
    turns = [np.random.default_rng([seed, part, turn]).permutation(size) for turn in range(rounds)]
    within = np.concatenate([*turns, np.zeros(0, int)])[:count]
    return np.column_stack([np.full(count, part), within]).astype(np.int32)
