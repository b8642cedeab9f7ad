#!/usr/bin/env python3
"""Make datasets of large frames with small people, to measure high-resolution pose estimation on.

    PYTHONPATH=. python scripts/make_large_frames.py --coco DIR --output DIR [KIND...]

Each KIND becomes a folder of COCO's form below the output, ready for `evaluate --dataset OUTPUT/KIND`.

Keypoints, boxes and areas are in COCO's coordinates, which count from the corner of the top-left pixel, so that an
image enlarged by s and moved by m takes x to s * x + m. Segmentations are left out: they play no part in scoring.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import DatasetError, OutputError, PoseEstimationError
from pose_estimation_ros.core.files import atomic_write, make_folder, write_json
from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.data.datasets.layout import find_images
from pose_estimation_ros.evaluation.scored_images import Dataset
from pose_estimation_ros.synthetic import SceneSettings, generate_image

Annotation = dict[str, Any]

CELL_WH = (640, 540)
GRID = (2, 3)
"""Rows and columns of cells in a mosaic."""
GREY = 128
SPARSE_PEOPLE = (1, 3)
LEAST_KEYPOINTS = 8
"""Minimum number of keypoints of people in sparse frames, so that nobody is visible only in part."""
SYNTHETIC_HEIGHT = (0.12, 0.45)
"""Range of the height of people in synthetic sparse frames, relative to the frame's height."""


@dataclass(frozen=True, eq=False)
class LargeFrame:
    """An image and the people in it, COCO annotations without ids."""

    image: ByteArray
    people: list[Annotation]


@dataclass(frozen=True, eq=False)
class Photographs:
    """COCO keypoint annotations and the folder of their images."""

    truth: Mapping[str, Any]
    folder: Path

    def people(self) -> dict[int, list[Annotation]]:
        """Return the annotations of every image, [] for those that show nobody."""
        by_image: dict[int, list[Annotation]] = {image['id']: [] for image in self.truth['images']}
        for annotation in self.truth['annotations']:
            by_image[annotation['image_id']].append(annotation)
        return by_image

    def read(self, image_id: int) -> ByteArray:
        """Return an image; raises DatasetError where it is missing."""
        name = next(image['file_name'] for image in self.truth['images'] if image['id'] == image_id)
        path = self.folder / name
        if not path.is_file():
            raise DatasetError(f'{path} is missing; pass the folder of the annotated images')
        return read_image(path)


