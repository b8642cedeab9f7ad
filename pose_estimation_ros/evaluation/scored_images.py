"""Images with the COCO annotations that poses found in them are scored against, and boxes around their people."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset
from pose_estimation_ros.data.datasets.layout import find_annotations, some
from pose_estimation_ros.evaluation.detections import read_boxes
from pose_estimation_ros.evaluation.ground_truth import coco_truth, read_truth, truth_boxes
from pose_estimation_ros.evaluation.run import Entry

BoxSource = Literal['ground_truth', 'whole_image', 'detector'] | str | Path
"""Where boxes come from; a path is a file of COCO's detection results."""

GROUND_TRUTH, WHOLE_IMAGE, DETECTOR = 'ground_truth', 'whole_image', 'detector'


Source = tuple[int, Path | Callable[[], ByteArray]]
"""An image id, and the image's file or what returns it as (H, W, 3) BGR."""


@dataclass(frozen=True, eq=False)
class Dataset:
    path: Path  # The annotation file
    truth: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, annotations: str) -> 'Dataset':
        """Read the file `annotations` in `folder` or in its folder `annotations`; raises DatasetError."""
        path = find_annotations(folder, annotations, '--annotations')
        return cls(path, read_truth(path))

    def image_ids(self, limit: int | None = None, subset: int | None = None) -> list[int]:
        """Return the ids of the images to score: the published choice of `subset` images, of them the first `limit`."""
        ids = [image['id'] for image in self.truth['images']]
        return (ids if subset is None else published_subset(ids, subset))[:limit]

    def image_files(self, folder: Path, image_ids: Iterable[int]) -> list[tuple[int, Path]]:
        """Return ids and files; raises DatasetError with their count and first names if files are missing."""
        wanted = set(image_ids)
        images = [image for image in self.truth['images'] if image['id'] in wanted]
        if nameless := [image['id'] for image in images if not image.get('file_name')]:
            raise DatasetError(f'image {nameless[0]} of {self.path} has no file_name')
        files = [(image['id'], folder / image['file_name']) for image in images]
        if missing := [path.name for _, path in files if not path.is_file()]:
            raise DatasetError(
                f'{len(missing)} of {len(files)} images of {self.path.name} are not in {folder}: {some(missing)}; '
                'copy them there, or name another --images-folder'
            )
        return files


def published_subset(ids: Sequence[int], count: int) -> list[int]:
    """Return a subset in the given order, drawn as the published validation subset: shuffled with the seed 0."""
    shuffled = list(ids)
    random.Random(0).shuffle(shuffled)
    chosen = set(shuffled[:count])
    return [each for each in ids if each in chosen]


@dataclass(frozen=True, eq=False)
class ScoredImages:
    truth: dict[str, Any]  # COCO keypoint annotations of these images and no others
    sources: Sequence[Source]

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, count: int) -> 'ScoredImages':
        """Return the published choice of `count` images; 0 for all."""
        if not count or count >= len(self):
            return self
        chosen = set(published_subset([image_id for image_id, _ in self.sources], count))
        truth = {
            **self.truth,
            'images': [image for image in self.truth['images'] if image['id'] in chosen],
            'annotations': [each for each in self.truth['annotations'] if each['image_id'] in chosen],
        }
        return ScoredImages(truth, [source for source in self.sources if source[0] in chosen])


def entry(source: Source) -> Entry:
    """Return an image's id, and its file or pixels."""
    image_id, image = source
    return image_id, image() if callable(image) else image


def coco_images(images: Path, annotations: Path) -> ScoredImages:
    """Return the images of a folder and an annotation file; raises DatasetError."""
    coco = Dataset(annotations, read_truth(annotations))
    return ScoredImages(coco.truth, coco.image_files(images, coco.image_ids()))


def dataset_images(dataset: KeypointDataset, limit: int = 0) -> ScoredImages:
    """Return the published choice of any dataset's images, 0 for all; each is loaded once for its ground truth."""
    chosen = published_subset(range(len(dataset)), limit or len(dataset))
    truth = coco_truth(((index, dataset.sample(index)) for index in chosen), dataset.skeleton)
    return ScoredImages(truth, [(index, partial(_image, dataset, index)) for index in chosen])


def _image(dataset: KeypointDataset, index: int) -> ByteArray:
    return dataset.sample(index).image


def combined(parts: Sequence[ScoredImages]) -> ScoredImages:
    """Return the images of several datasets as one, under new ids."""
    if len(parts) == 1:
        return parts[0]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    sources: list[Source] = []
    for part in parts:
        new = {image_id: len(sources) + number for number, (image_id, _) in enumerate(part.sources)}
        images += [{**image, 'id': new[image['id']]} for image in part.truth['images'] if image['id'] in new]
        for each in part.truth['annotations']:
            annotations.append({**each, 'id': len(annotations) + 1, 'image_id': new[each['image_id']]})
        sources += [(new[image_id], source) for image_id, source in part.sources]
    return ScoredImages({**parts[0].truth, 'images': images, 'annotations': annotations}, sources)


def boxes_for(source: BoxSource, truth: dict[str, Any]) -> dict[int, Boxes] | None:
    """Return boxes by image id, None if a detector or the whole image gives them; raises EvaluationError."""
    if source in (WHOLE_IMAGE, DETECTOR):
        return None
    if source == GROUND_TRUTH:
        return truth_boxes(truth)
    if not Path(source).is_file():
        raise SettingsError(
            f'boxes must be {GROUND_TRUTH}, {WHOLE_IMAGE}, {DETECTOR} or a file of COCO detections, got {str(source)!r}'
        )
    return read_boxes(Path(source))
