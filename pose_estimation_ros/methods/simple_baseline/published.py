"""The files that are published for SimpleBaselines and its person detector."""

from pathlib import Path

from pose_estimation_ros.core.errors import DownloadError, SettingsError
from pose_estimation_ros.fetching.download import RemoteFile, fetch_all

TORCH_URL = 'https://download.pytorch.org/models/'
IMAGENET = {
    'resnet18': 'resnet18-5c106cde.pth',
    'resnet34': 'resnet34-333f7ec4.pth',
    'resnet50': 'resnet50-19c8e357.pth',
    'resnet101': 'resnet101-5d3b4d8f.pth',
    'resnet152': 'resnet152-b121ed2d.pth',
}
"""torchvision's classifiers; the name ends in the beginning of the file's SHA-256."""

DETECTOR_URL = 'https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/'
DETECTOR_FILE = 'yolox_nano.onnx'

POSE_PAGE = 'https://github.com/microsoft/human-pose-estimation.pytorch'
DOWNLOADS = {'pretrained': tuple(IMAGENET), 'weights': tuple(IMAGENET), 'detector': ()}
"""Backbones with published files, by mode; () if the file is the same for all."""


def pose_file(backbone: str, size: tuple[int, int]) -> str:
    """Return the published name of a pose network, such as pose_resnet_50_256x192.pth.tar."""
    return f'pose_resnet_{backbone.removeprefix("resnet")}_{size[0]}x{size[1]}.pth.tar'


def fetch_published(
    mode: str, backbone: str, size: tuple[int, int], folder: Path, url: str, verbose: bool
) -> list[Path]:
    """Download the file of a mode into `folder` and return its path.

    Raises:
        SettingsError: The mode is unknown.
        DownloadError: It cannot be fetched, or has no address that a program could fetch it from.

    """
    if mode == 'weights':
        name = IMAGENET[backbone]
        file, base = RemoteFile(name, name, sha256=name.rpartition('-')[2].removesuffix('.pth')), url or TORCH_URL
    elif mode == 'detector':
        file, base = RemoteFile(DETECTOR_FILE, DETECTOR_FILE), url or DETECTOR_URL
    elif mode == 'pretrained':
        name = pose_file(backbone, size)
        if not url:
            raise DownloadError(
                f'{name} lies in a cloud folder that only a browser opens: fetch it by the links of {POSE_PAGE}, or'
                ' name a server that has it (--url)'
            )
        file, base = RemoteFile(name, name), url
    else:
        raise SettingsError(f'mode must be one of {", ".join(DOWNLOADS)}, got {mode!r}')
    return fetch_all(base, [file], folder, verbose=verbose)
