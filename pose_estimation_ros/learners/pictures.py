"""From what users pass as a dataset to pictures that can be scored or trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.datasets.coco import CocoMainPersons
from pose_estimation_ros.data.datasets.external import DatasetIterator, ExternalDataset, FromIterator, find_external
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.wrappers import InSkeleton
from pose_estimation_ros.evaluation.dataset import Dataset, published_subset
from pose_estimation_ros.evaluation.ground_truth import coco_truth, read_truth
from pose_estimation_ros.evaluation.run import Entry


@dataclass(frozen=True)
class Names:
    """Where in an ExternalDataset's folder pictures and annotations are."""

    images_folder: str
    annotations_file: str
    prefix: str = ''
    """Of the arguments that they were given by, `val_` for pictures to validate on."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture of a dataset that is no file."""

    dataset: KeypointDataset
    index: int

    def pixels(self) -> ByteArray:
        """Return it as (H, W, 3) BGR."""
        return self.dataset.sample(self.index).image


@dataclass(frozen=True, eq=False)
class ScoredPictures:
    """Pictures, and the truth that what is found in them is scored against."""

    truth: dict[str, Any]
    """COCO keypoint annotations of these pictures and no others."""
    sources: Sequence[tuple[int, Path | Drawn]]
    """Image ids and where the pictures are."""

    def __len__(self) -> int:
        return len(self.sources)

    def entries(self, rank: int = 0, world: int = 1) -> Iterator[Entry]:
        """Yield ids, and files or pixels, of one process's share of the pictures."""
        for image_id, source in self.sources[rank::world]:
            yield image_id, source.pixels() if isinstance(source, Drawn) else source

    def subset(self, count: int) -> 'ScoredPictures':
        """Return the published choice of so many of the pictures; 0 for all."""
        if not count or count >= len(self):
            return self
        return restricted(self, set(published_subset([image_id for image_id, _ in self.sources], count)))


def restricted(pictures: ScoredPictures, ids: set[int]) -> ScoredPictures:
    """Return some of the pictures."""
    truth = {
        **pictures.truth,
        'images': [image for image in pictures.truth['images'] if image['id'] in ids],
        'annotations': [each for each in pictures.truth['annotations'] if each['image_id'] in ids],
    }
    return ScoredPictures(truth, [source for source in pictures.sources if source[0] in ids])


def together(parts: Sequence[ScoredPictures]) -> ScoredPictures:
    """Return the pictures of several datasets as one, under new ids."""
    if len(parts) == 1:
        return parts[0]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    sources: list[tuple[int, Path | Drawn]] = []
    for part in parts:
        new = {image_id: len(sources) + place for place, (image_id, _) in enumerate(part.sources)}
        images += [{**image, 'id': new[image['id']]} for image in part.truth['images'] if image['id'] in new]
        for each in part.truth['annotations']:
            annotations.append({**each, 'id': len(annotations) + 1, 'image_id': new[each['image_id']]})
        sources += [(new[image_id], source) for image_id, source in part.sources]
    return ScoredPictures({**parts[0].truth, 'images': images, 'annotations': annotations}, sources)


def scored_pictures(dataset: Any, names: Names, subset: int | None = None) -> ScoredPictures:
    """Return the pictures of a dataset to score, or the published choice of `subset` of them; raises DatasetError."""
    if isinstance(dataset, ExternalDataset):
        images, annotations = find_external(dataset, names.images_folder, names.annotations_file, names.prefix)
        return coco_pictures(images, annotations).subset(subset or 0)
    return drawn_pictures(as_keypoint_dataset(dataset), subset or 0)


def coco_pictures(images: Path, annotations: Path) -> ScoredPictures:
    """Return the pictures of a folder and an annotation file; raises DatasetError."""
    coco = Dataset(annotations, read_truth(annotations))
    return ScoredPictures(coco.truth, coco.image_files(images, coco.image_ids()))


def drawn_pictures(dataset: KeypointDataset, limit: int = 0) -> ScoredPictures:
    """Return the published choice of any dataset's pictures, 0 for all; they are gone through once for their truth."""
    chosen = published_subset(range(len(dataset)), limit or len(dataset))
    truth = coco_truth(((index, dataset.sample(index)) for index in chosen), dataset.skeleton)
    return ScoredPictures(truth, [(index, Drawn(dataset, index)) for index in chosen])


def training_pictures(dataset: Any, names: Names, skeleton: Skeleton) -> KeypointDataset:
    """Return what is trained on, in a method's skeleton; COCO as the published preparation cuts it up."""
    if isinstance(dataset, ExternalDataset):
        coco = CocoMainPersons(*find_external(dataset, names.images_folder, names.annotations_file))
        coco.check_files()
        pictures: KeypointDataset = coco
    else:
        pictures = as_keypoint_dataset(dataset)
    return pictures if pictures.skeleton is skeleton else InSkeleton(pictures, skeleton)


def as_keypoint_dataset(dataset: Any) -> KeypointDataset:
    """Return a user's dataset as the package's; raises DatasetError for other things."""
    if isinstance(dataset, KeypointDataset):
        return dataset
    if isinstance(dataset, DatasetIterator):
        return FromIterator(dataset)
    raise DatasetError(
        f'a dataset must be an ExternalDataset, a DatasetIterator or a KeypointDataset, got {type(dataset).__name__}'
    )
