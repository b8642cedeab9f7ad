"""Exporting a model to ONNX, in fp32, fp16 or int8."""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError
from pose_estimation_ros.core.files import atomic_write
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.inference.backends.onnx_export import export_onnx
from pose_estimation_ros.inference.pipeline import ModelPipeline
from pose_estimation_ros.models.onnx_file import precision_of, with_dynamic_sizes, with_metadata
from pose_estimation_ros.models.quantization import to_half, to_int8

PRECISIONS = ('fp32', 'fp16', 'int8')

TEMPORARY_NAME = 'onnx_model_temp.onnx'
"""File in temp_path to which OpenDR's learner writes its optimised model."""


def export_model(
    model: Model,
    folder: Path,
    metadata: dict[str, Any],
    precision: str,
    calibration: Iterable[FloatArray] | None,
    fold_constants: bool,
) -> bytes:
    """Return a model as ONNX with metadata, and write a copy to `folder`.

    Raises:
        SettingsError: The precision is unknown, or int8 has no calibration images.
        BackendError: The model cannot be exported to ONNX.

    """
    if precision not in PRECISIONS:
        raise SettingsError(f'precision must be fp32, fp16 or int8, got {precision!r}')
    if precision == 'int8' and calibration is None:
        raise SettingsError('int8 needs calibration images: a few dozen, typical of the deployment')
    content = _as_onnx(model, fold_constants)
    before = precision_of(content)
    if before not in ('fp32', precision):
        raise SettingsError(
            f'{model.label} is already {before} and cannot be converted to {precision}; start from fp32'
        )
    if before != precision:
        content = to_half(content) if precision == 'fp16' else to_int8(content, calibration or ())
    content = with_metadata(content, metadata, precision)
    with atomic_write(folder / TEMPORARY_NAME) as temporary:
        temporary.write_bytes(content)
    return content


def checkpoint_bytes(network: Any) -> bytes:
    """Return a checkpoint file of a network, in the published format."""
    import torch

    buffer = io.BytesIO()
    torch.save({'state_dict': {name: value.cpu() for name, value in network.state_dict().items()}}, buffer)
    return buffer.getvalue()


def calibration_inputs(
    images: Iterable[ImageLike], pipeline: Callable[[], ModelPipeline]
) -> Iterator[FloatArray] | None:
    """Return an iterator of network inputs, prepared lazily; None if there are no images."""
    arrays = [to_bgr(each) for each in images]
    return (pipeline().prepare(each) for each in arrays) if arrays else None


def _as_onnx(model: Model, fold_constants: bool) -> bytes:
    if model.network is not None:
        return export_onnx(model.network, fold_constants=fold_constants)
    if model.onnx is not None:
        return with_dynamic_sizes(model.onnx)
    raise BackendError(f'{model.label} is an OpenVINO model, which cannot be turned into ONNX; load the .pth or .onnx')
