"""Images in a folder for each class, as ImageNet is prepared."""

from collections.abc import Sequence
from pathlib import Path

from pose_estimation_ros.core.errors import DatasetError
from pose_estimation_ros.core.image import IMAGE_SUFFIXES
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.data.sources import natural_order

CURE = '`prepare imagenet` makes such a folder'


def class_folders(folder: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """Return each image below a folder and the index of its class, whose name its own folder has.

    Raises DatasetError unless there is a folder with images for every class and for nothing else.
    """
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}, expected one with a folder of images for each class; {CURE}')
    found = {path.name: path for path in folder.iterdir() if path.is_dir()}
    _require(folder, 'lacks', [name for name in classes if name not in found], len(classes))
    _require(folder, 'has unknown', sorted(found.keys() - set(classes)), len(classes))
    images = {name: _images(found[name]) for name in classes}
    _require(folder, 'has no images of', [name for name in classes if not images[name]], len(classes))
    return [(path, index) for index, name in enumerate(classes) for path in images[name]]


def _images(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES), key=natural_order)


def _require(folder: Path, fault: str, names: Sequence[str], count: int) -> None:
    if names:
        raise DatasetError(
            f'{folder} {fault} {counted(len(names), "class", "classes")} (expected {count}), first {names[0]}; {CURE}'
        )
