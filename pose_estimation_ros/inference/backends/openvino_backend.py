"""Runs ONNX and OpenVINO models through OpenVINO on the CPU: the fastest way on Intel processors."""

from typing import Any

import numpy as np
import openvino

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model, pick_outputs, thread_count

HINTS = {'fp32': 'f32', 'fp16': 'f16', 'bf16': 'bf16'}
CAPABILITIES = {'fp16': 'FP16', 'bf16': 'BF16'}


class OpenVinoBackend:
    """OpenVINO's CPU plug-in, with inputs of any size (models of a fixed size are reshaped)."""

    name = 'openvino'
    device = 'cpu'

    def __init__(self, model: Model, settings: BackendSettings, device: str) -> None:
        if device != 'cpu':
            raise BackendError(f'the openvino backend runs on the CPU, not on {device}')
        core = openvino.Core()
        self._label = model.label
        graph = _read(core, model)
        self.fixed_hw = _make_dynamic(graph)
        self._shape = graph.inputs[0].partial_shape
        channels = [_static(each.partial_shape, 1) for each in graph.outputs]
        self._outputs = pick_outputs(channels, model.channels, model.label)
        self.precision = 'int8' if _is_quantised(graph) else _supported(core, settings.precision)
        hints: dict[str, Any] = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': HINTS[self._hint(settings)]}
        if threads := thread_count(settings.threads):
            hints['INFERENCE_NUM_THREADS'] = threads
        try:
            self._request = core.compile_model(graph, 'CPU', hints).create_infer_request()
        except RuntimeError as error:
            raise BackendError(f'OpenVINO cannot compile {model.label}: {_first(error)}') from error

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Run a batch; the maps returned are copies, since OpenVINO uses its memory again."""
        if not self._shape.compatible(openvino.PartialShape(list(batch.shape))):
            # With one thread OpenVINO does not complain: it returns maps without a cell.
            raise BackendError(f'{self._label} takes inputs of {self._shape}, got {batch.shape}')
        try:
            self._request.infer({0: np.ascontiguousarray(batch, dtype=np.float32)})
        except RuntimeError as error:
            raise BackendError(f'OpenVINO cannot run {self._label} on {batch.shape}: {_first(error)}') from error
        return [np.array(self._request.get_output_tensor(index).data, dtype=np.float32) for index in self._outputs]

    def _hint(self, settings: BackendSettings) -> str:
        return settings.precision if self.precision == 'int8' else self.precision


def _read(core: openvino.Core, model: Model) -> openvino.Model:
    try:
        if model.xml is not None:
            return core.read_model(model.xml)
        if model.onnx is None:
            from pose_estimation_ros.inference.backends.onnx_export import export_onnx

            return core.read_model(export_onnx(model.network))
        return core.read_model(model.onnx)
    except RuntimeError as error:
        raise BackendError(f'OpenVINO cannot read {model.label}: {_first(error)}') from error


def _make_dynamic(graph: openvino.Model) -> tuple[int | None, int | None] | None:
    """Make the input size dynamic; return the model's fixed size if that is impossible."""
    shape = graph.inputs[0].partial_shape
    try:
        graph.reshape([-1, 3, -1, -1])
    except RuntimeError:
        return _static(shape, 2), _static(shape, 3)
    return None


def _static(shape: Any, axis: int) -> int | None:
    if shape.rank.is_dynamic or len(shape) <= axis or shape[axis].is_dynamic:
        return None
    return int(shape[axis].get_length())


def _is_quantised(graph: openvino.Model) -> bool:
    return any(node.get_type_name() in ('FakeQuantize', 'QuantizeLinear') for node in graph.get_ops())


def _supported(core: openvino.Core, precision: str) -> str:
    capabilities = core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    if precision == 'fp32' or CAPABILITIES[precision] in capabilities:
        return precision
    others = [name for name, capability in CAPABILITIES.items() if capability in capabilities]
    raise BackendError(f'this processor does not calculate in {precision}; use {" or ".join(["fp32", *others])}')


def _first(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line and not line.startswith('Exception from')]
    return (lines[-1] if lines else type(error).__name__)[:300]
