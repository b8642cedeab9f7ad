"""Conversion of ONNX models from fp32 to fp16 or int8."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.inference.backends.onnx_export import INPUT_NAME, require_onnx
from pose_estimation_ros.models.onnx_file import parsed

PERCENTILE = 99.999
"""Activation percentile that sets the int8 range; larger values are clipped.

AP on 160 COCO images, 40 of them for calibration, at height 256 (fp32: 0.314): this percentile 0.302, 99.99 0.230, the
full range 0.271, the entropy method 0.262.
"""


def to_half(model: bytes) -> bytes:
    """Return an ONNX model that computes in fp16; inputs and outputs stay float32."""
    onnx = require_onnx()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it warns of every weight below fp16's smallest number
        half = convert_float_to_float16(parsed(onnx, model), keep_io_types=True)
    return bytes(half.SerializeToString())


def to_int8(model: bytes, calibration: Iterable[FloatArray]) -> bytes:
    """Return a statically quantised ONNX model; `calibration` are inputs (1, 3, H, W) of typical images."""
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
            _CalibrationReader(_one_size(calibration)),
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
    """Pad inputs (1, 3, H, W) to a common size with zeros, since the histograms need inputs of one size."""
    inputs = list(inputs)
    height, width = (max(each.shape[axis] for each in inputs) for axis in (2, 3))
    return [np.pad(each, ((0, 0), (0, 0), (0, height - each.shape[2]), (0, width - each.shape[3]))) for each in inputs]


class _CalibrationReader:
    """Feeds calibration inputs to ONNX Runtime's quantiser (its CalibrationDataReader interface)."""

    def __init__(self, inputs: Iterable[FloatArray]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, FloatArray] | None:
        batch = next(self._inputs, None)
        return None if batch is None else {INPUT_NAME: np.ascontiguousarray(batch, dtype=np.float32)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantiser, which logs to the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
