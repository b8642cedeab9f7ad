"""Exporting a model to ONNX, in fp32, fp16 or int8."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError
from pose_estimation_ros.core.files import written_whole
from pose_estimation_ros.core.image import ImageLike, to_bgr
from pose_estimation_ros.inference.backends.backend import Model
from pose_estimation_ros.inference.backends.tracing import INPUT_NAME, export_onnx, require_onnx
from pose_estimation_ros.inference.pipeline import ModelPipeline
from pose_estimation_ros.models.onnx_file import parsed, precision_of, with_dynamic_sizes, with_metadata

PRECISIONS = ('fp32', 'fp16', 'int8')

TEMPORARY_NAME = 'onnx_model_temp.onnx'
"""Where OpenDR's learner leaves its optimised model, in its temp_path."""

PERCENTILE = 99.999
"""Of activations that int8 must represent. On 160 COCO images (40 of them for calibration, height 256, fp32 0.314 AP)
this gave 0.302, the full range 0.271, 99.99 gave 0.230 and the entropy method 0.262."""


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


def to_half(model: bytes) -> bytes:
    """Return an ONNX model that calculates in fp16; inputs and outputs stay float32."""
    onnx = require_onnx()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it warns of every weight below fp16's smallest number
        half = convert_float_to_float16(parsed(onnx, model), keep_io_types=True)
    return bytes(half.SerializeToString())


def to_int8(model: bytes, calibration: Iterable[FloatArray]) -> bytes:
    """Return a statically quantised ONNX model; `calibration` are inputs (1, 3, H, W) of typical pictures."""
    require_onnx()
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quiet(), contextlib.redirect_stdout(io.StringIO()):
        source, prepared, target = (Path(folder) / name for name in ('in.onnx', 'prepared.onnx', 'out.onnx'))
        source.write_bytes(model)
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Reader(_one_size(calibration)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=['Conv', 'Add', 'Concat', 'Elu', 'Relu'],
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={'CalibPercentile': PERCENTILE},
        )
        return target.read_bytes()


def _one_size(inputs: Iterable[FloatArray]) -> list[FloatArray]:
    """Pad inputs (1, 3, H, W) to a common size with zeros, since histograms want maps of one size."""
    inputs = list(inputs)
    height, width = (max(each.shape[axis] for each in inputs) for axis in (2, 3))
    return [np.pad(each, ((0, 0), (0, 0), (0, height - each.shape[2]), (0, width - each.shape[3]))) for each in inputs]


class _Reader:
    """Feeds calibration inputs the way ONNX Runtime asks for them."""

    def __init__(self, inputs: Iterable[FloatArray]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, FloatArray] | None:
        batch = next(self._inputs, None)
        return None if batch is None else {INPUT_NAME: np.ascontiguousarray(batch, dtype=np.float32)}

    def __iter__(self) -> '_Reader':
        return self

    def __next__(self) -> dict[str, FloatArray]:
        item = self.get_next()
        if item is None:
            raise StopIteration
        return item


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's chatter, which goes to the root logger, off the terminal."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
