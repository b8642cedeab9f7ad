"""Runs ONNX models through ONNX Runtime; needs no torch for models that are ONNX already."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model, pick_outputs, thread_count

LOG = logging.getLogger(__name__)


class OnnxBackend:
    """ONNX Runtime with the requested execution providers; never falls back to others silently."""

    name = 'onnxruntime'

    def __init__(self, model: Model, settings: BackendSettings, device: str) -> None:
        content = model.onnx if model.onnx is not None else _exported(model)
        self.device = device
        self._label = model.label
        self._session = _open_session(content, _providers(settings, device), settings, model.label)
        source = self._session.get_inputs()[0]
        self._input, self._dtype = source.name, np.float16 if source.type == 'tensor(float16)' else np.float32
        self._shape: list[Any] = source.shape
        self.precision = 'fp16' if self._dtype is np.float16 else _file_precision(self._session)
        if settings.precision != 'fp32' and self.precision == 'fp32':
            LOG.warning('%s is an fp32 model; ONNX Runtime runs it as it is (export it with fp16)', model.label)
        height, width = (side if isinstance(side, int) else None for side in self._shape[2:4])
        self.fixed_hw = None if height is None and width is None else (height, width)
        self._names = self._pick(model.channels)

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Run a batch, image by image if the model's batch size is fixed at 1."""
        if self._shape[0] == 1 and len(batch) > 1:
            singles = [self(batch[index : index + 1]) for index in range(len(batch))]
            return [np.concatenate(parts) for parts in zip(*singles, strict=True)]
        self._check(batch)
        try:
            outputs = self._session.run(self._names, {self._input: batch.astype(self._dtype, copy=False)})
        except Exception as error:  # ONNX Runtime's exceptions have no public base class
            raise BackendError(f'ONNX Runtime cannot run {self._label} on {batch.shape}: {_first(error)}') from error
        return [np.asarray(each, dtype=np.float32) for each in outputs]

    def _pick(self, wanted: tuple[int, ...]) -> list[str]:
        outputs = self._session.get_outputs()
        channels = [each.shape[1] if len(each.shape) == 4 else None for each in outputs]
        indices = pick_outputs([c if isinstance(c, int) else None for c in channels], wanted, self._label)
        return [outputs[index].name for index in indices]

    def _check(self, batch: FloatArray) -> None:
        fixed = [(want, got) for want, got in zip(self._shape, batch.shape, strict=True) if isinstance(want, int)]
        if any(want != got for want, got in fixed):
            shape = 'x'.join(str(side) if isinstance(side, int) else '?' for side in self._shape)
            raise BackendError(
                f'{self._label} takes inputs of {shape}, got {batch.shape}; choose the height it was made for, '
                'or export it again with dynamic sizes'
            )


def _exported(model: Model) -> bytes:
    from pose_estimation_ros.inference.backends.onnx_export import export_onnx

    return export_onnx(model.network)


def _providers(settings: BackendSettings, device: str) -> list[Any]:
    available = onnxruntime.get_available_providers()
    wanted = list(settings.providers) or (['CUDAExecutionProvider'] if device != 'cpu' else [])
    missing = [name for name in wanted if name not in available]
    if missing:
        raise BackendError(
            f'ONNX Runtime here has no {", ".join(missing)} (it has {", ".join(available)}); '
            'install a build that has it, such as onnxruntime-gpu'
        )
    if 'TensorrtExecutionProvider' in wanted and 'CUDAExecutionProvider' in available:
        wanted.append('CUDAExecutionProvider')  # for what TensorRT does not take
    names = dict.fromkeys([*wanted, 'CPUExecutionProvider'])
    return [(name, _provider_options(name, settings, device)) for name in names]


def _provider_options(name: str, settings: BackendSettings, device: str) -> dict[str, Any]:
    index = {'device_id': int(device.partition(':')[2] or 0)}
    if name == 'CUDAExecutionProvider':
        return index
    if name == 'TensorrtExecutionProvider':  # it builds an engine for minutes: once, not at every start
        cache = Path.home() / '.cache' / 'pose_estimation_ros' / 'tensorrt'
        cached = {'trt_engine_cache_enable': True, 'trt_engine_cache_path': str(cache)}
        return {**index, **cached, 'trt_fp16_enable': settings.precision == 'fp16'}
    return {}


def _open_session(
    content: bytes, providers: list[Any], settings: BackendSettings, label: str
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = thread_count(settings.threads)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions have no public base class
        raise BackendError(f'ONNX Runtime cannot open {label}: {_first(error)}') from error
    first = providers[0][0]
    if session.get_providers()[0] != first:
        raise BackendError(
            f'{first} could not be started (its libraries do not load), '
            'and device cpu was not requested; fix the installation or use device cpu'
        )
    return session


def _file_precision(session: onnxruntime.InferenceSession) -> str:
    return str(session.get_modelmeta().custom_metadata_map.get('precision', 'fp32'))


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
