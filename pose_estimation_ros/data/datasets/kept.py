"""Pictures that are slow to come by, kept on disk once they have been made."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import BoolArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.files import make_folder, write_json, written_whole
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded

DESCRIPTION = 'pictures.json'
ARRAYS = ('joints', 'boxes', 'areas')


class Kept(KeypointDataset):
    """A dataset whose samples are written to a folder when they are first asked for, and read from there afterwards.

    Any number of processes may fill the folder at once, and go on filling it another time.

    Args:
        dataset: Where pictures come from; its mask and the rest of its extras are not kept.
        folder: Of this dataset alone.
        description: What the pictures depend on; a folder made from something else is refused.

    Raises:
        SettingsError: The folder holds other pictures.
        OutputError: The folder cannot be written to.

    """

    def __init__(self, dataset: KeypointDataset, folder: Path, description: dict[str, Any]) -> None:
        self.skeleton = dataset.skeleton
        self._dataset, self._folder = dataset, folder
        path = make_folder(folder) / DESCRIPTION
        described = json.loads(json.dumps(description))
        try:
            known = json.loads(path.read_text()) if path.exists() else None
        except ValueError:
            known = None
        if known is None:
            write_json(path, described)
        elif known != described:
            raise SettingsError(f'{folder} keeps other pictures ({known}); choose another folder or remove it')

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def annotated(self) -> BoolArray:
        """Return what the dataset says."""
        return self._dataset.annotated

    def load_sample(self, index: int) -> Loaded:
        """Return a picture from the folder, making it if it is not there or not whole."""
        path = self._folder / f'{index:07d}.npz'
        try:
            return _read(path, index)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            sample = self._dataset.sample(index)
            arrays = {name: getattr(sample, name) for name in ARRAYS}
            _, png = cv2.imencode('.png', sample.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            with written_whole(path) as temporary, temporary.open('wb') as file:
                np.savez(file, image=png, **arrays)
            return _read(path, index)


def _read(path: Path, index: int) -> Loaded:
    with np.load(io.BytesIO(path.read_bytes())) as kept:
        image = cv2.imdecode(kept['image'], cv2.IMREAD_COLOR)
        joints, boxes, areas = (kept[name] for name in ARRAYS)
    return image, None, joints, {'image_id': index, 'boxes': boxes, 'areas': areas}  # type: ignore[return-value]
