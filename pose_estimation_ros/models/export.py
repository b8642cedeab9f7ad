"""ONNX models: half precision, int8, dynamic sizes, and metadata on the input that a model expects."""

import contextlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends.tracing import INPUT_NAME, require_onnx
from pose_estimation_ros.methods.method import GraphFacts

METADATA_KEY = 'pose_estimation_ros'

PERCENTILE = 99.999
"""Of activations that int8 must represent. On 160 COCO images (40 of them for calibration, height 256, fp32 0.314 AP)
this gave 0.302, the full range 0.271, 99.99 gave 0.230 and the entropy method 0.262."""


def to_half(model: bytes) -> bytes:
    """Return an ONNX model that calculates in fp16; inputs and outputs stay float32."""
    onnx = require_onnx()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it warns of every weight below fp16's smallest number
        half = convert_float_to_float16(_parsed(onnx, model), keep_io_types=True)
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


def with_metadata(model: bytes, metadata: dict[str, object], precision: str) -> bytes:
    """Write into an ONNX model what it needs to be run right."""
    onnx = require_onnx()
    proto = _parsed(onnx, model)
    written = {entry.key: entry.value for entry in proto.metadata_props}
    onnx.helper.set_model_props(proto, {**written, METADATA_KEY: json.dumps(metadata), 'precision': precision})
    return bytes(proto.SerializeToString())


NO_GRAPH = GraphFacts('', ())


@dataclass(frozen=True)
class OnnxFacts:
    """What an ONNX model says of itself."""

    metadata: dict[str, Any]
    """What `with_metadata` wrote, {} where there is nothing."""
    channels: list[int | None]
    """Of each output, None where it is not fixed."""
    graph: GraphFacts = NO_GRAPH


def read_facts(model: bytes) -> OnnxFacts:
    """Return what an ONNX model says of itself; raises BackendError where it is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
        about = session.get_modelmeta()
        written = json.loads(about.custom_metadata_map.get(METADATA_KEY) or '{}')
    except Exception as error:  # ONNX Runtime's own exceptions share no public base
        raise BackendError(f'not an ONNX model that can be used: {str(error).splitlines()[0][:200]}') from error
    shapes = [each.shape for each in session.get_outputs()]
    channels = [shape[1] if len(shape) == 4 and isinstance(shape[1], int) else None for shape in shapes]
    graph = GraphFacts(about.graph_name, tuple(each.name for each in session.get_outputs()))
    return OnnxFacts(dict(written) if isinstance(written, dict) else {}, channels, graph)


def precision_of(model: bytes) -> str:
    """Return in what an ONNX model calculates: fp32, fp16 or int8."""
    onnx = require_onnx()
    proto = _parsed(onnx, model)
    if any(node.op_type in ('QuantizeLinear', 'QLinearConv') for node in proto.graph.node):
        return 'int8'
    halves = any(each.data_type == onnx.TensorProto.FLOAT16 for each in proto.graph.initializer)
    return 'fp16' if halves else 'fp32'


def with_dynamic_sizes(model: bytes) -> bytes:
    """Return an ONNX model whose batch, height and width are free; raises BackendError where it cannot be so."""
    onnx = require_onnx()
    proto = _parsed(onnx, model)
    shape = proto.graph.input[0].type.tensor_type.shape
    if len(shape.dim) != 4:
        raise BackendError('the model takes no pictures: its input has not four dimensions')
    if all(not shape.dim[axis].HasField('dim_value') for axis in (0, 2, 3)):
        return model
    for tensor in (proto.graph.input[0], *proto.graph.output):
        for axis, name in ((0, 'batch'), (2, 'height'), (3, 'width')):
            tensor.type.tensor_type.shape.dim[axis].dim_param = f'{name}_{tensor.name}'
    del proto.graph.value_info[:]
    freed = bytes(proto.SerializeToString())
    _try_sizes(freed)
    return freed


def _try_sizes(model: bytes) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
        source = session.get_inputs()[0]
        kind = np.float16 if source.type == 'tensor(float16)' else np.float32
        for shape in ((1, 3, 64, 96), (2, 3, 96, 64)):
            session.run(None, {source.name: np.zeros(shape, dtype=kind)})
    except Exception as error:  # ONNX Runtime's own exceptions share no public base
        raise BackendError('the model works for the size that it was exported for only; start from the .pth') from error


def _parsed(onnx: Any, model: bytes) -> Any:
    try:
        return onnx.load_from_string(model)
    except Exception as error:  # protobuf's own exceptions
        raise BackendError('not an ONNX model that can be converted') from error


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
