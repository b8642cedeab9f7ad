"""Where images and annotations lie in the folder of a dataset."""

from collections.abc import Sequence
from pathlib import Path

from pose_estimation_ros.core.errors import DatasetError

ANNOTATIONS = 'annotations'  # The folder of COCO's annotation files, beside that of the images


def find_annotations(folder: Path, name: str, option: str = 'annotations_filename', beside: str = ANNOTATIONS) -> Path:
    """Return the annotation file in a dataset's folder or its folder `beside`.

    Raises DatasetError that lists the files there; `option` is what sets the name.
    """
    check_folder(folder)
    for path in (folder / name, folder / beside / name):
        if path.is_file():
            return path
    there = sorted(path.name for parent in (folder, folder / beside) for path in parent.glob('*.json'))
    raise DatasetError(
        f'no {name} in {folder} or {folder / beside}; {option} must name one of the files there: '
        f'{some(there) or "none"}'
    )


def find_images(folder: Path, name: str, option: str = 'images_folder_name') -> Path:
    """Return the folder of images; arguments as above. Raises DatasetError, which lists the folders that exist."""
    check_folder(folder)
    if (folder / name).is_dir():
        return folder / name
    raise DatasetError(f'no folder {name} in {folder}; {option} must name one of those there: {_folders_in(folder)}')


def check_folder(folder: Path) -> None:
    """Raise DatasetError unless the dataset's folder exists."""
    if not folder.is_dir():
        raise DatasetError(f'no folder {folder}; beside it there are: {_folders_in(folder.parent)}')


def check_images(paths: Sequence[Path]) -> None:
    """Raise DatasetError unless all image files exist."""
    if missing := [path for path in paths if not path.is_file()]:
        raise DatasetError(
            f'{len(missing)} of {len(paths)} images are missing, first {missing[0]};'
            ' check the folder of images, or download them again'
        )


def some(names: Sequence[str]) -> str:
    """Return the first few of many names as text."""
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')


def _folders_in(folder: Path) -> str:
    there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return some(there) or 'none'
