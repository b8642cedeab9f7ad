"""What runs a network: torch, ONNX Runtime or OpenVINO behind one call, and which of them to take."""

import importlib.util
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError

LOG = logging.getLogger(__name__)

BACKENDS = ('torch', 'onnxruntime', 'openvino')
PRECISIONS = ('fp32', 'fp16', 'bf16')
PROBE_SIDE = 64


class Backend(Protocol):
    """Runs (N, 3, H, W) float32 through a network and returns the maps wanted, (N, C, h, w) float32 each."""

    name: str
    device: str
    precision: str
    fixed_hw: tuple[int | None, int | None] | None
    """The only height and width that the model takes, None where it takes any."""

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Run a batch; raises BackendError where the model does not take it."""


@dataclass(frozen=True)
class BackendSettings:
    """Where and how to run. `providers` are ONNX Runtime's execution providers, by name and in order."""

    backend: str = 'auto'
    device: str = 'auto'
    precision: Literal['fp32', 'fp16', 'bf16'] = 'fp32'
    providers: tuple[str, ...] = ()
    threads: int = 0
    """CPU threads of ONNX Runtime and OpenVINO, 0 for their own choice."""
    channels_last: bool = False
    """Memory layout of torch's tensors; faster on some GPUs and CPUs."""
    may_fall_back: bool = False
    """Whether a CUDA device that is not there is replaced by the CPU, with a warning, rather than refused."""
    half_on_gpu_only: bool = False
    """Whether fp16 on a CPU is replaced by fp32, with a warning: what the learners' `half_precision` promises."""

    def __post_init__(self) -> None:
        if self.backend not in ('auto', *BACKENDS):
            raise BackendError(f'backend must be auto, {", ".join(BACKENDS)}, got {self.backend!r}')
        if self.precision not in PRECISIONS:
            raise BackendError(f'precision must be one of {", ".join(PRECISIONS)}, got {self.precision!r}')
        if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', self.device):
            raise BackendError(f'device must be auto, cpu, cuda or cuda:N, got {self.device!r}')
        if self.threads < 0:
            raise BackendError(f'threads must be 0 (automatic) or more, got {self.threads}')


@dataclass(frozen=True, eq=False)
class Model:
    """A network in the form that it came in: exactly one of a torch module, ONNX bytes or an OpenVINO file."""

    channels: tuple[int, ...]
    """Of the outputs wanted, in this order; the last output with as many channels is meant."""
    network: Any = None
    onnx: bytes | None = None
    xml: Path | None = None
    label: str = 'the model'

    def runs_on(self) -> tuple[str, ...]:
        """Return the backends that can take this form, the fastest on a CPU first."""
        if self.xml is not None:
            return ('openvino',)
        return ('openvino', 'onnxruntime') if self.onnx is not None else ('openvino', 'onnxruntime', 'torch')


def open_backend(model: Model, settings: BackendSettings) -> Backend:
    """Open a model where the settings say; 'auto' takes the fastest backend installed."""
    device = _resolve_device(model, settings)
    if device == 'cpu':
        return _open(model, settings, device)
    try:
        return _open(model, settings, device)
    except BackendError as error:
        # A build with CUDA may be installed where there is no device, which shows only when it is used.
        if settings.providers or not (settings.device == 'auto' or settings.may_fall_back):
            raise
        LOG.warning('%s; running on the CPU', error)
        return _open(model, settings, 'cpu')


def _open(model: Model, settings: BackendSettings, device: str) -> Backend:
    if device == 'cpu' and settings.half_on_gpu_only and settings.precision == 'fp16':
        LOG.warning('half precision needs a GPU; running in fp32 on the CPU')
        settings = replace(settings, precision='fp32')
    return OPENERS[_resolve_name(model, settings, device)](model, settings, device)


def _open_torch(model: Model, settings: BackendSettings, device: str) -> Backend:
    from pose_estimation_ros.inference.torch_backend import TorchBackend

    return TorchBackend(model, settings, device)


def _open_onnxruntime(model: Model, settings: BackendSettings, device: str) -> Backend:
    from pose_estimation_ros.inference.onnx_backend import OnnxBackend

    return OnnxBackend(model, settings, device)


def _open_openvino(model: Model, settings: BackendSettings, device: str) -> Backend:
    from pose_estimation_ros.inference.openvino_backend import OpenVinoBackend

    return OpenVinoBackend(model, settings, device)


OPENERS: dict[str, Callable[[Model, BackendSettings, str], Backend]] = {
    'torch': _open_torch,
    'onnxruntime': _open_onnxruntime,
    'openvino': _open_openvino,
}
"""Backend -> what opens a model in it; the library is imported there, and only there."""


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
    problem = f'device {settings.device} is asked for, but no CUDA device is seen here by {" or ".join(candidates)}'
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


def pick_outputs(channels: Sequence[int | None], wanted: Sequence[int], label: str) -> list[int]:
    """Return the index of the last output with each wanted number of channels."""
    left = list(enumerate(channels))
    picked = []
    for count in reversed(wanted):
        places = [index for index, each in left if each == count]
        if not places:
            found = ', '.join('unknown' if each is None else str(each) for each in channels)
            raise BackendError(
                f'{label} is a model for something else: this method needs maps of {" and ".join(map(str, wanted))} '
                f'channels, its outputs have {found}'
            )
        picked.append(places[-1])
        left = [(index, each) for index, each in left if index != places[-1]]
    return picked[::-1]


def probe_stride(backend: Backend) -> int:
    """Run a small input and return how many input pixels a cell of the maps covers."""
    height, width = (side or PROBE_SIDE for side in backend.fixed_hw or (None, None))
    maps = backend(np.zeros((1, 3, height, width), dtype=np.float32))
    return round(height / int(maps[0].shape[2]))
