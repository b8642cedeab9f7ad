"""Recipes for training a classifier of images. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pose_estimation_ros.classification.labels import FILE_NAME
from pose_estimation_ros.classification.options import ClassifierOptions
from pose_estimation_ros.classification.preprocess import STRIDE, VALIDATION, InputSettings
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.training.settings import NOT_NEGATIVE, Recipe, require

PUBLISHED: dict[str, dict[str, Any]] = {
    'optimizer': {'kind': 'sgd', 'lr': 0.1, 'momentum': 0.9, 'nesterov': True, 'weight_decay': 1e-4},
    'schedule': {'kind': 'multistep', 'milestones': (30, 60, 90), 'gamma': 0.1},
    'trainer': {'max_epochs': 100, 'batch_size': 80},
}
"""Of pytorch-human-pose, by section of the recipe; its batches are 80 images on each GPU."""


@dataclass(frozen=True)
class NetworkSettings:
    """The network; it has as many classes as the file of labels."""

    width: int = setting(32, 'Channels of the finest branch of the HRNet trunk; 32 and 48 are published.')
    stem_width: int = setting(64, 'Channels of the first layers of the HRNet trunk; 64 is published.')

    def __post_init__(self) -> None:
        self.options()  # refuses what no network can have

    def options(self, classes: int = 2) -> ClassifierOptions:
        """Return the options of a network for so many classes."""
        return ClassifierOptions(self.width, self.stem_width, classes)


@dataclass(frozen=True)
class FoldersSettings:
    """Images in a folder for each class, as `prepare imagenet` makes them."""

    root: str = setting('data/ImageNet', 'Folder that other paths start from.')
    train: str = setting('train', 'Folder with a folder of training images for each class.')
    validation: str = setting('val', 'The same of validation images; empty for no validation.')
    labels: str = setting(FILE_NAME, 'File of the classes: index, WordNet id (the name of the folder) and name.')
    validation_limit: int = setting(
        0, 'Maximum number of validation images, evenly spaced; 0 for all.', range=NOT_NEGATIVE
    )

    def __post_init__(self) -> None:
        check_settings(self, 'data.')


@dataclass(frozen=True)
class CropSettings:
    """From training images to network inputs: a random part of random shape, resized to a square, maybe mirrored."""

    size: int = setting(224, 'Side of the network input in pixels.', range=(STRIDE, 4096), step=STRIDE)
    area: tuple[float, float] = setting((0.08, 1.0), 'Minimum and maximum share of the image that is cropped.')
    aspect: tuple[float, float] = setting((3 / 4, 4 / 3), 'Minimum and maximum of the width over the height of crops.')
    flip: float = setting(0.5, 'Probability of mirroring.', range=(0, 1))

    def __post_init__(self) -> None:
        check_settings(self, 'transform.')
        for name, (least, most) in {'area': self.area, 'aspect': self.aspect}.items():
            text = f'transform.{name} must be minimum and maximum, above 0, got {[least, most]}'
            require(0 < least <= most, text)
        require(self.area[1] <= 1, f'transform.area must be shares up to 1, got {list(self.area)}')


@dataclass(frozen=True)
class ClassificationRecipe(Recipe):
    """All of a classifier's training."""

    task: str = setting('classification', 'What is trained; other tasks have other fields.')
    network: NetworkSettings = field(default_factory=NetworkSettings)
    data: FoldersSettings = field(default_factory=FoldersSettings)
    transform: CropSettings = field(default_factory=CropSettings)
    validation: InputSettings = VALIDATION

    def __post_init__(self) -> None:
        require(not self.start.new_parts, 'start.new_parts is for pose networks; start.backbone fills a trunk alone')

    @classmethod
    def defaults(cls, named: Callable[[str], str | None]) -> dict[str, Any]:
        """Return the published optimiser, schedule, epochs and batch size."""
        return {f'{each}.{name}': value for each, values in PUBLISHED.items() for name, value in values.items()}
