"""What several tests share: the reference material beside the repository, and its golden vectors."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / 'shared'


def existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f'{path} is not there; the reference material lies beside the repository, in ../shared')
    return path


@pytest.fixture(scope='session')
def shared() -> Path:
    """Folder of reference material; skips the test where there is none."""
    return existing(SHARED)


@pytest.fixture(scope='session')
def assets(shared: Path) -> Path:
    """Folder of real weights, images and videos."""
    return existing(shared / 'assets')


@pytest.fixture(scope='session')
def street_frames(assets: Path) -> list[Any]:
    """Eight frames in a row of the street video, (480, 854, 3) BGR, with three people in the foreground."""
    video = cv2.VideoCapture(str(assets / 'video' / 'street.mp4'))
    video.set(cv2.CAP_PROP_POS_FRAMES, 540)
    pictures = [video.read()[1] for _ in range(8)]
    assert all(picture is not None for picture in pictures)
    return pictures


@pytest.fixture(scope='session')
def golden(shared: Path) -> Callable[[str], Any]:
    """Function that opens golden vectors: `decode_lwop` as the arrays of an .npz, `keys_x.json` as JSON."""

    def load(name: str) -> Any:
        if name.endswith('.json'):
            return json.loads(existing(shared / 'golden' / name).read_text())
        return np.load(existing(shared / 'golden' / f'{name}.npz'))

    return load


@pytest.fixture(scope='session')
def copy_tree() -> Callable[[Path], Path]:
    """Function that copies what git tracks, or would if told to, into a folder."""

    def copy(folder: Path) -> Path:
        command = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', '-z']
        listing = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if listing.returncode:
            pytest.skip(f'{REPOSITORY} is no git checkout, so what belongs to the package is not known')
        for name in filter(None, listing.stdout.split('\0')):
            if (REPOSITORY / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, folder / name)
        return folder

    return copy
