"""From a recipe's datasets to annotated images in a method's skeleton."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.data.datasets.coco import CocoKeypoints, CocoMainPersons, coco_annotated, coco_persons
from pose_estimation_ros.data.datasets.collage import Collage
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.leeds import LeedsSportsExtended
from pose_estimation_ros.data.datasets.mixture import Mixture
from pose_estimation_ros.data.datasets.mpii import MpiiPersons
from pose_estimation_ros.data.datasets.portraits import Portraits
from pose_estimation_ros.data.datasets.synthetic_people import TRAINING_SCENE, SyntheticPeople
from pose_estimation_ros.data.datasets.wrappers import (
    CachedDataset,
    DatasetWrapper,
    InSkeleton,
    Unlabelled,
)
from pose_estimation_ros.data.transforms.builders import camera_like
from pose_estimation_ros.data.transforms.warp import Compose, Transform
from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.training.pose.inputs import INPUTS
from pose_estimation_ros.training.pose.recipe import DatasetSettings, PoseRecipe, TransformSettings

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetKind:
    """How a kind of dataset is opened, and what its samples are."""

    open: Callable[[DatasetSettings, Path], KeypointDataset]
    """Opens a dataset from settings and root folder; raises SettingsError if a path does not exist."""
    by_person: bool = False
    """Whether each sample is of one person, who comes first."""
    coco_files: bool = False
    """Whether `images` and `annotations` are those of a COCO dataset."""


def _annotated(make: Callable[[Path, Path], Any]) -> Callable[[DatasetSettings, Path], KeypointDataset]:
    """Return what opens a folder of images and a file of annotations."""

    def opened(settings: DatasetSettings, root: Path) -> KeypointDataset:
        dataset: Any = make(_existing(settings, root, 'images'), _existing(settings, root, 'annotations'))
        if not settings.limit:  # those who train on a few may have no more files
            dataset.check_files()
        return dataset  # type: ignore[no-any-return]

    return opened


def _synthetic(settings: DatasetSettings, root: Path) -> KeypointDataset:
    looks = replace(TRAINING_SCENE, person_height=settings.person_height)
    people = SyntheticPeople(settings.count, settings.size, settings.persons, settings.seed, looks)
    if not settings.keep:
        return people
    drawn_by = {'size': settings.size, 'persons': settings.persons, 'seed': settings.seed}
    return CachedDataset(people, root / settings.keep, {**drawn_by, 'settings': str(people.settings)})


KINDS: dict[str, DatasetKind] = {
    'coco': DatasetKind(_annotated(CocoKeypoints), coco_files=True),
    'coco_annotated': DatasetKind(_annotated(coco_annotated), coco_files=True),
    'coco_main_persons': DatasetKind(_annotated(CocoMainPersons), by_person=True, coco_files=True),
    'coco_persons': DatasetKind(_annotated(coco_persons), by_person=True, coco_files=True),
    'mpii': DatasetKind(_annotated(MpiiPersons), by_person=True),
    'leeds': DatasetKind(
        lambda settings, root: LeedsSportsExtended(
            _existing(settings, root, 'images'), from_behind=settings.from_behind
        ),
        by_person=True,
    ),
    'synthetic': DatasetKind(_synthetic),
}
"""By `kind` in a recipe."""


def training_dataset(settings: Sequence[DatasetSettings], root: str, method: Method) -> KeypointDataset:
    """Return datasets as one, mixed by their weights, as a method is trained on them; raises SettingsError."""
    if not settings:
        raise SettingsError('data.train names no images to train on; give a recipe with --config, or data.train')
    opened = [_prepared(each, open_dataset(each, Path(root)), method) for each in settings]
    return opened[0] if len(opened) == 1 else Mixture(opened, [each.weight for each in settings])


def _prepared(settings: DatasetSettings, dataset: KeypointDataset, method: Method) -> KeypointDataset:
    by_person, whole = INPUTS[method.sees].by_person, settings.collage == (1, 1)
    if dataset.skeleton is not method.skeleton:
        dataset = InSkeleton(dataset, method.skeleton)
    if not settings.labels and by_person:
        raise SettingsError(f'data.train: labels: false is for bottom-up methods, {method.name} is top-down')
    if not settings.labels:
        dataset = Unlabelled(dataset)
    if not whole:
        dataset = Collage(dataset, *settings.collage, seed=settings.seed)
    return by_person(dataset) if by_person and not (whole and KINDS[settings.kind].by_person) else dataset


def open_dataset(settings: DatasetSettings, root: Path) -> KeypointDataset:
    """Open one dataset; raises SettingsError if a path does not exist."""
    dataset = KINDS[settings.kind].open(settings, root)
    dataset = Portraits(dataset, settings.portraits, settings.seed) if any(settings.portraits) else dataset
    return First(dataset, settings.limit) if settings.limit and settings.limit < len(dataset) else dataset


def coco_paths(settings: DatasetSettings, root: Path) -> tuple[Path, Path] | None:
    """Return folder and annotation file of a COCO dataset, None for others; raises SettingsError."""
    if not KINDS[settings.kind].coco_files:
        return None
    return _existing(settings, root, 'images'), _existing(settings, root, 'annotations')


def _existing(settings: DatasetSettings, root: Path, field: str) -> Path:
    path = root / str(getattr(settings, field))
    if not path.exists():
        raise SettingsError(
            f'data: the {field} of the {settings.kind} dataset are not at {path}; set data.root to the folder that they'
            ' lie in'
        )
    return path


class First(DatasetWrapper):
    """The first samples of a dataset."""

    def __init__(self, dataset: KeypointDataset, count: int) -> None:
        super().__init__(dataset)
        self._count = count

    def __len__(self) -> int:
        return self._count

    def load_sample(self, index: int) -> Loaded:
        """Return one of the dataset's samples."""
        return self.dataset.load_sample(index)


def colour_changes(settings: TransformSettings) -> tuple[Transform, ...]:
    """Return the changes of colours that a recipe asks for."""
    return camera_like() if settings.camera_like else ()


def make_transform(recipe: PoseRecipe, method: Method, options: Any, colours: tuple[Transform, ...] = ()) -> Transform:
    """Return the transform of samples to network inputs of one size; raises SettingsError."""
    settings, kind = recipe.transform, INPUTS[method.sees]
    input_hw = method.input_hw(options, settings.size)
    if any(side % options.stride for side in input_hw):
        raise SettingsError(
            f'transform.size must be a multiple of the stride {options.stride} of the network, got {settings.size}'
        )
    if settings.kind == 'published':
        return method.augmentation(options, settings.size, _augmentation(recipe, kind.renamed), colours)
    if settings.kind not in kind.transforms:
        known = ', '.join(('published', *kind.transforms))
        raise SettingsError(f'transform.kind must be {known} for {method.name}, got {settings.kind}')
    if recipe.augmentation:
        raise SettingsError(f'augmentation is for transform.kind published, got {settings.kind}; leave out one of them')
    return Compose((kind.transforms[settings.kind](settings, input_hw[0], method.skeleton), *colours))


def _augmentation(recipe: PoseRecipe, renamed: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of the augmentation, with those that stand in `transform` as in earlier versions."""
    values = {new: value for old, new in renamed.items() if (value := getattr(recipe.transform, old)) is not None}
    for old in (old for old, new in renamed.items() if new in values):
        LOG.warning('transform.%s is now augmentation.%s; use the new name', old, renamed[old])
    return {**values, **recipe.augmentation}
