"""Datasets in COCO's format."""

from collections.abc import Collection, Sequence
from pathlib import Path

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


class _CocoDataset(KeypointDataset):
    """Base of datasets whose entries are an image, the people used in it in order, and people to mask."""

    def __init__(
        self, entries: list[tuple[AnnotatedImage, list[Person], list[Person]]], skeleton: Skeleton, missing: str
    ) -> None:
        if not entries:
            raise DatasetError(f'{missing}, so there is nothing to train on')
        self.entries, self.skeleton = entries, skeleton

    def __len__(self) -> int:
        return len(self.entries)

    def load_sample(self, index: int) -> Loaded:
        image, people, masked = self.entries[index]
        pixels = read_image(image.path)
        height, width = pixels.shape[:2]
        if image.hw not in (None, (height, width)):
            raise DatasetError(
                f'{image.path} is {width}x{height}, its annotations are for {image.hw[1]}x{image.hw[0]};'
                ' do annotations and images belong together?'
            )
        ignored = [*image.crowds, *(person.segmentation for person in masked)]
        keypoints, extras = people_arrays(people, self.skeleton)
        extras |= {'image_id': image.image_id, 'path': str(image.path)}
        return pixels, painted_mask((height, width), ignored, str(image.path)), keypoints, extras

    def check_files(self) -> None:
        """Raise DatasetError unless all image files exist."""
        check_images(list(dict.fromkeys(image.path for image, _, _ in self.entries)))


class CocoKeypoints(_CocoDataset):
    """One sample for each image of a folder and an annotation file such as person_keypoints_train2017.json.

    People are used if they have at least `min_keypoints` (1 or more) labelled ones and a box that is not flat. The mask
    is 0 in crowds, as in the preparation of Osokin (2018). Other people (in COCO most of the distant ones) are then
    trained as background; with `mask_people` they are masked as well, if they have a segmentation. `keep_empty` keeps
    images without people who are used, `keep_annotated` those of them that have an annotation; `image_ids` chooses
    images and their order. Raises DatasetError.
    """

    def __init__(
        self,
        images: str | Path,
        annotations: str | Path,
        *,
        min_keypoints: int = 1,
        keep_empty: bool = False,
        keep_annotated: bool = False,
        mask_people: bool = False,
        image_ids: Collection[int | str] | None = None,
        skeleton: Skeleton = COCO_17,
    ) -> None:
        least = max(1, min_keypoints)
        entries = []
        for image in read_annotated_images(Path(images), Path(annotations), skeleton, image_ids, mask_people):
            used = [person for person in image.people if person.usable and person.labelled >= least]
            others = [person for person in image.people if not (person.usable and person.labelled >= least)]
            if used or keep_empty or (keep_annotated and (image.people or image.crowds)):
                entries.append((image, used, others if mask_people else []))
        super().__init__(entries, skeleton, f'{annotations} has no people with {least} or more keypoints')


def coco_annotated(images: str | Path, annotations: str | Path, skeleton: Skeleton = COCO_17) -> CocoKeypoints:
    """Return one sample for each image with an annotation of a person, crowds and people without keypoints masked.

    This is the preparation of Cheng et al. (2020).
    """
    return CocoKeypoints(images, annotations, keep_annotated=True, mask_people=True, skeleton=skeleton)


class CocoMainPersons(_CocoDataset):
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
        entries: list[tuple[AnnotatedImage, list[Person], list[Person]]] = []
        for image in read_annotated_images(Path(images), Path(annotations), skeleton, image_ids):
            for main in _main_persons(image.people, min_keypoints, min_area, apart):
                others = [person for person in image.people if person is not main and person.usable]
                entries.append((image, [main, *others], []))
        needed = f'{annotations} has no people with {min_keypoints} or more keypoints and {min_area} pixels'
        super().__init__(entries, skeleton, needed)


def coco_persons(images: str | Path, annotations: str | Path, skeleton: Skeleton = COCO_17) -> CocoMainPersons:
    """Return a dataset with one sample for every person with a labelled keypoint, as top-down networks train on."""
    return CocoMainPersons(images, annotations, min_keypoints=1, min_area=0, apart=0, skeleton=skeleton)


def _main_persons(people: Sequence[Person], min_keypoints: int, min_area: float, apart: float) -> list[Person]:
    main: list[Person] = []
    for person in people:
        if person.labelled < min_keypoints or person.area < min_area or not person.usable:
            continue
        centre = person.box[:2] + person.box[2:] / 2
        distances = [np.hypot(*(centre - other.box[:2] - other.box[2:] / 2)) for other in main]
        if all(far >= apart * other.box[2:].max() for far, other in zip(distances, main, strict=True)):
            main.append(person)
    return main
