"""Datasets in COCO's format."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.skeleton import COCO_17, Skeleton
from pose_estimation_ros.data.datasets.coco_annotations import Person, Picture, painted_mask, read_pictures
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded


class CocoKeypoints(KeypointDataset):
    """One sample a picture, of a folder of pictures and an annotation file.

    People count who have at least `min_keypoints` labelled joints and a box that is not flat. The mask is 0 in crowds,
    as the published preparation of Lightweight OpenPose has it. People who do not count (in COCO most of the far ones)
    are then taught as background; with `mask_people` they are masked as well.

    Args:
        images: Folder of the pictures.
        annotations: Such as person_keypoints_train2017.json.
        min_keypoints: At least 1.
        keep_empty: Keep pictures without people who count.
        mask_people: Mask people who do not count, where they have a segmentation.
        image_ids: Only these pictures, in this order.
        skeleton: Of the annotations.

    Raises:
        DatasetError: Folder or file are missing, or the file is not what it should be.

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
        pictures = read_pictures(Path(images), Path(annotations), skeleton, image_ids, everyone=mask_people)
        self.pictures = [each for each in pictures if keep_empty or any(map(self._is_counted, each.people))]
        _require_some(self.pictures, annotations, f'people with {self._least} or more keypoints')

    def __len__(self) -> int:
        return len(self.pictures)

    def load_sample(self, index: int) -> Loaded:
        """Return a picture with its people; raises ImageError where it cannot be read."""
        picture = self.pictures[index]
        people = [person for person in picture.people if self._is_counted(person)]
        others = [person for person in picture.people if not self._is_counted(person)]
        return load_picture(picture, people, others if self._mask_people else [], self.skeleton)

    def check_files(self) -> None:
        """Raise DatasetError unless all pictures are there; they are not opened."""
        check_files(self.pictures)

    def _is_counted(self, person: Person) -> bool:
        return person.counts and person.labelled >= self._least


class CocoMainPersons(KeypointDataset):
    """One sample a *main person*, who comes first in it: the published preparation of Lightweight OpenPose.

    Main is, in the file's order, who has at least `min_keypoints` joints and `min_area` square pixels, and whose box's
    centre is no nearer to that of a main person before than `apart` times the greater side of that one's box.
    The published scaling and cropping go by the first person. The other arguments are those of CocoKeypoints.
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
        self.pictures = read_pictures(Path(images), Path(annotations), skeleton, image_ids)
        self.entries = [
            (number, main)
            for number, picture in enumerate(self.pictures)
            for main in main_persons(picture.people, min_keypoints, min_area, apart)
        ]
        """Picture and person of each sample."""
        _require_some(self.entries, annotations, f'people with {min_keypoints} or more keypoints and {min_area} pixels')

    def __len__(self) -> int:
        return len(self.entries)

    def load_sample(self, index: int) -> Loaded:
        """Return a main person and, after them, the others; raises ImageError where the picture cannot be read."""
        number, main = self.entries[index]
        people = self.pictures[number].people
        others = [person for place, person in enumerate(people) if place != main and person.counts]
        return load_picture(self.pictures[number], [people[main], *others], [], self.skeleton)

    def check_files(self) -> None:
        """Raise DatasetError unless all pictures are there; they are not opened."""
        check_files([self.pictures[number] for number in sorted({number for number, _ in self.entries})])


def coco_persons(images: str | Path, annotations: str | Path, skeleton: Skeleton = COCO_17) -> CocoMainPersons:
    """Return one sample for everybody with a labelled joint, who comes first in it: what SimpleBaselines trains on."""
    return CocoMainPersons(images, annotations, min_keypoints=1, min_area=0, apart=0, skeleton=skeleton)


def main_persons(people: Sequence[Person], min_keypoints: int, min_area: float, apart: float) -> list[int]:
    """Return the places of those people that get a training sample of their own."""
    taken: list[int] = []
    for place, person in enumerate(people):
        if person.labelled < min_keypoints or person.area < min_area or not person.counts:
            continue
        if all(_distance(person, people[other]) >= apart * people[other].box[2:].max() for other in taken):
            taken.append(place)
    return taken


def load_picture(picture: Picture, people: Sequence[Person], masked: Sequence[Person], skeleton: Skeleton) -> Loaded:
    """Return what `load_sample` gives of a picture; raises DatasetError where it is not as the annotations say."""
    image = read_image(picture.path)
    height, width = image.shape[:2]
    if picture.hw not in (None, (height, width)):
        raise DatasetError(
            f'{picture.path} is {width}x{height}, its annotations are for {picture.hw[1]}x{picture.hw[0]};'
            ' do annotations and pictures belong together?'
        )
    ignored = [*picture.crowds, *(person.segmentation for person in masked)]
    extras: dict[str, Any] = {
        'image_id': picture.image_id,
        'path': str(picture.path),
        'boxes': np.array([person.box for person in people]).reshape(-1, 4),
        'areas': np.array([person.area for person in people]),
    }
    joints = np.array([person.joints for person in people]).reshape(-1, len(skeleton), 3)
    return image, painted_mask((height, width), ignored, str(picture.path)), joints, extras


def check_files(pictures: Sequence[Picture]) -> None:
    """Raise DatasetError unless all pictures are there; they are not opened."""
    missing = [picture.path for picture in pictures if not picture.path.is_file()]
    if missing:
        raise DatasetError(
            f'{len(missing)} of {len(pictures)} pictures are missing, first {missing[0]};'
            ' check the folder of pictures, or download them again'
        )


def _distance(person: Person, other: Person) -> float:
    return float(np.hypot(*(person.box[:2] + person.box[2:] / 2 - other.box[:2] - other.box[2:] / 2)))


def _require_some(found: Sequence[Any], annotations: str | Path, what: str) -> None:
    if not found:
        raise DatasetError(f'{annotations} has no {what}, so there is no picture to give')
