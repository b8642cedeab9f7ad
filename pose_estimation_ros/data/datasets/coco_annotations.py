"""Reads and checks COCO keypoint annotations."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.files import read_json
from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.sample import boxes_of

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Person:
    """One annotated person who is not a crowd."""

    keypoints: FloatArray  # (K, 3)
    box: FloatArray  # (4,): x, y, width, height
    area: float
    segmentation: Any = None

    @property
    def labelled(self) -> int:
        """Number of labelled keypoints."""
        return int(np.count_nonzero(self.keypoints[:, 2]))

    @property
    def usable(self) -> bool:
        """Whether the person has a labelled keypoint and a box of positive width and height."""
        return self.labelled > 0 and bool(self.box[2:].min() > 0)


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    image_id: int | str
    path: Path
    hw: tuple[int, int] | None  # Height and width, None if the file lacks either
    people: tuple[Person, ...]  # In the order of the file
    crowds: tuple[Any, ...]  # COCO segmentations of crowds


def read_annotated_images(
    images: Path,
    annotations: Path,
    skeleton: Skeleton,
    image_ids: Collection[int | str] | None = None,
    everyone: bool = False,
) -> list[AnnotatedImage]:
    """Return all images of an annotation file, or those in `image_ids`.

    With `everyone`, people who are not usable are included, and segmentations are kept. Raises DatasetError if the file
    has no COCO keypoint annotations.
    """
    if not images.is_dir():
        raise DatasetError(f'{images} is not a folder; give the folder of the images, such as train2017')
    content = _read(annotations)
    known = {image['id']: image for image in content['images']}
    by_image = _by_image(content, known, annotations)
    chosen = list(known if image_ids is None else image_ids)
    if missing := [name for name in chosen if name not in known]:
        raise DatasetError(
            f'{annotations} has no image with id {missing[0]} ({len(missing)} of the {len(chosen)} image_ids are'
            ' unknown)'
        )
    entries = []
    for name in chosen:
        crowds, people = split_crowds(by_image[name], skeleton, str(annotations))
        if not everyone:  # segmentations take most of the memory
            people = [replace(person, segmentation=None) for person in people if person.usable]
        height, width = known[name].get('height'), known[name].get('width')
        hw = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        path = images / str(known[name]['file_name'])
        entries.append(AnnotatedImage(name, path, hw, tuple(people), tuple(crowds)))
    return entries


def split_crowds(
    annotations: Sequence[Mapping[str, Any]], skeleton: Skeleton, where: str
) -> tuple[list[Any], list[Person]]:
    """Return the segmentations of the crowds and the people of one image; raises DatasetError."""
    crowds = [each.get('segmentation') for each in annotations if each.get('iscrowd')]
    return crowds, [_person(each, skeleton, where) for each in annotations if not each.get('iscrowd')]


def people_arrays(people: Sequence[Person], skeleton: Skeleton) -> tuple[FloatArray, dict[str, Any]]:
    """Return keypoints (P, K, 3), and boxes (P, 4) and areas (P,) by name."""
    keypoints = np.array([person.keypoints for person in people]).reshape(-1, len(skeleton), 3)
    boxes = np.array([person.box for person in people]).reshape(-1, 4)
    return keypoints, {'boxes': boxes, 'areas': np.array([person.area for person in people])}


def painted_mask(image_hw: tuple[int, int], segmentations: Collection[Any], where: str) -> ByteArray:
    """Return (H, W): 0 within COCO segmentations (polygons or RLE, compressed or not), 1 elsewhere."""
    mask = np.ones(image_hw, np.uint8)
    for segmentation in filter(None, segmentations):
        mask[_decoded(segmentation, image_hw, where) > 0] = 0
    return mask


def _person(annotation: Mapping[str, Any], skeleton: Skeleton, where: str) -> Person:
    """Return keypoints and box, counted from the first pixel's centre, and area; raises DatasetError."""
    name = f'{where}: annotation {annotation.get("id", "without id")}'
    values = annotation.get('keypoints') or [0] * 3 * len(skeleton)
    flat = _numbers(values, f'{name}: keypoints').ravel()
    if flat.size != 3 * len(skeleton):
        raise DatasetError(
            f'{name}: keypoints must be {3 * len(skeleton)} numbers (x, y, flag of the {len(skeleton)} keypoints of'
            f' {skeleton.name}), got {flat.size}; was another skeleton annotated?'
        )
    keypoints = flat.reshape(-1, 3)
    if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
        raise DatasetError(f"{name}: keypoints must have COCO's flags 0, 1 and 2, got {keypoints[:, 2].tolist()}")
    has_box = 'bbox' in annotation
    box = _numbers(annotation['bbox'], f'{name}: bbox').ravel() if has_box else boxes_of(keypoints[None])[0]
    if box.size != 4 or not np.isfinite(box).all():
        raise DatasetError(f'{name}: bbox must be x, y, width, height, got {annotation["bbox"]}')
    area = float(_numbers(annotation.get('area', box[2] * box[3]), f'{name}: area'))
    keypoints = keypoints - np.where(keypoints[:, 2:] > 0, [PIXEL_CORNER, PIXEL_CORNER, 0], 0)
    return Person(keypoints, box - [PIXEL_CORNER, PIXEL_CORNER, 0, 0], max(0.0, area), annotation.get('segmentation'))


