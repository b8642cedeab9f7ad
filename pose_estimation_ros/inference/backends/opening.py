"""Choosing a backend for a model and a device, and opening the model in it."""

import importlib
import importlib.util
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends.backend import Backend, BackendSettings, Model

LOG = logging.getLogger(__name__)


def open_backend(model: Model, settings: BackendSettings) -> Backend:
    """Open a model as the settings say; 'auto' takes the fastest backend installed."""
    device = _resolve_device(model, settings)
    if device == 'cpu':
        return _open(model, settings, device)
    try:
        return _open(model, settings, device)
    except BackendError as error:
        # A build with CUDA may be installed if there is no device, which shows only when it is used.
        if settings.providers or not (settings.device == 'auto' or settings.may_fall_back):
            raise
        LOG.warning('%s; running on the CPU', error)
        return _open(model, settings, 'cpu')


def _open(model: Model, settings: BackendSettings, device: str) -> Backend:
    if device == 'cpu' and settings.half_on_gpu_only and settings.precision == 'fp16':
        LOG.warning('half precision needs a GPU; running in fp32 on the CPU')
        settings = replace(settings, precision='fp32')
    module, _, kind = OPENERS[_resolve_name(model, settings, device)].partition(':')
    opener: Callable[[Model, BackendSettings, str], Backend] = getattr(
        importlib.import_module(f'{__package__}.{module}'), kind
    )
    return opener(model, settings, device)


OPENERS = {
    'torch': 'torch_backend:TorchBackend',
    'onnxruntime': 'onnx_backend:OnnxBackend',
    'openvino': 'openvino_backend:OpenVinoBackend',
}
"""Backend -> module and class that runs a model; the library is imported there, and only there."""


def installed(name: str) -> bool:
    """Whether a backend's package is importable."""
    return importlib.util.find_spec(name) is not None


def gpu_backends(among: Sequence[str] = ('torch', 'onnxruntime')) -> tuple[str, ...]:
    """Return those backends that see a CUDA device here."""
    found = []
    if 'torch' in among and installed('torch'):
        import torch

        if torch.cuda.is_available():
            found.append('torch')
    if 'onnxruntime' in among and installed('onnxruntime'):
        import onnxruntime

        if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
            found.append('onnxruntime')
    return tuple(found)


def _resolve_device(model: Model, settings: BackendSettings) -> str:
    if settings.device == 'cpu':
        return 'cpu'
    candidates = _wanted(model, settings)
    if settings.device == 'auto':
        wants_gpu = not settings.providers or any(name.startswith(('CUDA', 'Tensorrt')) for name in settings.providers)
        return 'cuda' if wants_gpu and gpu_backends(candidates) else 'cpu'
    if gpu_backends(candidates):
        return settings.device
    problem = f'device {settings.device} was requested, but no CUDA device is available to {" or ".join(candidates)}'
    if not settings.may_fall_back:
        raise BackendError(f'{problem}; install a CUDA build of torch or onnxruntime, or use device cpu or auto')
    LOG.warning('%s; running on the CPU', problem)
    return 'cpu'


def _resolve_name(model: Model, settings: BackendSettings, device: str) -> str:
    candidates = _wanted(model, settings)
    if device != 'cpu' and not settings.providers:
        # A GPU runs the module itself best; ONNX files go through ONNX Runtime's providers.
        candidates = gpu_backends(candidates)
    for name in candidates:
        if installed(name):
            return name
    wanted = ' or '.join(candidates) or settings.backend
    raise BackendError(
        f'{model.label} needs the backend {wanted} on {device}, which is not installed here: '
        f'pip install {(candidates or ("onnxruntime-gpu",))[0]}'
    )


def _wanted(model: Model, settings: BackendSettings) -> tuple[str, ...]:
    """Return the backends that both the model and the settings allow, best first."""
    possible = model.runs_on()
    if settings.providers:
        if settings.backend not in ('auto', 'onnxruntime') or 'onnxruntime' not in possible:
            raise BackendError("providers are ONNX Runtime's: use them with an ONNX or torch model and that backend")
        return ('onnxruntime',)
    if settings.backend == 'auto':
        return possible
    if settings.backend not in possible:
        raise BackendError(f'{model.label} runs on {" or ".join(possible)}, not on {settings.backend}')
    return (settings.backend,)
