"""MPII Human Pose (Andriluka et al., CVPR 2014) in the JSON form that top-down methods share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.files import read_json
from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.skeleton import MPII_16
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.layout import check_images
from pose_estimation_ros.data.datasets.matlab import read_arrays
from pose_estimation_ros.data.sample import NOT_LABELLED, VISIBLE

UNIT = 200  # Pixels of one unit of MPII's `scale`
FIRST_PIXEL = 1  # MPII counts pixels from 1
DOWN = 15  # Distance of the published crop's centre below the annotated one, in pixels at scale 1


@dataclass(frozen=True, eq=False)
class MpiiPerson:
    image: str
    keypoints: FloatArray  # (16, 3) x, y and COCO's flag
    box: FloatArray  # (4,) the square around the person that is cropped


class MpiiPersons(KeypointDataset):
    """One sample for each annotated person of a folder of images and a file such as train.json or valid.json.

    The file is a list of people with `image`, `center`, `scale`, `joints` (16 pairs) and `joints_vis`. MPII does not
    distinguish hidden keypoints; annotated ones count as visible. A sample has no other people. Raises DatasetError.
    """

    skeleton = MPII_16

    def __init__(self, images: str | Path, annotations: str | Path) -> None:
        self.images, self.path = Path(images), Path(annotations)
        if not self.images.is_dir():
            raise DatasetError(f"{images} is not a folder; give the folder of MPII's images")
        content = read_json(self.path, DatasetError)
        if not isinstance(content, list):
            raise DatasetError(
                f'{annotations} must be a list of people, got {type(content).__name__}; give train.json or valid.json'
            )
        self.people = [_person(each, f'person {index} of {annotations}') for index, each in enumerate(content)]
        if not self.people:
            raise DatasetError(f'{annotations} has no people')

    def __len__(self) -> int:
        return len(self.people)

    def load_sample(self, index: int) -> Loaded:
        person = self.people[index]
        path = self.images / person.image
        extras = {'image_id': index, 'path': str(path), 'boxes': person.box[None]}
        return read_image(path), None, person.keypoints[None], extras

    def check_files(self) -> None:
        check_images(sorted({self.images / person.image for person in self.people}))


@dataclass(frozen=True, eq=False)
class MpiiTruth:
    """Ground truth of PCKh, in this package's pixels."""

    keypoints: FloatArray  # (N, 16, 2)
    visible: FloatArray  # (N, 16) 1 for keypoints that are scored
    head_boxes: FloatArray  # (N, 4) x and y of two opposite corners


def read_truth(path: Path) -> MpiiTruth:
    """Read the published gt_valid.mat, with people in the order of valid.json; raises DatasetError."""
    arrays = read_arrays(path)
    names = 'headboxes_src', 'jnt_missing', 'pos_gt_src'
    if missing := [name for name in names if name not in arrays]:
        raise DatasetError(f'{path} lacks {", ".join(missing)}; give the published gt_valid.mat of MPII')
    heads, absent, positions = (arrays[name] for name in names)
    people, kinds = absent.shape[-1], len(MPII_16)
    if heads.shape != (2, 2, people) or absent.shape != (kinds, people) or positions.shape != (kinds, 2, people):
        raise DatasetError(
            f'{path}: expected headboxes_src (2, 2, N), jnt_missing (16, N) and pos_gt_src (16, 2, N), got'
            f' {heads.shape}, {absent.shape} and {positions.shape}'
        )
    return MpiiTruth(
        positions.transpose(2, 0, 1) - FIRST_PIXEL, 1 - absent.T, heads.transpose(2, 0, 1).reshape(-1, 4) - FIRST_PIXEL
    )


def _person(entry: Any, where: str) -> MpiiPerson:
    try:
        xy = np.array(entry['joints'], dtype=float).reshape(len(MPII_16), 2) - FIRST_PIXEL
        seen = np.array(entry['joints_vis'], dtype=float).reshape(len(MPII_16)) > 0
        scale = float(entry['scale'])
        centre = np.array(entry['center'], dtype=float).reshape(2) - FIRST_PIXEL + [0, DOWN * scale]
        name = str(entry['image'])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f'{where} must have image, center, scale, 16 joints and joints_vis; {type(error).__name__}: {error}'
        ) from error
    if not scale > 0:
        raise DatasetError(f'{where}: scale must be above 0, got {scale}')
    side = scale * UNIT
    keypoints = np.column_stack([np.where(seen[:, None], xy, 0), np.where(seen, VISIBLE, NOT_LABELLED)])
    return MpiiPerson(name, keypoints, np.array([*(centre - side / 2), side, side]))
