"""Datasets in COCO's format on disk, and the subsets of them that are scored."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.data.datasets.layout import find_annotations, some
from pose_estimation_ros.evaluation.ground_truth import read_truth


@dataclass(frozen=True, eq=False)
class Dataset:
    """COCO annotations and their file."""

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
        nameless = [image['id'] for image in images if not image.get('file_name')]
        if nameless:
            raise DatasetError(f'image {nameless[0]} of {self.path} has no file_name')
        files = [(image['id'], folder / image['file_name']) for image in images]
        missing = [path.name for _, path in files if not path.is_file()]
        if missing:
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
