"""What published model files expect of their input, where that is not the method's own convention."""

from pathlib import Path

from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.methods.method import Preprocessing

OPEN_MODEL_ZOO_OUTPUT = 'Mconv7_stage2_L1'
RAW_PIXELS = Preprocessing(mean=(0.0, 0.0, 0.0), scale=(1.0, 1.0, 1.0), pad_value=(128.0, 128.0, 128.0))
"""OpenVINO's human-pose-estimation-0001 normalises by itself."""


def xml_preprocessing(path: Path) -> Preprocessing | None:
    """Return what an OpenVINO file is known to expect, None where it is not known."""
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f'{path} is not an OpenVINO model: it cannot be read as text') from error
    if '<net' not in text[:4096]:
        raise WeightsError(f'{path} is not an OpenVINO model (it has no <net>); choose the .xml of a model')
    if not path.with_suffix('.bin').exists():
        raise WeightsError(f'{path} lacks its weights: {path.with_suffix(".bin").name} must lie beside it')
    return RAW_PIXELS if OPEN_MODEL_ZOO_OUTPUT in text else None
