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
from torch.utils.data import DataLoader

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, ByteArray, FloatArray, IntArray
from pose_estimation_ros.core.errors import OutputError, SettingsError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.data.transforms.warp import Transform
from pose_estimation_ros.methods.method import Objective
from pose_estimation_ros.training.loader import Failed, Items, start_worker
from pose_estimation_ros.training.pose.task import PoseData

DESCRIPTION = 'taught.json'
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
        path = self.folder / DESCRIPTION
        try:
            known = json.loads(path.read_text()) if path.exists() else None
        except ValueError:
            known = None
        if known is None:
            return 0
        if known['of'] != self._described():
            raise SettingsError(
                f"{self.folder} holds a teacher's maps of other data ({known['of']}); choose another folder or remove"
                ' it'
            )
        return int(known['written'])

    def note(self, written: int) -> None:
        """Save how many are stored."""
        write_json(make_folder(self.folder) / DESCRIPTION, {'of': self._described(), 'written': written}, indent=1)

    def images(self, mode: str = 'r') -> ByteArray:
        """Open the inputs (N, size, size, 3); raises OutputError, or SettingsError if they are missing."""
        images: ByteArray = self._opened('images', (self.size, self.size, 3), np.uint8, mode)
        return images

    def maps(self, shape: tuple[int, ...], mode: str = 'r') -> AnyArray:
        """Open the maps (N, C, h, w), half precision; raises as `images` does."""
        maps: AnyArray = self._opened('maps', shape, np.float16, mode)
        return maps

    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = json.loads(json.dumps({**self.description, 'count': self.count, 'size': self.size}))
        return described

    def _opened(self, name: str, shape: tuple[int, ...], kind: type, mode: str) -> Any:
        path = self.folder / f'{name}.raw'
        whole = (self.count, *shape)
        size = int(np.prod(whole)) * np.dtype(kind).itemsize
        if mode == 'r+' and not self.written():
            _reserve(path, size)
        if not path.exists() or path.stat().st_size != size:
            raise SettingsError(f'{path} is missing or incomplete; remove {self.folder} to store it again')
        return np.memmap(path, kind, mode, shape=whole)  # type: ignore[call-overload]


