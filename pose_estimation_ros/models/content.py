"""What is in model files: small readers and writers that learners share."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.methods.method import Preprocessing
from pose_estimation_ros.models.folder import ModelFile


def three_numbers(name: str, value: float | Sequence[float]) -> tuple[float, float, float]:
    """Return one number thrice, or three as they are; raises SettingsError for other counts."""
    values = [float(value)] * 3 if isinstance(value, int | float) else [float(each) for each in value]
    if len(values) != 3:
        raise SettingsError(f'{name} must be one number or three, got {len(values)}')
    return values[0], values[1], values[2]


def stated_preprocessing(file: ModelFile) -> Preprocessing | None:
    """Return what a file's metadata say of its input, None where they say nothing."""
    stated = file.metadata.get('preprocessing')
    if not isinstance(stated, dict):
        return None
    try:
        plain: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in stated.items()}
        return Preprocessing(**plain)
    except TypeError as error:
        raise WeightsError(f'{file.path}: its description of the input is not understood ({error})') from error


def read_graph(path: Path) -> bytes:
    """Return the bytes of a model file; raises WeightsError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f'cannot read {path}: {error.strerror}') from error


def checkpoint(network: Any) -> bytes:
    """Return a network in the published container."""
    import torch

    buffer = io.BytesIO()
    torch.save({'state_dict': {name: value.cpu() for name, value in network.state_dict().items()}}, buffer)
    return buffer.getvalue()
