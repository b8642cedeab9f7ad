"""From a recipe's parts to annotated pictures in a method's skeleton."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import BoolArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.data.datasets.coco import CocoKeypoints, CocoMainPersons, coco_persons
from pose_estimation_ros.data.datasets.collage import Collage
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.leeds import LeedsSportsExtended
from pose_estimation_ros.data.datasets.mixture import Mixture
from pose_estimation_ros.data.datasets.mpii import MpiiPersons
from pose_estimation_ros.data.datasets.portraits import Portraits
from pose_estimation_ros.data.datasets.synthetic_people import TRAINING_SCENE, SyntheticPeople
from pose_estimation_ros.data.datasets.wrappers import CachedDataset, InSkeleton, Persons, Unlabelled
from pose_estimation_ros.data.transforms import (
    Compose,
    Transform,
    camera_like,
    letterboxed,
    varied,
    whole_picture,
)
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.training.recipe import DataSettings, Part, TransformSettings

PERSON_KINDS = ('coco_main_persons', 'coco_persons', 'mpii', 'leeds')
"""Parts whose items each have one person who comes first."""


def training_pictures(data: DataSettings, method: Method) -> KeypointDataset:
    """Return the parts to train on as one dataset; raises SettingsError where there is none."""
    if not data.train:
        raise SettingsError('data.train names no pictures to train on; give a recipe with --config, or data.train')
    return mixed(data.train, data.root, method)


def mixed(parts: Sequence[Part], root: str, method: Method) -> KeypointDataset:
    """Return parts as one dataset, each in its share."""
    opened = [_prepared(part, open_part(part, Path(root)), method) for part in parts]
    return opened[0] if len(opened) == 1 else Mixture(opened, [part.weight for part in parts])


def _prepared(part: Part, dataset: KeypointDataset, method: Method) -> KeypointDataset:
    """Return a part as it is trained on."""
    skeleton = method.skeleton
    dataset = dataset if dataset.skeleton is skeleton else InSkeleton(dataset, skeleton)
    rows, columns = part.collage
    if method.sees == 'person':
        if not part.labels:
            raise SettingsError(f'data.train: labels: false is for methods that see whole pictures, not {method.name}')
        alone = part.kind in PERSON_KINDS and rows == columns == 1
        return dataset if alone else Persons(_in_collage(dataset, part))
    return _in_collage(dataset if part.labels else Unlabelled(dataset), part)


def _in_collage(dataset: KeypointDataset, part: Part) -> KeypointDataset:
    rows, columns = part.collage
    return dataset if rows == columns == 1 else Collage(dataset, rows, columns, seed=part.seed)


def open_part(part: Part, root: Path) -> KeypointDataset:
    """Open one source of pictures; raises SettingsError where a path is not there."""
    dataset = _open(part, root)
    dataset = Portraits(dataset, part.portraits, part.seed) if any(part.portraits) else dataset
    return First(dataset, part.limit) if part.limit and part.limit < len(dataset) else dataset


def _open(part: Part, root: Path) -> KeypointDataset:
    if part.kind == 'synthetic':
        looks = replace(TRAINING_SCENE, person_height=part.person_height)
        people = SyntheticPeople(part.count, part.size, part.persons, part.seed, looks)
        if not part.keep:
            return people
        described = {'size': part.size, 'persons': part.persons, 'seed': part.seed, 'settings': str(people.settings)}
        return CachedDataset(people, root / part.keep, described)
    if part.kind == 'leeds':
        images = _existing(root / part.images, f'images of the part {part.kind}')
        return LeedsSportsExtended(images, from_behind=part.from_behind)
    images, annotations = _paths(part, root)
    pictures = ANNOTATED[part.kind](images, annotations)
    if not part.limit:  # who wants a few may have no more
        pictures.check_files()
    return pictures


def coco_paths(part: Part, root: Path) -> tuple[Path, Path] | None:
    """Return folder and annotation file of a part in COCO's form, None for others; raises SettingsError."""
    return _paths(part, root) if part.kind in ('coco', 'coco_main_persons', 'coco_persons') else None


ANNOTATED: dict[str, Callable[[Path, Path], CocoKeypoints | CocoMainPersons | MpiiPersons]] = {
    'coco': CocoKeypoints,
    'coco_main_persons': CocoMainPersons,
    'coco_persons': coco_persons,
    'mpii': MpiiPersons,
}
"""What opens a folder of images and a file of annotations, by kind of part."""


def _paths(part: Part, root: Path) -> tuple[Path, Path]:
    images = _existing(root / part.images, f'images of the part {part.kind}')
    return images, _existing(root / part.annotations, f'annotations of the part {part.kind}')


def _existing(path: Path, what: str) -> Path:
    if not path.exists():
        raise SettingsError(f'data: the {what} are not at {path}; set data.root to the folder that they lie in')
    return path


class First(KeypointDataset):
    """The first pictures of a dataset."""

    def __init__(self, dataset: KeypointDataset, count: int) -> None:
        self.skeleton = dataset.skeleton
        self._dataset, self._count = dataset, count

    def __len__(self) -> int:
        return self._count

    @property
    def annotated(self) -> BoolArray:
        """Return what the dataset says."""
        return self._dataset.annotated

    def load_sample(self, index: int) -> Loaded:
        """Return one of the dataset's pictures."""
        return self._dataset.load_sample(index)


def make_transform(settings: TransformSettings, method: Method, options: Any) -> Transform:
    """Return what turns samples into network inputs of one size; raises SettingsError."""
    skeleton = method.skeleton
    colours = camera_like() if settings.camera_like else ()
    if method.sees == 'person':
        if settings.kind != 'published':
            raise SettingsError(f'transform.kind must be published for {method.name}, got {settings.kind}')
        return method.augmentation(options, colours, scale=settings.person_scale, rotation=settings.person_rotation)
    if settings.size % options.stride:
        raise SettingsError(
            f'transform.size must be a multiple of the stride {options.stride} of the network, got {settings.size}'
        )
    if settings.kind == 'letterboxed':
        return Compose((letterboxed(settings.size), *colours))
    if settings.kind == 'varied':
        return Compose((varied(settings.size, skeleton, settings.scale), *colours))
    if settings.kind == 'whole_picture':
        return Compose((whole_picture(settings.size, skeleton), *colours))
    return method.augmentation(options, colours, size=settings.size)
