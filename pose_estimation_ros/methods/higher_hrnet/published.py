"""The files that are published for HigherHRNet, and where they are."""

from pathlib import Path

from pose_estimation_ros.core.errors import DownloadError, SettingsError
from pose_estimation_ros.fetching.download import RemoteFile, fetch_all

POSE_FILES = {'hrnet_w32': 'pose_higher_hrnet_w32_512.pth', 'hrnet_w48': 'pose_higher_hrnet_w48_640.pth'}
"""Official pose networks by backbone; pose_higher_hrnet_w32_640.pth is another one of width 32."""
POSE_FOLDER = 'https://drive.google.com/drive/folders/1X9-TzWpwbX2zQf2To8lB-ZQHMYviYYh6'
THAWRO_FILE = 'higher_hrnet_32.pt'
THAWRO_FOLDER = 'https://drive.google.com/drive/folders/1srwrno9YYSBy1Wqf-uDok_TpID9Mm20d'
"""Of pytorch-human-pose; its ImageNet classifier hrnet_32.pt is there as well."""

IMAGENET = {'hrnet_w32': 'hrnet_w32-36af842e.pth', 'hrnet_w48': 'hrnet_w48-8ef0771d.pth'}
"""Classifiers by backbone; the name ends in the beginning of the file's SHA-256."""
IMAGENET_URL = 'https://download.openmmlab.com/mmpose/pretrain_models/'

DOWNLOADS = {'pretrained': tuple(POSE_FILES), 'weights': tuple(IMAGENET)}


def fetch_published(mode: str, backbone: str, folder: Path, url: str, verbose: bool) -> list[Path]:
    """Download the file of a mode into `folder` and return its path.

    Raises:
        SettingsError: The mode is unknown, or nothing is published for the backbone.
        DownloadError: It cannot be fetched, or has no address that a program could fetch it from.

    """
    if mode not in DOWNLOADS:
        raise SettingsError(f'mode must be one of {", ".join(DOWNLOADS)}, got {mode!r}')
    if backbone not in POSE_FILES:
        raise SettingsError(
            f'files are published for the backbones {", ".join(POSE_FILES)}, not for {backbone}; train from random'
            ' weights (init_model()), or name a file of yours (--start.backbone)'
        )
    if mode == 'weights':
        name = IMAGENET[backbone]
        file = RemoteFile(name, name, sha256=name.rpartition('-')[2].removesuffix('.pth'))
        return fetch_all(url or IMAGENET_URL, [file], folder, verbose=verbose)
    name = POSE_FILES[backbone]
    if not url:
        raise DownloadError(_by_hand(name, folder))
    return fetch_all(url, [RemoteFile(name, name)], folder, verbose=verbose)


def _by_hand(name: str, folder: Path) -> str:
    thawro = f' ({THAWRO_FILE} of pytorch-human-pose is in {THAWRO_FOLDER})' if '_w32_' in name else ''
    return (
        f'{name} is in a cloud folder that only a browser opens: fetch it from {POSE_FOLDER}{thawro}, save it as'
        f' {folder / name} and pass that as --weights, or name a server that has it (--url)'
    )
