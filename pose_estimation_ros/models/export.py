"""Exporting a model to ONNX, in fp32, fp16 or int8."""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError
from pose_estimation_ros.core.files import written_whole
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.inference.backends.onnx_export import export_onnx
from pose_estimation_ros.inference.pipeline import ModelPipeline
from pose_estimation_ros.models.onnx_file import precision_of, with_dynamic_sizes, with_metadata
from pose_estimation_ros.models.quantization import to_half, to_int8

PRECISIONS = ('fp32', 'fp16', 'int8')

TEMPORARY_NAME = 'onnx_model_temp.onnx'
"""Where OpenDR's learner leaves its optimised model, in its temp_path."""


def export_model(
    model: Model,
    folder: Path,
    metadata: dict[str, Any],
    precision: str,
    calibration: Iterable[FloatArray] | None,
    fold_constants: bool,
) -> bytes:
    """Return a model as ONNX, with its metadata, and leave a copy in `folder`.

    Raises:
        SettingsError: There is no such precision, or int8 lacks its calibration images.
        BackendError: The model has no form that can be exported.

    """
    if precision not in PRECISIONS:
        raise SettingsError(f'precision must be fp32, fp16 or int8, got {precision!r}')
    if precision == 'int8' and calibration is None:
        raise SettingsError('int8 needs calibration pictures: some dozens that look like what it will see')
    content = _as_onnx(model, fold_constants)
    before = precision_of(content)
    if before not in ('fp32', precision):
        raise SettingsError(f'{model.label} is {before} already, it cannot become {precision}; start from fp32')
    if before != precision:
        content = to_half(content) if precision == 'fp16' else to_int8(content, calibration or ())
    content = with_metadata(content, metadata, precision)
    with written_whole(folder / TEMPORARY_NAME) as temporary:
        temporary.write_bytes(content)
    return content


def checkpoint(network: Any) -> bytes:
    """Return a network in the published container."""
    import torch

    buffer = io.BytesIO()
    torch.save({'state_dict': {name: value.cpu() for name, value in network.state_dict().items()}}, buffer)
    return buffer.getvalue()


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
