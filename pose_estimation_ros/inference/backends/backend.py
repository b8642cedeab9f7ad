"""What a backend is: the protocol, its settings, and the model that it opens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError

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