def mosaics(photographs: Photographs) -> Iterator[LargeFrame]:
    """Yield frames of six images each, in the file's order; those too large for a cell are scaled down."""
    rows, columns = GRID
    people = photographs.people()
    ids = list(people)
    width, height = CELL_WH
    for start in range(0, len(ids) - rows * columns + 1, rows * columns):
        frame = LargeFrame(np.full((rows * height, columns * width, 3), GREY, np.uint8), [])
        for cell, image_id in enumerate(ids[start : start + rows * columns]):
            image = photographs.read(image_id)
            scale = min(1.0, width / image.shape[1], height / image.shape[0])
            corner = (cell % columns * width, cell // columns * height)
            _paste(frame, image, people[image_id], scale, corner, CELL_WH)
        yield frame


def enlarged(photographs: Photographs, rows: int) -> Iterator[LargeFrame]:
    """Yield every image that shows people, scaled to so many rows."""
    for image_id, people in photographs.people().items():
        if people:
            image = photographs.read(image_id)
            scale = rows / image.shape[0]
            size = (round(image.shape[1] * scale), rows)
            frame = LargeFrame(np.empty((rows, size[0], 3), np.uint8), [])
            _paste(frame, image, people, scale, (0, 0), size)
            yield frame


def sparse(photographs: Photographs, rows: int, count: int, seed: int = 0) -> Iterator[LargeFrame]:
    """Yield frames of 16:9 with one to three people: photographs in large empty ones, and synthetic people, in turn.

    A photograph is shown at its own size or, in frames above 1080 rows, at up to so many times that size more.
    """
    rng = np.random.default_rng([seed, rows])
    by_image = photographs.people()
    shown = [image_id for image_id, people in by_image.items() if _is_sparse(people)]
    empty = [image_id for image_id, people in by_image.items() if not people]
    if not shown or not empty:
        raise DatasetError(
            'sparse frames need photographs of one to three people, and others of nobody; '
            f'got {len(shown)} and {len(empty)}'
        )
    shown = [shown[place] for place in rng.permutation(len(shown))]
    for number in range(count):
        if number % 2:
            yield _synthetic(seed + number, rows)
        else:
            chosen = shown[number // 2 % len(shown)]
            background = photographs.read(empty[int(rng.integers(len(empty)))])
            yield _in_front_of(background, photographs.read(chosen), by_image[chosen], rows, rng)


def _is_sparse(people: Sequence[Annotation]) -> bool:
    low, high = SPARSE_PEOPLE
    return low <= len(people) <= high and all(
        not person.get('iscrowd') and person.get('num_keypoints', 0) >= LEAST_KEYPOINTS for person in people
    )


def _in_front_of(
    background: ByteArray, image: ByteArray, people: Sequence[Annotation], rows: int, rng: np.random.Generator
) -> LargeFrame:
    """Return a frame filled with one image that has another somewhere in it."""
    width = rows * 16 // 9
    scale = max(rows / background.shape[0], width / background.shape[1])
    covering = cv2.resize(background, (0, 0), fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    top, left = (covering.shape[0] - rows) // 2, (covering.shape[1] - width) // 2
    frame = LargeFrame(np.ascontiguousarray(covering[top : top + rows, left : left + width], np.uint8), [])
    scale = float(rng.uniform(1.0, max(1.0, rows / 1080)))
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    corner = (int(rng.integers(width - size[0] + 1)), int(rng.integers(rows - size[1] + 1)))
    _paste(frame, image, people, scale, corner, size)
    return frame


def _synthetic(seed: int, rows: int) -> LargeFrame:
    scene = SceneSettings(rows * 16 // 9, rows, SPARSE_PEOPLE, SYNTHETIC_HEIGHT)
    drawn = generate_image(seed, scene)
    return LargeFrame(drawn.image, [_without_segmentation(person) for person in drawn.to_coco(0, 0)])


def _paste(
    frame: LargeFrame,
    image: ByteArray,
    people: Sequence[Annotation],
    scale: float,
    corner: tuple[int, int],
    room: tuple[int, int],
) -> None:
    """Lay an image, scaled, in the middle of a room (width, height) at a corner (x, y) of a frame."""
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    scaled = image if scale == 1 else cv2.resize(image, size, interpolation=interpolation)
    x, y = (at + (space - side) // 2 for at, space, side in zip(corner, room, size, strict=True))
    frame.image[y : y + size[1], x : x + size[0]] = scaled
    frame.people.extend(_moved(person, scale, (x, y)) for person in people)


def _moved(person: Annotation, scale: float, corner: tuple[int, int]) -> Annotation:
    keypoints = np.array(person['keypoints'], float).reshape(-1, 3)
    labelled = keypoints[:, 2] > 0
    keypoints[labelled, :2] = keypoints[labelled, :2] * scale + corner
    x, y, width, height = person['bbox']
    return {
        **_without_segmentation(person),
        'keypoints': keypoints.round(2).ravel().tolist(),
        'bbox': [x * scale + corner[0], y * scale + corner[1], width * scale, height * scale],
        'area': person['area'] * scale * scale,
    }


def _without_segmentation(person: Mapping[str, Any]) -> Annotation:
    return {name: value for name, value in person.items() if name not in ('segmentation', 'id', 'image_id')}


def as_coco(names_and_frames: Iterator[tuple[str, LargeFrame]], write: Callable[[str, ByteArray], None]) -> Annotation:
    """Return the annotations of frames by file name, each of which is passed to `write` and forgotten."""
    images: list[Annotation] = []
    annotations: list[Annotation] = []
    for number, (name, frame) in enumerate(names_and_frames, start=1):
        write(name, frame.image)
        height, width = frame.image.shape[:2]
        images.append({'id': number, 'file_name': name, 'width': width, 'height': height})
        for person in frame.people:
            annotations.append({**person, 'id': len(annotations) + 1, 'image_id': number})
    return {'images': images, 'annotations': annotations, 'categories': [PERSON]}


PERSON = {'id': 1, 'name': 'person', 'supercategory': 'person'}


IMAGES, ANNOTATIONS = 'val2017', 'person_keypoints_val2017.json'
KINDS: dict[str, Callable[[Photographs, int], Iterator[LargeFrame]]] = {
    'mosaics_1080': lambda photographs, count: mosaics(photographs),
    'sparse_1080': lambda photographs, count: sparse(photographs, 1080, count),
    'sparse_2160': lambda photographs, count: sparse(photographs, 2160, count),
    'enlarged_1080': lambda photographs, count: enlarged(photographs, 1080),
}


def make(kind: str, photographs: Photographs, folder: Path, count: int) -> None:
    """Write one dataset; its annotations come last, so that what has them is whole."""
    images_folder = make_folder(folder / IMAGES)

    def write(name: str, image: ByteArray) -> None:
        with atomic_write(images_folder / name) as temporary:
            if not cv2.imwrite(str(temporary), image, [cv2.IMWRITE_JPEG_QUALITY, 95]):
                raise OutputError(f'cannot write {images_folder / name}')

    frames = tqdm(KINDS[kind](photographs, count), desc=kind, unit='frame', leave=False)
    truth = as_coco(((f'{number:06d}.jpg', frame) for number, frame in enumerate(frames, start=1)), write)
    write_json(folder / 'annotations' / ANNOTATIONS, truth)
    people = sum(person['num_keypoints'] > 0 for person in truth['annotations'])
    print(f'{folder}: {counted(len(truth["images"]), "frame")}, {counted(people, "person", "people")} with keypoints')


def main() -> int:
    """Make the requested data sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'kinds', nargs='*', metavar='KIND', help=f'Data sets to make, of {", ".join(KINDS)}; default: all.'
    )
    parser.add_argument('--coco', type=Path, required=True, metavar='DIR', help='Folder of a data set in COCO layout.')
    parser.add_argument('--images-folder', default='val2017', metavar='NAME', help='Its image folder.')
    parser.add_argument('--annotations', default=ANNOTATIONS, metavar='NAME', help='Its annotations.')
    parser.add_argument('--output', type=Path, required=True, metavar='DIR', help='Output folder.')
    parser.add_argument('--count', type=int, default=40, metavar='N', help='Number of sparse frames per size.')
    settings = parser.parse_args()
    unknown = [kind for kind in settings.kinds if kind not in KINDS]
    if unknown:
        parser.error(f'KIND must be one of {", ".join(KINDS)}, got {unknown[0]!r}')
    if settings.count < 1:
        parser.error(f'--count must be 1 or more, got {settings.count}')
    try:
        truth = Dataset.open(settings.coco, settings.annotations).truth
        photographs = Photographs(truth, find_images(settings.coco, settings.images_folder))
        for kind in settings.kinds or KINDS:
            make(kind, photographs, settings.output / kind, settings.count)
    except PoseEstimationError as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
