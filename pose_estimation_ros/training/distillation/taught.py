"""Network inputs with a teacher's maps, written down ahead of the training that learns from them."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, ByteArray, FloatArray, IntArray
from pose_estimation_ros.core.errors import OutputError, PoseEstimationError, SettingsError
from pose_estimation_ros.core.files import make_folder, write_json
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.methods.method import Objective
from pose_estimation_ros.training.items import MAPS, Failed, Items, Key, Transform, annotation
from pose_estimation_ros.training.loader import start_worker

DESCRIPTION = 'taught.json'
SURE = 0.4
"""Height of a peak that a teacher is sure of."""
SIDEWAYS = 2
"""Cells between the shoulders of somebody whose front or back is seen, at least."""
CHUNK = 500
"""Lessons looked at together."""
BATCH = 16
NOTED_AFTER = 16
"""Batches after which it is noted how far the writing has come."""

Teacher = Callable[[Sequence[ByteArray]], list[list[FloatArray]]]
"""From network inputs, each (H, W, 3) BGR, to the maps of each, (C, h, w), in the order that decoders take."""


@dataclass(frozen=True)
class Lessons:
    """Where network inputs and their maps lie, and what they depend on."""

    folder: Path
    count: int
    size: int
    """Of the square inputs."""
    description: dict[str, Any]
    """A folder made from something else is refused."""

    def written(self) -> int:
        """Return how many are there; raises SettingsError where the folder holds others."""
        path = self.folder / DESCRIPTION
        try:
            known = json.loads(path.read_text()) if path.exists() else None
        except ValueError:
            known = None
        if known is None:
            return 0
        if known['of'] != self._described():
            raise SettingsError(
                f'{self.folder} holds other lessons ({known["of"]}); choose another folder or remove it'
            )
        return int(known['written'])

    def note(self, written: int) -> None:
        """Write down how many are there."""
        write_json(make_folder(self.folder) / DESCRIPTION, {'of': self._described(), 'written': written}, indent=1)

    def images(self, mode: str = 'r') -> ByteArray:
        """Open the inputs (N, size, size, 3); raises OutputError, or SettingsError where they are missing."""
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
            raise SettingsError(f'{path} is missing or not whole; remove {self.folder} to have it written again')
        return np.memmap(path, kind, mode, shape=whole)  # type: ignore[call-overload]


class Taught(KeypointDataset):
    """Lessons as pictures: no labels, and the teacher's maps among the extras.

    With `sure_joints` only those in which so many joints have a high peak, and every tenth of the others. With
    `balance_views` lessons that show somebody from behind come again until they are as many as those that show
    somebody's front, of whom people take more pictures.
    """

    def __init__(
        self,
        lessons: Lessons,
        channels: Sequence[int],
        stride: int,
        skeleton: Skeleton,
        sure_joints: int = 0,
        balance_views: bool = False,
    ) -> None:
        self.skeleton = skeleton
        self._lessons, self._splits = lessons, np.cumsum(channels)[:-1].tolist()
        self._shape = (sum(channels), lessons.size // stride, lessons.size // stride)
        self._opened: tuple[int, ByteArray, AnyArray] | None = None
        self._chosen = np.arange(lessons.count) if sure_joints == 0 else self._with_people(sure_joints)
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
            self._opened = os.getpid(), self._lessons.images(), self._lessons.maps(self._shape)
        _, images, maps = self._opened
        lesson = self._chosen[index]
        taught = np.split(maps[lesson].astype(np.float32), self._splits)
        return np.array(images[lesson]), None, np.zeros((0, len(self.skeleton), 3)), {MAPS: tuple(taught)}

    def _with_people(self, sure_joints: int) -> IntArray:
        """Return the lessons to learn from; the first maps are those of the skeleton's joints."""
        maps = self._lessons.maps(self._shape)
        joints = slice(0, len(self.skeleton))
        sure = np.concatenate(
            [
                (maps[start : start + CHUNK, joints].max(axis=(2, 3)) > SURE).sum(axis=1)
                for start in range(0, len(maps), CHUNK)
            ]
        )
        others = np.flatnonzero(sure < sure_joints)[::10]
        chosen: IntArray = np.sort(np.concatenate([np.flatnonzero(sure >= sure_joints), others]))
        return chosen

    def _balanced(self, chosen: IntArray) -> IntArray:
        """Return lessons, those from behind so often that they are about as many as those from the front."""
        facing = self._facing(chosen)
        front, behind = (facing >= SIDEWAYS).sum(), chosen[facing <= -SIDEWAYS]
        times = round(front / max(1, len(behind)))
        balanced: IntArray = np.sort(np.concatenate([chosen, np.repeat(behind, max(0, times - 1))]))
        return balanced

    def _facing(self, chosen: IntArray) -> IntArray:
        """Return by how many cells the left shoulder lies right of the other: below 0 from behind, 0 where unsure."""
        shoulders = [self.skeleton.keypoints.index(name) for name in ('left_shoulder', 'right_shoulder')]
        maps = self._lessons.maps(self._shape)
        facing = np.zeros(len(chosen), int)
        for place, lesson in enumerate(chosen):
            left, right = maps[lesson, shoulders].astype(np.float32)
            if min(left.max(), right.max()) > SURE:
                columns = [int(each.argmax()) % each.shape[1] for each in (left, right)]
                facing[place] = columns[0] - columns[1]
        return facing


