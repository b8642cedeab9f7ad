"""Leeds Sports Pose Extended (Johnson and Everingham, CVPR 2011): 10,000 images of people at sports."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, FloatArray
from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.core.image import decode_image
from pose_estimation_ros.core.skeleton import LEEDS_14
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.matlab import read_arrays
from pose_estimation_ros.data.sample import NOT_LABELLED, VISIBLE, boxes_of

MARGIN = 0.25  # Margin of a person around the box of the keypoints, as a share of the box's longer side
IMAGES = ('images.zip', 'lspet_dataset.zip')
JOINTS = ('joints.npz', 'joints.mat')  # Accepted file names
PARTS = ('shoulder', 'hip')
WIDTHS = (0.2, 0.1)  # Minimum distance between left and right shoulder and hip for a back view, in lengths of the torso


class LeedsSportsExtended(KeypointDataset):
    """A folder with the archive of images, which is not unpacked, and the keypoints.

    The archive is lspet_dataset.zip as published, or images.zip; keypoints are joints.mat from the published archive
    (`joints` (14, 3, N): x, y, visible), or joints.npz (the same as (N, 14, 3)).

    Labels are crowd-sourced and noisy. Keypoints marked invisible or outside the image count as not labelled.
    Only one person per image is annotated. With others='mask' (the default) the loss is limited to the surroundings of
    that person, since spectators and opponents would otherwise be trained as background; with 'keep' it is not. With
    `from_behind` only images are used in which the labels show the person's back. Raises DatasetError.
    """

    skeleton = LEEDS_14

    def __init__(self, folder: str | Path, others: Literal['mask', 'keep'] = 'mask', from_behind: bool = False) -> None:
        if others not in ('mask', 'keep'):
            raise SettingsError(f"others must be 'mask' or 'keep', got {others!r}")
        self.folder, self._others = Path(folder), others
        self._keypoints = _read_keypoints(_first_of(self.folder, JOINTS))
        self._images = _first_of(self.folder, IMAGES)
        self._opened: tuple[int, zipfile.ZipFile] | None = None
        self._names = sorted(name for name in self._archive().namelist() if name.lower().endswith('.jpg'))
        if len(self._names) != len(self._keypoints):
            raise DatasetError(
                f'{self._images} has {len(self._names)} images and {len(self._keypoints)} people; expected one an image'
            )
        self._numbers = np.flatnonzero(_from_behind(self._keypoints)) if from_behind else np.arange(len(self._names))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_opened': None}

    def load_sample(self, index: int) -> Loaded:
        number = int(self._numbers[index])
        path = f'{self._images}/{self._names[number]}'
        try:
            content = self._archive().read(self._names[number])
        except (OSError, zipfile.BadZipFile) as error:
            raise DatasetError(f'cannot read {path}: {error}; copy or download the archive again') from error
        image = decode_image(content, path)
        keypoints = _inside(self._keypoints[number], image.shape[:2])[None]  # (1, 14, 3)
        people = keypoints if (keypoints[..., 2] > NOT_LABELLED).any() else keypoints[:0]
        mask = _around(people, image.shape[:2]) if self._others == 'mask' else None
        return image, mask, people, {'image_id': number, 'path': path}

    def _archive(self) -> zipfile.ZipFile:
        """Return the archive, opened in this process: after a fork the file offset is shared with the parent."""
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                self._opened = os.getpid(), zipfile.ZipFile(self._images)
            except (OSError, zipfile.BadZipFile) as error:
                raise DatasetError(f'cannot open {self._images}: {error}; copy or download it again') from error
        return self._opened[1]


def _first_of(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DatasetError(f'{folder} has neither {" nor ".join(names)}; copy it there or name another folder')


def _read_keypoints(path: Path) -> FloatArray:
    """Return (N, 14, 3)."""
    if path.suffix == '.mat':
        arrays = read_arrays(path)
        if 'joints' not in arrays or arrays['joints'].ndim != 3:
            raise DatasetError(f"{path} has no 'joints' of keypoints, coordinates and people; download it again")
        keypoints = arrays['joints'].transpose(2, 0, 1)
    else:
        try:
            with np.load(path, allow_pickle=False) as content:
                keypoints = content['joints']
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DatasetError(f"cannot read 'joints' from {path}: {error}; copy or download it again") from error
    if keypoints.ndim != 3 or keypoints.shape[1:] != (len(LEEDS_14), 3):
        raise DatasetError(f'{path}: keypoints must be (N, {len(LEEDS_14)}, 3) x, y, visible, got {keypoints.shape}')
    return keypoints


def _from_behind(keypoints: FloatArray) -> BoolArray:
    """Return (N,): whether the left shoulder and hip lie to the left of the right ones, seen along the torso."""
    lefts, rights = ([LEEDS_14.keypoints.index(f'{side}_{part}') for part in PARTS] for side in ('left', 'right'))
    left, right = keypoints[:, lefts, :2], keypoints[:, rights, :2]  # (N, 2, 2)
    down = (left + right)[:, 1] - (left + right)[:, 0]
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)  # to the right if the person is upright
    length = np.linalg.norm(down, axis=1) / 2
    facing = np.einsum('npx,nx->np', left - right, across) / np.maximum(2 * length**2, 1e-9)[:, None]
    labelled = (keypoints[:, lefts + rights, 2] > 0).all(axis=1)
    behind: BoolArray = labelled & (facing < -np.array(WIDTHS)).all(axis=1)
    return behind


def _inside(person: AnyArray, image_hw: tuple[int, ...]) -> FloatArray:
    """Return keypoints (14, 3) with COCO's flags."""
    xy = person[:, :2].astype(float)
    inside = ((xy >= -0.5) & (xy <= np.array(image_hw[::-1]) - 0.5)).all(axis=1)
    flags = np.where(inside & (person[:, 2] > 0), VISIBLE, NOT_LABELLED)
    return np.column_stack([xy, flags])


def _around(people: FloatArray, image_hw: tuple[int, ...]) -> AnyArray:
    """Return (H, W): 1 within the annotated person's box and a margin."""
    mask = np.zeros(image_hw, np.uint8)
    for x, y, width, height in boxes_of(people):
        margin = MARGIN * max(width, height)
        low = np.maximum(np.floor([x - margin, y - margin]), 0).astype(int)
        right, bottom = int(np.ceil(x + width + margin)), int(np.ceil(y + height + margin))
        mask[low[1] : bottom + 1, low[0] : right + 1] = 1
    return mask