class StoredMaps(KeypointDataset):
    """The stored inputs as a dataset without labels, with the teacher's maps among the extras.

    With `sure_joints`, only samples in which that many keypoints have a high peak, and every tenth of the rest. With
    `balance_views` those that show people from behind are repeated until they are as many as those that show people
    from the front, which is how people are usually photographed.
    """

    def __init__(
        self,
        store: MapStore,
        channels: Sequence[int],
        stride: int,
        skeleton: Skeleton,
        sure_joints: int = 0,
        balance_views: bool = False,
    ) -> None:
        self.skeleton = skeleton
        self._store, self._splits = store, np.cumsum(channels)[:-1].tolist()
        self._shape = (sum(channels), store.size // stride, store.size // stride)
        self._opened: tuple[int, ByteArray, AnyArray] | None = None
        self._chosen = np.arange(store.count) if sure_joints == 0 else self._with_people(sure_joints)
        if balance_views:
            self._chosen = self._balanced(self._chosen)

    def __len__(self) -> int:
        return len(self._chosen)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_opened': None}

    @property
    def annotated(self) -> BoolArray:
        """(K,): none."""
        return np.zeros(len(self.skeleton), bool)

    def load_sample(self, index: int) -> Loaded:
        """Return one input and its maps."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._store.images(), self._store.maps(self._shape)
        _, images, maps = self._opened
        number = self._chosen[index]
        taught = np.split(maps[number].astype(np.float32), self._splits)
        return np.array(images[number]), None, np.zeros((0, len(self.skeleton), 3)), {MAPS: tuple(taught)}

    def _with_people(self, sure_joints: int) -> IntArray:
        """Return the samples to learn from; the first maps are those of the skeleton's keypoints."""
        peaks = np.concatenate([joints.max(axis=(2, 3)) for joints in self._joints(np.arange(self._store.count))])
        sure = (peaks > SURE).sum(axis=1)
        others = np.flatnonzero(sure < sure_joints)[::10]
        chosen: IntArray = np.sort(np.concatenate([np.flatnonzero(sure >= sure_joints), others]))
        return chosen

    def _balanced(self, chosen: IntArray) -> IntArray:
        """Return the samples, with those from behind about as often as those from the front."""
        facing = self._facing(chosen)
        front, behind = (facing >= SIDEWAYS).sum(), chosen[facing <= -SIDEWAYS]
        times = round(front / max(1, len(behind)))
        balanced: IntArray = np.sort(np.concatenate([chosen, np.repeat(behind, max(0, times - 1))]))
        return balanced

    def _facing(self, chosen: IntArray) -> IntArray:
        """Return the left shoulder's x minus the right one's, in cells: negative from behind, 0 if uncertain."""
        pair = [self.skeleton.keypoints.index(name) for name in ('left_shoulder', 'right_shoulder')]
        facing = []
        for joints in self._joints(chosen):
            shoulders = joints[:, pair].reshape(len(joints), 2, -1)
            columns = shoulders.argmax(axis=2) % joints.shape[3]
            sure = shoulders.max(axis=2).min(axis=1) > SURE
            facing.append(np.where(sure, columns[:, 0] - columns[:, 1], 0))
        return np.concatenate(facing)

    def _joints(self, chosen: IntArray) -> Iterator[FloatArray]:
        """Yield the keypoints' maps (n, K, h, w) of samples, a chunk at a time."""
        maps = self._store.maps(self._shape)
        for start in range(0, len(chosen), CHUNK):
            yield maps[chosen[start : start + CHUNK], : len(self.skeleton)].astype(np.float32)


class DistillationData(PoseData):
    """Annotated images, of which those with a teacher's maps learn these where labels say nothing."""

    objective: LearnsMaps

    def targets(self, sample: Sample) -> Sequence[FloatArray]:
        """Return the objective's targets, completed by the teacher's maps."""
        targets = super().targets(sample)
        maps = sample.extras.get(MAPS)
        return targets if maps is None else self.objective.complete_targets(targets, maps)


@dataclass(frozen=True)
class StoredOrTransformed:
    """Mirrors every other stored input together with its maps, and transforms all other samples.

    Stored inputs are transformed already.
    """

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

    Raises:
        OutputError: The disk is full.
        SettingsError: The folder holds other samples.

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
        completed = np.stack([_completed(data, each) for each in zip(samples, answers, strict=True)])  # (N, C, h, w)
        maps = store.maps(completed.shape[1:], 'r+') if maps is None else maps
        here = np.s_[done : done + len(samples)]
        images[here], maps[here] = [sample.image for sample in samples], completed
        done += len(samples)
        if turn % NOTED_AFTER == 0 or done == store.count:
            images.flush()
            maps.flush()
            store.note(done)
        progress(len(samples))


def _completed(data: DistillationData, answer: tuple[Sample, Sequence[FloatArray]]) -> FloatArray:
    """Return the maps (C, h, w) that are to be learnt of a sample."""
    sample, maps = answer
    targets = data.targets(replace(sample, extras={**sample.extras, MAPS: maps}))
    return np.concatenate(targets[: len(maps)])


def _samples(data: DistillationData, seed: int, numbers: Sequence[int], workers: int) -> Iterator[list[Sample]]:
    """Yield transformed samples; after each round through all images the next epoch transforms them anew."""
    keys = [(seed, *divmod(number, len(data))) for number in numbers]
    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    items = Items(_Transformed(data))
    loader = DataLoader(items, batch_sampler=batches, num_workers=workers, collate_fn=list, worker_init_fn=start_worker)
    for batch in loader:
        for failed in (each for each in batch if isinstance(each, Failed)):
            raise failed.error
        yield [item.inputs for item in batch]


@dataclass(frozen=True)
class _Transformed:
    """Transformed samples as items without targets."""

    data: DistillationData

    def __len__(self) -> int:
        return len(self.data)

    def item(self, index: int, rng: np.random.Generator) -> tuple[Sample, tuple[()]]:
        return self.data.sample(index, rng), ()


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
