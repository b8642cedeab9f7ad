"""A learner's model turned into ONNX."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError
from pose_estimation_ros.core.files import written_whole
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.inference.backends.tracing import export_onnx
from pose_estimation_ros.inference.pipeline import ModelPipeline
from pose_estimation_ros.models.export import precision_of, to_half, to_int8, with_dynamic_sizes, with_metadata

TEMPORARY_NAME = 'onnx_model_temp.onnx'
"""Where OpenDR's learner leaves its optimised model, in its temp_path."""


@dataclass(frozen=True, eq=False)
class OptimizedModel:
    """An ONNX model and the precision that it calculates in."""

    content: bytes
    precision: str


def optimized_model(
    model: Model,
    folder: Path,
    metadata: dict[str, Any],
    precision: str,
    calibration: Iterable[FloatArray] | None,
    fold_constants: bool,
) -> OptimizedModel:
    """Export, convert and describe a model, and leave a copy in `folder`."""
    if precision not in ('fp32', 'fp16', 'int8'):
        raise SettingsError(f'precision must be fp32, fp16 or int8, got {precision!r}')
    if precision == 'int8' and calibration is None:
        raise SettingsError('int8 needs calibration pictures: some dozens that look like what it will see')
    content = _as_onnx(model, fold_constants)
    source = precision_of(content)
    if source not in ('fp32', precision):
        raise SettingsError(f'{model.label} is {source} already, it cannot become {precision}; start from fp32')
    if source == precision:
        pass
    elif precision == 'fp16':
        content = to_half(content)
    elif precision == 'int8':
        content = to_int8(content, calibration or ())
    content = with_metadata(content, metadata, precision)
    with written_whole(folder / TEMPORARY_NAME) as temporary:
        temporary.write_bytes(content)
    return OptimizedModel(content, precision)


def calibration_inputs(
    pictures: Iterable[ImageLike], pipeline: Callable[[], ModelPipeline]
) -> Iterator[FloatArray] | None:
    """Return pictures as the network takes them, one by one as they are asked for; None where there are none."""
    images = [to_bgr(each) for each in pictures]
    return (pipeline().prepare(each) for each in images) if images else None


def _as_onnx(model: Model, fold_constants: bool) -> bytes:
    if model.network is not None:
        return export_onnx(model.network, fold_constants=fold_constants)
    if model.onnx is not None:
        return with_dynamic_sizes(model.onnx)
    raise BackendError(f'{model.label} is an OpenVINO model, which cannot be turned into ONNX; load the .pth or .onnx')