def _numbers(values: Any, name: str) -> FloatArray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DatasetError(f'{name} must be numbers, got {str(values)[:60]}') from error


def _decoded(segmentation: Any, image_hw: tuple[int, int], where: str) -> ByteArray:
    from pycocotools import mask as coder

    try:
        rle = segmentation
        if isinstance(segmentation, list) or isinstance(segmentation['counts'], list):
            rle = coder.frPyObjects(segmentation, *image_hw)
        decoded: ByteArray = coder.decode(coder.merge(rle) if isinstance(rle, list) else rle)
    except Exception as error:  # pycocotools raises no specific exception
        raise DatasetError(f'{where}: a segmentation is neither polygons nor RLE ({error})') from error
    if decoded.shape != image_hw:
        raise DatasetError(
            f'{where}: a segmentation is {decoded.shape[0]} rows by {decoded.shape[1]} columns, the image'
            f' {image_hw[0]} by {image_hw[1]}; do annotations and images belong together?'
        )
    return decoded


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path, DatasetError)
    for part, fields in (('images', ('id', 'file_name')), ('annotations', ('image_id',))):
        rows = content.get(part) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DatasetError(
                f"{path} holds no COCO annotations: expected an object with the lists 'images' and 'annotations'"
            )
        for row in rows:
            if missing := [field for field in fields if field not in row]:
                raise DatasetError(f"{path}: one of '{part}' has no '{missing[0]}': {str(row)[:100]}")
    if content['annotations'] and not any('keypoints' in row for row in content['annotations']):
        raise DatasetError(
            f"{path} holds annotations without 'keypoints'; COCO's keypoint files are called person_keypoints_*.json"
        )
    return content


def _by_image(content: Mapping[str, Any], known: Collection[Any], path: Path) -> dict[Any, list[Mapping[str, Any]]]:
    """Return the annotations of people by image id, with a warning about unknown images.

    People are the category person and those with keypoints; all annotations if there is no such category.
    """
    categories = [each for each in content.get('categories') or [] if isinstance(each, dict)]
    people = {each.get('id') for each in categories if each.get('name') == 'person' or each.get('keypoints')}
    listed = [row for row in content['annotations'] if not people or row.get('category_id') in people]
    by_image: dict[Any, list[Mapping[str, Any]]] = {identity: [] for identity in known}
    for row in listed:
        by_image.setdefault(row['image_id'], []).append(row)
    unknown = [row['image_id'] for row in listed if row['image_id'] not in known]
    if unknown and len(unknown) == len(listed):
        raise DatasetError(
            f"{path}: none of the {len(listed)} annotations refers to an image in 'images'; first image_id {unknown[0]}"
        )
    if unknown:
        LOG.warning(
            "%s: ignoring %d of %d annotations whose image is not in 'images' (first image_id %s)",
            *(path, len(unknown), len(listed), unknown[0]),
        )
    return by_image
