"""ONNX files: what a model declares, in which precision it calculates, and freeing its batch, height and width."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends.onnx_export import require_onnx
from pose_estimation_ros.methods.method import GraphFacts

METADATA_KEY = 'pose_estimation_ros'


def with_metadata(model: bytes, metadata: dict[str, object], precision: str) -> bytes:
    """Write into an ONNX model what it needs to be run right."""
    onnx = require_onnx()
    proto = parsed(onnx, model)
    written = {entry.key: entry.value for entry in proto.metadata_props}
    onnx.helper.set_model_props(proto, {**written, METADATA_KEY: json.dumps(metadata), 'precision': precision})
    return bytes(proto.SerializeToString())


NO_GRAPH = GraphFacts('', ())


@dataclass(frozen=True)
class OnnxFacts:
    """Metadata and outputs of an ONNX model."""

    metadata: dict[str, Any]
    """Metadata written by `with_metadata`, {} if there are none."""
    channels: list[int | None]
    """Channels of each output, None if not fixed."""
    graph: GraphFacts = NO_GRAPH


def read_facts(model: bytes) -> OnnxFacts:
    """Return an ONNX model's description of itself; raises BackendError if it is not an ONNX model."""
    import onnxruntime

    try:
        session = _session(onnxruntime, model)
        about = session.get_modelmeta()
        written = json.loads(about.custom_metadata_map.get(METADATA_KEY) or '{}')
    except Exception as error:  # ONNX Runtime's exceptions have no public base class
        raise BackendError(f'not an ONNX model that can be used: {str(error).splitlines()[0][:200]}') from error
    shapes = [each.shape for each in session.get_outputs()]
    channels = [shape[1] if len(shape) == 4 and isinstance(shape[1], int) else None for shape in shapes]
    graph = GraphFacts(about.graph_name, tuple(each.name for each in session.get_outputs()))
    return OnnxFacts(dict(written) if isinstance(written, dict) else {}, channels, graph)


def precision_of(model: bytes) -> str:
    """Return in what an ONNX model calculates: fp32, fp16 or int8."""
    onnx = require_onnx()
    proto = parsed(onnx, model)
    if any(node.op_type in ('QuantizeLinear', 'QLinearConv') for node in proto.graph.node):
        return 'int8'
    halves = any(each.data_type == onnx.TensorProto.FLOAT16 for each in proto.graph.initializer)
    return 'fp16' if halves else 'fp32'


def with_dynamic_sizes(model: bytes) -> bytes:
    """Return an ONNX model with dynamic batch, height and width; raises BackendError if that is impossible."""
    onnx = require_onnx()
    proto = parsed(onnx, model)
    shape = proto.graph.input[0].type.tensor_type.shape
    if len(shape.dim) != 4:
        raise BackendError(
            f'the model does not take images: expected an input with four dimensions, got {len(shape.dim)}'
        )
    if all(not shape.dim[axis].HasField('dim_value') for axis in (0, 2, 3)):
        return model
    for tensor in (proto.graph.input[0], *proto.graph.output):
        for axis, name in ((0, 'batch'), (2, 'height'), (3, 'width')):
            tensor.type.tensor_type.shape.dim[axis].dim_param = f'{name}_{tensor.name}'
    del proto.graph.value_info[:]
    freed = bytes(proto.SerializeToString())
    _try_sizes(freed)
    return freed


def _session(onnxruntime: Any, model: bytes) -> Any:
    """Return a silent session that leaves the model as it is."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])


def _try_sizes(model: bytes) -> None:
    import onnxruntime

    try:
        session = _session(onnxruntime, model)
        source = session.get_inputs()[0]
        kind = np.float16 if source.type == 'tensor(float16)' else np.float32
        for shape in ((1, 3, 64, 96), (2, 3, 96, 64)):
            session.run(None, {source.name: np.zeros(shape, dtype=kind)})
    except Exception as error:  # ONNX Runtime's exceptions have no public base class
        raise BackendError('the model works for the size that it was exported for only; start from the .pth') from error


def parsed(onnx: Any, model: bytes) -> Any:
    try:
        return onnx.load_from_string(model)
    except Exception as error:  # protobuf's own exceptions
        raise BackendError('not an ONNX model that can be converted') from error
