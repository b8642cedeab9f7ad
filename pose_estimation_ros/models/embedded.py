"""The models that come with the package."""

from pathlib import Path

from pose_estimation_ros.core.errors import WeightsError

FOLDER = Path(__file__).resolve().parent.parent / 'embedded'
NAMES = {'lightweight_openpose': 'efficientnet_lite', 'high_resolution': 'efficientnet_lite'}
"""Of each method's model; others have none."""


def has_embedded(method: str) -> bool:
    """Return whether a model of a method comes with the package."""
    return method in NAMES


def embedded_model(method: str, torch: bool = False) -> Path:
    """Return a method's model as ONNX, or the same weights as a torch network, which can be trained and changed.

    Raises:
        WeightsError: The method has none, or the installation lacks its files.

    """
    if not has_embedded(method):
        raise WeightsError(
            f'no weights are given, and none of {method} come with this package: give a saved folder or a published'
            ' file (`python -m pose_estimation_ros download` fetches some)'
        )
    folder = FOLDER / (f'{NAMES[method]}_torch' if torch else NAMES[method])
    if not folder.is_dir():
        raise WeightsError(f'{folder} is missing from this installation; install the package again')
    return folder
