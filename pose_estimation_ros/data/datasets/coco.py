"""Datasets in COCO's format."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.datasets.coco_annotations import (
    AnnotatedImage,
    Person,
    painted_mask,
    people_arrays,
    read_annotated_images,
)
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.layout import check_images


class CocoKeypoints(KeypointDataset):
    """One sample for each image of a folder and an annotation file such as person_keypoints_train2017.json.

    People are used if they have at least `min_keypoints` (1 or more) labelled ones and a box that is not flat. The mask
    is 0 in crowds, as in the preparation of Osokin (2018). Other people (in COCO most of the distant ones) are then
    trained as background; with `mask_people` they are masked as well, if they have a segmentation. `keep_empty` keeps
    images without people who are used; `image_ids` chooses images and their order. Raises DatasetError.
    """

    def __init__(
        self,
        images: str | Path,
        annotations: str | Path,
        *,
        min_keypoints: int = 1,
        keep_empty: bool = False,
        mask_people: bool = False,
        image_ids: Collection[int | str] | None = None,
        skeleton: Skeleton = COCO_17,
    ) -> None:
        self.skeleton = skeleton
        self._least, self._mask_people = max(1, min_keypoints), mask_people
        entries = read_annotated_images(Path(images), Path(annotations), skeleton, image_ids, everyone=mask_people)
        self.annotated_images = [each for each in entries if keep_empty or any(map(self._is_used, each.people))]
        _require_some(self.annotated_images, annotations, f'people with {self._least} or more keypoints')

    def __len__(self) -> int:
        return len(self.annotated_images)

    def load_sample(self, index: int) -> Loaded:
        """Return an image with its people; raises ImageError if it cannot be read."""
        entry = self.annotated_images[index]
        people = [person for person in entry.people if self._is_used(person)]
        others = [person for person in entry.people if not self._is_used(person)]
        return _load(entry, people, others if self._mask_people else [], self.skeleton)

    def check_files(self) -> None:
        """Raise DatasetError unless all image files exist."""
        check_images([entry.path for entry in self.annotated_images])

    def _is_used(self, person: Person) -> bool:
        return person.usable and person.labelled >= self._least


class CocoMainPersons(KeypointDataset):
    """One sample for each *main person*, who comes first in it: the preparation of Osokin (2018).

    In the order of the file, a main person has at least `min_keypoints` keypoints and `min_area` square pixels, and the
    distance of their box's centre to that of every earlier main person is at least `apart` times the longer side of
    that person's box. The published scaling and cropping use the first person. Other arguments as for CocoKeypoints.
    """

    def __init__(
        self,
        images: str | Path,
        annotations: str | Path,
        *,
        min_keypoints: int = 5,
        min_area: float = 32.0**2,
        apart: float = 0.3,
        image_ids: Collection[int | str] | None = None,
        skeleton: Skeleton = COCO_17,
    ) -> None:
        self.skeleton = skeleton
        self.annotated_images = read_annotated_images(Path(images), Path(annotations), skeleton, image_ids)
        self.entries = [
            (number, main)
            for number, entry in enumerate(self.annotated_images)
            for main in _main_persons(entry.people, min_keypoints, min_area, apart)
        ]  # Index of the image and index of the person of each sample
        _require_some(self.entries, annotations, f'people with {min_keypoints} or more keypoints and {min_area} pixels')

    def __len__(self) -> int:
        return len(self.entries)

    def load_sample(self, index: int) -> Loaded:
        """Return an image with a main person before the others; raises ImageError if it cannot be read."""
        number, main = self.entries[index]
        people = self.annotated_images[number].people
        others = [person for index, person in enumerate(people) if index != main and person.usable]
        return _load(self.annotated_images[number], [people[main], *others], [], self.skeleton)

    def check_files(self) -> None:
        """Raise DatasetError unless all image files exist."""
        check_images([self.annotated_images[number].path for number in sorted({number for number, _ in self.entries})])


def coco_persons(images: str | Path, annotations: str | Path, skeleton: Skeleton = COCO_17) -> CocoMainPersons:
    """Return a dataset with one sample for every person with a labelled keypoint, as top-down networks train on."""
    return CocoMainPersons(images, annotations, min_keypoints=1, min_area=0, apart=0, skeleton=skeleton)


def _main_persons(people: Sequence[Person], min_keypoints: int, min_area: float, apart: float) -> list[int]:
    """Return the indices of the main persons."""
    main: list[int] = []
    centres = [person.box[:2] + person.box[2:] / 2 for person in people]
    for index, person in enumerate(people):
        if person.labelled < min_keypoints or person.area < min_area or not person.usable:
            continue
        distances = [np.hypot(*(centres[index] - centres[other])) for other in main]
        if all(far >= apart * people[other].box[2:].max() for far, other in zip(distances, main, strict=True)):
            main.append(index)
    return main


def _load(entry: AnnotatedImage, people: Sequence[Person], masked: Sequence[Person], skeleton: Skeleton) -> Loaded:
    """Return the tuple of `load_sample`; raises DatasetError if the image's size is not that of its annotations."""
    image = read_image(entry.path)
    height, width = image.shape[:2]
    if entry.hw not in (None, (height, width)):
        raise DatasetError(
            f'{entry.path} is {width}x{height}, its annotations are for {entry.hw[1]}x{entry.hw[0]};'
            ' do annotations and images belong together?'
        )
    mask = painted_mask((height, width), [*entry.crowds, *(person.segmentation for person in masked)], str(entry.path))
    keypoints, extras = people_arrays(people, skeleton)
    return image, mask, keypoints, {'image_id': entry.image_id, 'path': str(entry.path), **extras}


def _require_some(found: Sequence[Any], annotations: str | Path, what: str) -> None:
    if not found:
        raise DatasetError(f'{annotations} has no {what}, so there is nothing to train on')
