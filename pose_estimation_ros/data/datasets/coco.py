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
    read_annotated_images,
)
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded


class CocoKeypoints(KeypointDataset):
    """One sample for each image of a folder and an annotation file.

    People are used if they have at least `min_keypoints` labelled ones and a box that is not flat. The mask is 0 in
    crowds, as in the preparation of Osokin (2018). Other people (in COCO most of the distant ones) are
    then trained as background; with `mask_people` they are masked as well.

    Args:
        images: Folder of the images.
        annotations: Such as person_keypoints_train2017.json.
        min_keypoints: At least 1.
        keep_empty: Keep images without people who are used.
        mask_people: Mask people who are not used, if they have a segmentation.
        image_ids: Use only these images, in this order.
        skeleton: Of the annotations.

    Raises:
        DatasetError: The folder or file is missing, or the file is invalid.

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
        return load_annotated(entry, people, others if self._mask_people else [], self.skeleton)

    def check_files(self) -> None:
        """Raise DatasetError unless all image files exist."""
        check_files(self.annotated_images)

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
            for main in main_persons(entry.people, min_keypoints, min_area, apart)
        ]
        """Index of the image and index of the person of each sample."""
        _require_some(self.entries, annotations, f'people with {min_keypoints} or more keypoints and {min_area} pixels')

    def __len__(self) -> int:
        return len(self.entries)

    def load_sample(self, index: int) -> Loaded:
        """Return an image with a main person before the others; raises ImageError if it cannot be read."""
        number, main = self.entries[index]
        people = self.annotated_images[number].people
        others = [person for index, person in enumerate(people) if index != main and person.usable]
        return load_annotated(self.annotated_images[number], [people[main], *others], [], self.skeleton)

    def check_files(self) -> None:
        """Raise DatasetError unless all image files exist."""
        check_files([self.annotated_images[number] for number in sorted({number for number, _ in self.entries})])


def coco_persons(images: str | Path, annotations: str | Path, skeleton: Skeleton = COCO_17) -> CocoMainPersons:
    """Return a dataset with one sample for every person with a labelled keypoint, as top-down networks train on."""
    return CocoMainPersons(images, annotations, min_keypoints=1, min_area=0, apart=0, skeleton=skeleton)


def main_persons(people: Sequence[Person], min_keypoints: int, min_area: float, apart: float) -> list[int]:
    """Return the indices of the main persons."""
    taken: list[int] = []
    for index, person in enumerate(people):
        if person.labelled < min_keypoints or person.area < min_area or not person.usable:
            continue
        if all(_distance(person, people[other]) >= apart * people[other].box[2:].max() for other in taken):
            taken.append(index)
    return taken


def load_annotated(
    entry: AnnotatedImage, people: Sequence[Person], masked: Sequence[Person], skeleton: Skeleton
) -> Loaded:
    """Return the tuple of `load_sample`; raises DatasetError if the image's size is not that of its annotations."""
    image = read_image(entry.path)
    height, width = image.shape[:2]
    if entry.hw not in (None, (height, width)):
        raise DatasetError(
            f'{entry.path} is {width}x{height}, its annotations are for {entry.hw[1]}x{entry.hw[0]};'
            ' do annotations and images belong together?'
        )
    ignored = [*entry.crowds, *(person.segmentation for person in masked)]
    extras: dict[str, Any] = {
        'image_id': entry.image_id,
        'path': str(entry.path),
        'boxes': np.array([person.box for person in people]).reshape(-1, 4),
        'areas': np.array([person.area for person in people]),
    }
    keypoints = np.array([person.keypoints for person in people]).reshape(-1, len(skeleton), 3)
    return image, painted_mask((height, width), ignored, str(entry.path)), keypoints, extras


def check_files(images: Sequence[AnnotatedImage]) -> None:
    """Raise DatasetError unless all image files exist."""
    missing = [entry.path for entry in images if not entry.path.is_file()]
    if missing:
        raise DatasetError(
            f'{len(missing)} of {len(images)} images are missing, first {missing[0]};'
            ' check the folder of images, or download them again'
        )


def _distance(person: Person, other: Person) -> float:
    return float(np.hypot(*(person.box[:2] + person.box[2:] / 2 - other.box[:2] - other.box[2:] / 2)))


def _require_some(found: Sequence[Any], annotations: str | Path, what: str) -> None:
    if not found:
        raise DatasetError(f'{annotations} has no {what}, so there is nothing to train on')
