"""Shared fixtures: reference values of the published code, real weights and images, the tree that git tracks."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One thread a process, children included: pytest runs several at once. Libraries read this when they are loaded.
os.environ.update(dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1'))
os.environ['OPENCV_FOR_THREADS_NUM'] = '1'
# A shell starts background jobs with SIGINT ignored, and children inherit that; tests of Ctrl-C need the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / 'shared'
GOLDEN = REPOSITORY / 'test' / 'golden'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest test, so that one process does not work on it alone at the end."""
    items.sort(key=lambda item: item.path.name != 'test_accuracy.py')


def existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f'{path} is not there; the reference material lies beside the repository, in ../shared')
    return path


@pytest.fixture(scope='session')
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


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
def weights(assets: Path) -> Path:
    """Folder of real weights."""
    return assets / 'weights'


@pytest.fixture(scope='session')
def photo(street_frames: list[Any]) -> Any:
    """A frame of the street video: (480, 854, 3) BGR, three people."""
    return street_frames[0]


@pytest.fixture(scope='session')
def batch(photo: Any) -> Any:
    """(2, 3, 128, 224) inputs that show people."""
    small = cv2.resize(photo[160:416, 406:854], (224, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
    inputs = ((small - 128) / 256).transpose(2, 0, 1)
    return np.stack([inputs, inputs[..., ::-1]])


@pytest.fixture(scope='session')
def tiny() -> Any:
    """A network of Lightweight OpenPose's outputs at stride 8, two stages, with random weights."""
    torch = pytest.importorskip('torch')

    class TinyNetwork(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = torch.nn.ModuleList(torch.nn.Conv2d(3, channels, 8, stride=8) for channels in (19, 38, 19, 38))

        def forward(self, image: Any) -> list[Any]:
            return [head(image) for head in self.heads]

    torch.manual_seed(1)
    return TinyNetwork().eval()


@pytest.fixture(scope='session')
def omz_network(weights: Path) -> Any:
    """The published network with real weights."""
    from pose_estimation_ros.methods.lightweight_openpose.network import build_network
    from pose_estimation_ros.methods.lightweight_openpose.options import NetworkOptions
    from pose_estimation_ros.methods.lightweight_openpose.weights import fit_weights, read_weights

    network = build_network(NetworkOptions(variant='omz')).eval()
    fit_weights(network, read_weights(weights / 'lwop_omz.pth'))
    return network


def joined(arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays by name, with those stored in pieces (`name@0`, `name@1`, ...) put together."""
    pieces: dict[str, list[Any]] = {}
    for name, array in arrays.items():
        pieces.setdefault(name.split('@')[0], []).append(array)
    return {name: each[0] if len(each) == 1 else np.concatenate(each) for name, each in pieces.items()}


def load_arrays(name: str) -> dict[str, Any]:
    """Arrays from test/golden, where they may lie in several files, or from ../shared."""
    parts = [path for path in GOLDEN.glob(f'{name}.*npz') if re.fullmatch(r'(\.\d+)?\.npz', path.name[len(name) :])]
    parts.sort(key=lambda path: int(path.suffixes[0][1:]) if len(path.suffixes) > 1 else 0)
    found = parts or [existing(SHARED / 'golden' / f'{name}.npz')]
    return joined({key: array for path in found for key, array in np.load(path).items()})


@pytest.fixture(scope='session')
def golden_path() -> Callable[[str], Path]:
    """Function that gives the path of a file of reference values: from test/golden, else from ../shared."""
    return lambda name: GOLDEN / name if (GOLDEN / name).exists() else existing(SHARED / 'golden' / name)


@pytest.fixture(scope='session')
def golden(golden_path: Callable[[str], Path]) -> Callable[[str], Any]:
    """Function that opens reference values: `decode_lwop` as arrays by name, `keys_x.json` as parsed JSON.

    Most are in test/golden (scripts/pack_golden.py says what is left out there), the others in ../shared.
    """

    def load(name: str) -> Any:
        if not name.endswith('.json'):
            return load_arrays(name)
        if (packed := GOLDEN / f'{name}.gz').exists():
            return json.loads(gzip.decompress(packed.read_bytes()))
        return json.loads(golden_path(name).read_text())

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


@pytest.fixture(scope='session')
def seeded() -> Callable[..., Any]:
    """Function that fills a state dict with values derived from its keys and a salt."""
    from reference_networks import seeded_weights

    return seeded_weights


@pytest.fixture(scope='session')
def calibrated() -> Callable[..., Any]:
    """Function that puts the reference's batch norm statistics into a state dict."""
    from reference_networks import calibrated_weights

    return calibrated_weights