@dataclass(frozen=True)
class MirrorTaught:
    """A transform that shows every other lesson in a mirror; nothing else moves in them, they are network inputs."""

    mirror_targets: Callable[[Sequence[FloatArray]], list[FloatArray]]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return a lesson, or its mirror image with its maps; other samples as they are."""
        if MAPS not in sample.extras or rng.random() < 0.5:
            return sample
        maps = tuple(self.mirror_targets(sample.extras[MAPS]))
        return replace(sample, image=sample.image[:, ::-1], extras={**sample.extras, MAPS: maps})


@dataclass(frozen=True)
class UnlessTaught:
    """A transform of pictures that passes lessons on: these are network inputs already."""

    transform: Transform

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample transformed, or as it is."""
        return sample if MAPS in sample.extras else self.transform(sample, rng)


def write_lessons(
    lessons: Lessons,
    items: Items,
    objective: Objective,
    teacher: Teacher,
    workers: int,
    told: Callable[[int], None] = lambda _: None,
) -> None:
    """Write what is still missing; `told` hears of every so many inputs.

    Labels win over the teacher where they say something. Interrupted, it goes on from the last note.

    Raises:
        OutputError: There is no room.
        SettingsError: The folder holds other lessons.

    """
    done = lessons.written()
    told(done)
    if done >= lessons.count:
        return
    make_folder(lessons.folder)
    images: Any = lessons.images('r+')
    maps: Any = None
    for turn, samples in enumerate(_samples(items, range(done, lessons.count), workers), 1):
        whole = _completed(samples, objective, teacher)
        maps = lessons.maps(whole.shape[1:], 'r+') if maps is None else maps
        here = np.s_[done : done + len(whole)]
        images[here], maps[here] = [sample.image for sample in samples], whole
        done += len(whole)
        if turn % NOTED_AFTER == 0 or done == lessons.count:
            images.flush()
            maps.flush()
            lessons.note(done)
        told(len(whole))


def _completed(samples: Sequence[Sample], objective: Objective, teacher: Teacher) -> FloatArray:
    """Return what is to be learnt of each sample, (N, C, h, w)."""
    answers = teacher([sample.image for sample in samples])
    targets = [
        objective.target_maps(objective.encode(replace(annotation(sample), maps=tuple(answer))))
        for sample, answer in zip(samples, answers, strict=True)
    ]
    return np.stack([np.concatenate(each) for each in targets])


def _samples(items: Items, numbers: Sequence[int], workers: int) -> Iterator[list[Sample]]:
    """Yield transformed pictures; each time that all pictures have come they come again, transformed anew."""
    keys = [divmod(number, len(items)) for number in numbers]
    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    loader = DataLoader(
        _Samples(items), batch_sampler=batches, num_workers=workers, collate_fn=list, worker_init_fn=start_worker
    )
    for samples in loader:
        for failed in (each for each in samples if isinstance(each, Failed)):
            raise failed.error
        yield samples


class _Samples(Dataset[Any]):
    """Transformed pictures by their keys."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __getitem__(self, key: Key) -> Sample | Failed:
        try:
            return self._items.sample(key)
        except PoseEstimationError as error:
            return Failed(error)


def _reserve(path: Path, size: int) -> None:
    """Make a file of a size that is on the disk for good: room that runs out later would end the process."""
    try:
        with path.open('wb') as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(
            f'cannot write {path} of {size / 1e9:.1f} GB: {error.strerror}; make room or lower teacher.count'
        ) from error
