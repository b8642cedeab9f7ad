"""The models that are included in the package."""

from pathlib import Path

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.methods.systems import SYSTEMS

FOLDER = Path(__file__).resolve().parent.parent / 'embedded'


def has_embedded(system: str) -> bool:
    """Return whether a model of a system is included in the package."""
    return system in SYSTEMS and bool(SYSTEMS[system].embedded)


def embedded_model(system: str, torch: bool = False) -> Path:
    """Return a system's model as ONNX, or the same weights as a torch network, which can be trained and changed.

    Raises:
        WeightsError: The system has none, or the installation lacks its files.

    """
    if not has_embedded(system):
        raise WeightsError(
            f'no weights are given, and none of {system} come with this package: give a saved folder or a published'
            f' file (`python -m pose_estimation_ros download pretrained --method {system}` fetches one or says where'
            ' it is)'
        )
    name = SYSTEMS[system].embedded
    folder = FOLDER / (f'{name}_torch' if torch else name)
    if not folder.is_dir():
        raise WeightsError(f'{folder} is missing from this installation; install the package again')
    return folder
