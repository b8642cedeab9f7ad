#!/usr/bin/env python3
"""Make datasets of large frames with small people, to measure high-resolution pose estimation on.

    PYTHONPATH=. python scripts/make_large_frames.py --coco DIR --output DIR [KIND...]

Each KIND becomes a folder of COCO's form below the output, ready for `evaluate --dataset OUTPUT/KIND`.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
from tqdm import tqdm

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import OutputError, PoseEstimationError
from pose_estimation_ros.core.files import make_folder, write_json, written_whole
from pose_estimation_ros.core.words import counted
from pose_estimation_ros.data.datasets.places import find_images
from pose_estimation_ros.evaluation.dataset import Dataset
from pose_estimation_ros.fetching.large_frames import (
    LargeFrame,
    Photographs,
    as_coco,
    enlarged,
    mosaics,
    sparse,
)

IMAGES, ANNOTATIONS = 'val2017', 'person_keypoints_val2017.json'
KINDS: dict[str, Callable[[Photographs, int], Iterator[LargeFrame]]] = {
    'mosaics_1080': lambda photographs, count: mosaics(photographs),
    'sparse_1080': lambda photographs, count: sparse(photographs, 1080, count),
    'sparse_2160': lambda photographs, count: sparse(photographs, 2160, count),
    'enlarged_1080': lambda photographs, count: enlarged(photographs, 1080),
}


def make(kind: str, photographs: Photographs, folder: Path, count: int) -> None:
    """Write one dataset; its annotations come last, so that what has them is whole."""
    pictures = make_folder(folder / IMAGES)

    def write(name: str, image: ByteArray) -> None:
        with written_whole(pictures / name) as temporary:
            if not cv2.imwrite(str(temporary), image, [cv2.IMWRITE_JPEG_QUALITY, 95]):
                raise OutputError(f'cannot write {pictures / name}')

    frames = tqdm(KINDS[kind](photographs, count), desc=kind, unit='frame', leave=False)
    truth = as_coco(((f'{number:06d}.jpg', frame) for number, frame in enumerate(frames, start=1)), write)
    write_json(folder / 'annotations' / ANNOTATIONS, truth)
    people = sum(person['num_keypoints'] > 0 for person in truth['annotations'])
    print(f'{folder}: {counted(len(truth["images"]), "frame")}, {counted(people, "person", "people")} with keypoints')


def main() -> int:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('kinds', nargs='*', metavar='KIND', help=f'Some of {", ".join(KINDS)}; all if not given.')
    parser.add_argument('--coco', type=Path, required=True, metavar='DIR', help='Folder of a dataset like COCO.')
    parser.add_argument('--images-folder', default='val2017', metavar='NAME', help='Folder of pictures in it.')
    parser.add_argument('--annotations', default=ANNOTATIONS, metavar='NAME', help='Annotations in it.')
    parser.add_argument('--output', type=Path, required=True, metavar='DIR', help='Folder for the datasets.')
    parser.add_argument('--count', type=int, default=40, metavar='N', help='Sparse frames of each size.')
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
