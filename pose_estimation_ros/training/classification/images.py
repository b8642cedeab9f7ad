"""Images with their classes as training data: a random part of each, in random shape, maybe mirrored."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray
from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.training.classification.recipe import CropSettings

Images = Sequence[tuple[ImageLike, int]]
"""Images, or paths of files, and the index of each one's class."""

TRIES = 10
"""Random parts that are tried before the middle of an image is taken."""


class CroppedImages:
    """Network inputs of images and their classes; an unreadable image raises ImageError when it is needed."""

    def __init__(self, images: Images, crop: CropSettings) -> None:
        self.images, self.crop = images, crop

    def __len__(self) -> int:
        return len(self.images)

    def item(self, index: int, rng: np.random.Generator) -> tuple[ByteArray, Sequence[AnyArray]]:
        """Return a network input (size, size, 3) uint8 BGR and its class."""
        image, target = self.images[index]
        return random_crop(to_bgr(image), self.crop, rng), [np.array(target, np.int64)]


def random_crop(image: ByteArray, crop: CropSettings, rng: np.random.Generator) -> ByteArray:
    """Return a random part of an image (H, W, 3) as a square, cropped by the rules of torchvision."""
    top, left, height, width = random_part(image.shape[0], image.shape[1], crop, rng)
    part = image[top : top + height, left : left + width]
    method = cv2.INTER_AREA if min(height, width) > crop.size else cv2.INTER_LINEAR
    square = cv2.resize(part, (crop.size, crop.size), interpolation=method)
    mirrored = square[:, ::-1] if rng.random() < crop.flip else square
    return np.ascontiguousarray(mirrored, np.uint8)


def random_part(height: int, width: int, crop: CropSettings, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a random part; the middle if no part of such an area and shape fits."""
    shapes = np.log(crop.aspect)
    for _ in range(TRIES):
        area, aspect = height * width * rng.uniform(*crop.area), math.exp(rng.uniform(*shapes))
        columns, rows = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < columns <= width and 0 < rows <= height:
            return int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1)), rows, columns
    aspect = min(max(width / height, crop.aspect[0]), crop.aspect[1])
    columns, rows = min(width, max(1, round(height * aspect))), min(height, max(1, round(width / aspect)))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def require_classes(images: Images, classes: int) -> None:
    """Raise DatasetError for an image of a class that the network does not have."""
    odd = next((target for _, target in images if not 0 <= target < classes), None)
    if odd is not None:
        raise DatasetError(
            f'an image is of class {odd}, but the network has the classes 0 to {classes - 1};'
            ' check the dataset, or build the network with more classes'
        )
