"""Several images of a dataset in the cells of one."""

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine, Letterbox
from pose_estimation_ros.data.datasets.keypoint_dataset import KeypointDataset, Loaded
from pose_estimation_ros.data.datasets.wrappers import DatasetWrapper
from pose_estimation_ros.data.sample import Sample

EDGE = 128  # Grey level around an image that does not fill its cell


class Collage(DatasetWrapper):
    """Images of `rows` x `columns` others, each scaled into a cell: many small people from images of single people.

    It is as long as the dataset. The first cell shows the image of the index, the others random ones that depend on
    seed and index alone. Raises SettingsError if rows, columns or a side of the cell is below 1.
    """

    def __init__(
        self,
        dataset: KeypointDataset,
        rows: int = 2,
        columns: int = 2,
        cell: tuple[int, int] = (256, 256),
        seed: int = 0,
    ) -> None:
        if min(rows, columns, *cell) < 1:
            raise SettingsError(f'a collage needs 1 row, column and pixel or more, got {rows}, {columns}, {cell}')
        super().__init__(dataset)
        self._seed, self._rows, self._columns, self._cell = seed, rows, columns, cell

    def load_sample(self, index: int) -> Loaded:
        rng = np.random.default_rng([self._seed, index])
        height, width = self._cell
        canvas = np.full((self._rows * height, self._columns * width, 3), EDGE, np.uint8)
        mask = np.ones(canvas.shape[:2], np.uint8)
        people = []
        for number in range(self._rows * self._columns):
            sample = self.dataset.sample(index if number == 0 else int(rng.integers(len(self.dataset))))
            top, left = number // self._columns * height, number % self._columns * width
            view = np.s_[top : top + height, left : left + width]
            people.append(_paste(sample, canvas[view], mask[view], (left, top)))
        keypoints, boxes, areas = (np.concatenate(parts) for parts in zip(*people, strict=True))
        return canvas, mask, keypoints, {'image_id': index, 'boxes': boxes, 'areas': areas}


def _paste(sample: Sample, cell: ByteArray, mask: AnyArray, corner: tuple[int, int]) -> tuple[AnyArray, ...]:
    """Draw a sample into its cell; return keypoints, boxes and areas of its people in the collage."""
    height, width = sample.image.shape[:2]
    box = Letterbox.fit_inside((height, width), (cell.shape[0], cell.shape[1]))
    box.draw(sample.image, cell)
    box.draw(sample.mask, mask, cv2.INTER_NEAREST)
    stretch = Affine.scaling(box.resized_hw[1] / width, box.resized_hw[0] / height)
    affine = Affine.translation(box.pad[1] + corner[0], box.pad[0] + corner[1]) @ stretch
    keypoints = sample.keypoints.copy()
    keypoints[..., :2] = affine(keypoints[..., :2])
    boxes = np.concatenate([affine(sample.boxes[:, :2]), sample.boxes[:, 2:] * box.scale], axis=1)
    return keypoints, boxes, sample.areas * box.scale**2
