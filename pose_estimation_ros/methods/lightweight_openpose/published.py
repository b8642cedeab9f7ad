"""Published files: those that OpenDR offers for download, without hashes, and the preprocessing of OpenVINO's model."""

from pathlib import Path

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.fetching.download import RemoteFile, fetch_all
from pose_estimation_ros.methods.method import Preprocessing

OPENDR_URL = 'ftp://opendrdata.csd.auth.gr/perception/pose_estimation/lightweight_open_pose/'

PRETRAINED = tuple(
    RemoteFile(f'openpose_default/openpose_default.{suffix}', f'openpose_default/openpose_default.{suffix}')
    for suffix in ('json', 'pth')
)
TEST_DATA = tuple(RemoteFile(name, name) for name in ('dataset/annotation.json', 'dataset/image/000000000785.jpg'))
BACKBONE_WEIGHTS = {
    'mobilenet': 'mobilenet_sgd_68.848.pth.tar',
    'mobilenetv2': 'mobilenetv2_1.0-f2a8633.pth.tar',
    'shufflenet': 'shufflenet.pth.tar',
}
DOWNLOADS = {'pretrained': ('mobilenet',), 'weights': tuple(BACKBONE_WEIGHTS), 'test_data': ()}
"""Backbones with published files, by mode; () if the file is the same for all."""

OPEN_MODEL_ZOO_OUTPUT = 'Mconv7_stage2_L1'
RAW_PIXELS = Preprocessing(mean=(0.0, 0.0, 0.0), scale=(1.0, 1.0, 1.0), pad_value=(128.0, 128.0, 128.0))
"""OpenVINO's human-pose-estimation-0001 normalises by itself."""


def published_files(mode: str, backbone: str) -> tuple[RemoteFile, ...]:
    """Return the files of a mode; raises SettingsError naming the modes."""
    if mode == 'pretrained':
        if backbone != 'mobilenet':
            raise SettingsError(f'a pretrained model is published for the mobilenet backbone only, not for {backbone}')
        return PRETRAINED
    if mode == 'weights':
        if backbone not in BACKBONE_WEIGHTS:
            raise SettingsError(
                f'ImageNet weights are published for the backbones {", ".join(BACKBONE_WEIGHTS)}, not for {backbone}:'
                ' start from the embedded weights (load()), or name a file of yours to train (--start.backbone)'
            )
        name = BACKBONE_WEIGHTS[backbone]
        return (RemoteFile(name, name),)
    if mode == 'test_data':
        return TEST_DATA
    raise SettingsError(f'mode must be one of {", ".join(DOWNLOADS)}, got {mode!r}')


def fetch_published(mode: str, backbone: str, folder: Path, url: str, verbose: bool) -> list[Path]:
    """Download the files of a mode into `folder` and return their paths."""
    return fetch_all(url, list(published_files(mode, backbone)), folder, verbose=verbose)
