"""Distillation from a teacher's maps: network inputs with the maps that a teacher computes for them, stored once.

Where labels are known they replace the teacher's maps. Trainings with the same images, transform and teacher share the
folder.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch.utils.data import DataLoader, Dataset

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, ByteArray, FloatArray, IntArray
from pose_estimation_ros.core.errors import OutputError, PoseEstimationError, SettingsError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.methods.objective import Objective
from pose_estimation_ros.training.loader import Failed, Key, start_worker
from pose_estimation_ros.training.pose.task import PoseData

DESCRIPTION = 'taught.json'
SHOULDERS = 'left_shoulder', 'right_shoulder'
MAPS = 'teacher_maps'
"""Key among a sample's extras of a teacher's maps of it."""
SURE = 0.4
"""Height of a peak that a teacher is sure of."""
SIDEWAYS = 2
"""Minimum distance in cells between the shoulders of a person seen from the front or from behind."""
CHUNK = 500
"""Samples whose maps are read together."""
BATCH = 16
NOTED_AFTER = 16
"""Batches after which the progress of storing is saved."""

Teacher = Callable[[Sequence[ByteArray]], Sequence[Sequence[FloatArray]]]
"""Function from network inputs (H, W, 3) BGR to their maps (C, h, w), in the order of decoders."""


@runtime_checkable
class LearnsMaps(Objective, Protocol):
    """The objective of a method whose networks can learn from another network's maps."""

    def complete_targets(self, targets: Sequence[FloatArray], maps: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
        """Return targets with a teacher's maps wherever nothing is known; the first of them are maps like these."""

    def mirror_targets(self, maps: Sequence[FloatArray]) -> list[FloatArray]:
        """Return maps (..., C, h, w) of an input as targets of the mirrored input."""


@dataclass(frozen=True)
class MapStore:
    """The folder of stored inputs and maps."""

    folder: Path
    count: int
    size: int
    """Side of the square inputs."""
    description: dict[str, Any]
    """What inputs and maps depend on; a folder with another description is refused."""

    def written(self) -> int:
        """Return the number of stored samples; raises SettingsError if the folder holds other samples."""
        try:
            known = json.loads((self.folder / DESCRIPTION).read_text())
        except (FileNotFoundError, ValueError):
            return 0
        if known['of'] != json.loads(json.dumps(self._described)):
            raise SettingsError(
                f"{self.folder} holds a teacher's maps of other data ({known['of']}); choose another folder or remove"
                ' it'
            )
        return int(known['written'])

    def note(self, written: int) -> None:
        """Save how many are stored."""
        write_json(make_folder(self.folder) / DESCRIPTION, {'of': self._described, 'written': written}, indent=1)

    def images(self, mode: str = 'r') -> ByteArray:
        """Open the inputs (N, size, size, 3); raises OutputError, or SettingsError if they are missing."""
        return self._opened('images', (self.size, self.size, 3), np.uint8, mode)

    def maps(self, shape: tuple[int, ...], mode: str = 'r') -> AnyArray:
        """Open the maps (N, C, h, w), half precision; raises as `images` does."""
        return self._opened('maps', shape, np.float16, mode)

    @property
    def _described(self) -> dict[str, Any]:
        return {**self.description, 'count': self.count, 'size': self.size}

    def _opened(self, name: str, shape: tuple[int, ...], kind: type, mode: str) -> AnyArray:
        path, whole = self.folder / f'{name}.raw', (self.count, *shape)
        size = int(np.prod(whole)) * np.dtype(kind).itemsize
        if mode == 'r+' and not self.written():
            _reserve(path, size)
        if not path.exists() or path.stat().st_size != size:
            raise SettingsError(f'{path} is missing or incomplete; remove {self.folder} to store it again')
        return np.memmap(path, kind, mode, shape=whole)  # type: ignore[call-overload, no-any-return]


def _reserve(path: Path, size: int) -> None:
    """Allocate a file's space on the disk: running out of it later would end the process."""
    try:
        with path.open('wb') as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(
            f'cannot write {path} of {size / 1e9:.1f} GB: {error.strerror}; make room or lower teacher.count'
        ) from error


class StoredMaps(KeypointDataset):
    """The stored inputs as a dataset without labels, with the teacher's maps among the extras.

    With `min_sure_keypoints`, only samples in which that many keypoints have a high peak, and every tenth of the rest.
    With `balance_views` those that show people from behind are repeated until they are as many as those that show
    people from the front, which is how people are usually photographed.
    """

    def __init__(
        self,
        store: MapStore,
        channels: Sequence[int],
        stride: int,
        skeleton: Skeleton,
        min_sure_keypoints: int = 0,
        balance_views: bool = False,
    ) -> None:
        self.skeleton = skeleton
        self._store, self._splits = store, np.cumsum(channels)[:-1].tolist()
        self._shape = (sum(channels), store.size // stride, store.size // stride)
        self._chosen: IntArray = np.arange(store.count)
        if min_sure_keypoints or balance_views:
            self._choose(min_sure_keypoints, balance_views)

    def __len__(self) -> int:
        return len(self._chosen)

    @property
    def annotated(self) -> BoolArray:
        """(K,): none."""
        return np.zeros(len(self.skeleton), bool)

    def load_sample(self, index: int) -> Loaded:
        """Return one input and its maps, from files opened anew: open ones would be copied to other processes."""
        number = self._chosen[index]
        maps = np.split(self._store.maps(self._shape)[number].astype(np.float32), self._splits)
        return np.array(self._store.images()[number]), None, np.zeros((0, len(self.skeleton), 3)), {MAPS: tuple(maps)}

    def _choose(self, min_sure_keypoints: int, balance_views: bool) -> None:
        peaks, facing = map(np.concatenate, zip(*self._statistics(), strict=True))
        sure = (peaks > SURE).sum(axis=1) >= min_sure_keypoints
        chosen = np.sort(np.concatenate([np.flatnonzero(sure), np.flatnonzero(~sure)[::10]]))
        if balance_views:
            facing = facing[chosen]
            front, behind = (facing >= SIDEWAYS).sum(), chosen[facing <= -SIDEWAYS]
            repeated = max(0, round(front / max(1, len(behind))) - 1)
            chosen = np.sort(np.concatenate([chosen, np.repeat(behind, repeated)]))
        self._chosen = chosen

    def _statistics(self) -> Iterator[tuple[FloatArray, IntArray]]:
        """Yield for chunks of samples the height of each keypoint's peak, and the way that people face.

        This is the left shoulder's x minus the right one's, in cells: negative from behind, 0 if uncertain.
        """
        pair = [self.skeleton.keypoints.index(name) for name in SHOULDERS]
        maps = self._store.maps(self._shape)
        for start in range(0, len(maps), CHUNK):
            heatmaps = maps[start : start + CHUNK, : len(self.skeleton)].astype(np.float32)
            peaks = heatmaps.max(axis=(2, 3))  # (n, K)
            columns = heatmaps[:, pair].reshape(len(heatmaps), 2, -1).argmax(axis=2) % heatmaps.shape[3]
            yield peaks, np.where(peaks[:, pair].min(axis=1) > SURE, columns[:, 0] - columns[:, 1], 0)


class DistillationData(PoseData):
    """Annotated images, of which those with a teacher's maps learn these where labels say nothing."""

    objective: LearnsMaps

    def targets(self, sample: Sample) -> Sequence[FloatArray]:
        """Return the objective's targets, completed by the teacher's maps."""
        targets, maps = super().targets(sample), sample.extras.get(MAPS)
        return targets if maps is None else self.objective.complete_targets(targets, maps)


@dataclass(frozen=True)
class StoredOrTransformed:
    """Mirrors every other stored input, which is transformed already, with its maps, and transforms other samples."""

    mirror_targets: Callable[[Sequence[FloatArray]], list[FloatArray]]
    transform: Transform

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return a network input."""
        if MAPS not in sample.extras:
            return self.transform(sample, rng)
        if rng.random() < 0.5:
            return sample
        maps = tuple(self.mirror_targets(sample.extras[MAPS]))
        return replace(sample, image=sample.image[:, ::-1], extras={**sample.extras, MAPS: maps})


def store_maps(
    store: MapStore,
    data: DistillationData,
    seed: int,
    teacher: Teacher,
    workers: int,
    progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Store what is still missing; `progress` is called with numbers of inputs.

    Labels replace the teacher's maps where they are known. Interrupted, it continues from the last saved progress.
    Raises OutputError if the disk is full, SettingsError if the folder holds other samples.
    """
    done = store.written()
    progress(done)
    if done >= store.count:
        return
    make_folder(store.folder)
    images: Any = store.images('r+')
    maps: Any = None
    for turn, samples in enumerate(_samples(data, seed, range(done, store.count), workers), 1):
        answers = teacher([sample.image for sample in samples])
        completed = np.stack([_completed(data, *each) for each in zip(samples, answers, strict=True)])  # (N, C, h, w)
        maps = store.maps(completed.shape[1:], 'r+') if maps is None else maps
        here = np.s_[done : done + len(samples)]
        images[here], maps[here] = [sample.image for sample in samples], completed
        done += len(samples)
        if turn % NOTED_AFTER == 0 or done == store.count:
            images.flush()
            maps.flush()
            store.note(done)
        progress(len(samples))


def _completed(data: DistillationData, sample: Sample, maps: Sequence[FloatArray]) -> FloatArray:
    """Return the maps (C, h, w) that are to be learnt of a sample."""
    targets = data.targets(replace(sample, extras={**sample.extras, MAPS: maps}))
    return np.concatenate(targets[: len(maps)])


def _samples(data: PoseData, seed: int, numbers: Sequence[int], workers: int) -> Iterator[list[Sample]]:
    """Yield transformed samples; after each round through all images the next epoch transforms them anew."""
    keys = [(seed, *divmod(number, len(data))) for number in numbers]
    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    transformed = _Transformed(data)
    for batch in DataLoader(
        transformed, batch_sampler=batches, num_workers=workers, collate_fn=list, worker_init_fn=start_worker
    ):
        for failed in (each for each in batch if isinstance(each, Failed)):
            raise failed.error
        yield batch


class _Transformed(Dataset[Any]):
    """Transformed samples by keys."""

    def __init__(self, data: PoseData) -> None:
        self._data = data

    def __getitem__(self, key: Key) -> Sample | Failed:
        try:
            return self._data.sample(key[2], np.random.default_rng(key))
        except PoseEstimationError as error:
            return Failed(error)
