"""From a recipe's parts to annotated pictures in a method's skeleton."""

from dataclasses import replace
from pathlib import Path

from pose_estimation_ros.core.arrays import BoolArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.coco import CocoKeypoints, CocoMainPersons
from pose_estimation_ros.data.datasets.collage import Collage
from pose_estimation_ros.data.datasets.converted import InSkeleton
from pose_estimation_ros.data.datasets.kept import Kept
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.leeds import LeedsSportsExtended
from pose_estimation_ros.data.datasets.mixture import Mixture
from pose_estimation_ros.data.datasets.people import PICTURE, SyntheticPeople
from pose_estimation_ros.data.datasets.unlabelled import Unlabelled
from pose_estimation_ros.data.transforms import (
    Compose,
    Transform,
    camera_like,
    letterboxed,
    published_lightweight_openpose,
    varied,
    whole_picture,
)
from pose_estimation_ros.training.recipe import DataSettings, Part, TransformSettings


def training_pictures(data: DataSettings, skeleton: Skeleton) -> KeypointDataset:
    """Return the parts to train on as one dataset; raises SettingsError where there is none."""
    if not data.train:
        raise SettingsError('data.train names no pictures to train on; give a recipe with --config, or data.train')
    parts = [_prepared(part, open_part(part, Path(data.root)), skeleton) for part in data.train]
    if len(parts) == 1:
        return parts[0]
    return Mixture(parts, [part.weight for part in data.train])


def _prepared(part: Part, dataset: KeypointDataset, skeleton: Skeleton) -> KeypointDataset:
    """Return a part as it is trained on."""
    dataset = dataset if dataset.skeleton is skeleton else InSkeleton(dataset, skeleton)
    dataset = dataset if part.labels else Unlabelled(dataset)
    rows, columns = part.collage
    return dataset if rows == columns == 1 else Collage(dataset, rows, columns, seed=part.seed)


def open_part(part: Part, root: Path) -> KeypointDataset:
    """Open one source of pictures; raises SettingsError where a path is not there."""
    dataset = _open(part, root)
    return First(dataset, part.limit) if part.limit and part.limit < len(dataset) else dataset


def _open(part: Part, root: Path) -> KeypointDataset:
    if part.kind == 'synthetic':
        looks = replace(PICTURE, person_height=part.person_height)
        people = SyntheticPeople(part.count, part.size, part.persons, part.seed, looks)
        if not part.keep:
            return people
        described = {'size': part.size, 'persons': part.persons, 'seed': part.seed, 'settings': str(people.settings)}
        return Kept(people, root / part.keep, described)
    paths = coco_paths(part, root)
    if paths is None:
        return LeedsSportsExtended(_existing(root / part.images, f'images of the part {part.kind}'))
    pictures = (CocoKeypoints if part.kind == 'coco' else CocoMainPersons)(*paths)
    if not part.limit:  # who wants a few may have no more
        pictures.check_files()
    return pictures


def coco_paths(part: Part, root: Path) -> tuple[Path, Path] | None:
    """Return folder and annotation file of a part in COCO's form, None for others; raises SettingsError."""
    if part.kind not in ('coco', 'coco_main_persons'):
        return None
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


def make_transform(settings: TransformSettings, skeleton: Skeleton) -> Transform:
    """Return what turns samples of a skeleton into network inputs of one size."""
    colours = camera_like() if settings.camera_like else ()
    if settings.kind == 'letterboxed':
        return Compose((letterboxed(settings.size), *colours))
    if settings.kind == 'varied':
        return Compose((varied(settings.size, skeleton, settings.scale), *colours))
    if settings.kind == 'whole_picture':
        return Compose((whole_picture(settings.size, skeleton), *colours))
    return published_lightweight_openpose(settings.size, skeleton, colours)
