"""What a backend is: the protocol, its settings, and the model that it opens."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError, SettingsError
from pose_estimation_ros.core.settings import check_settings, setting

BACKENDS = ('torch', 'onnxruntime', 'openvino')
PRECISIONS = ('fp32', 'fp16', 'bf16')
PROBE_SIDE = 64


class Backend(Protocol):
    """Runs (N, 3, H, W) float32 through a network and returns the maps wanted, (N, C, h, w) float32 each."""

    name: str
    device: str
    precision: str
    fixed_hw: tuple[int | None, int | None] | None
    """Fixed input height and width of the model, None if any size is accepted."""

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Run a batch; raises BackendError if the model rejects it."""


@dataclass(frozen=True)
class BackendSettings:
    """Where and how a model runs."""

    backend: str = setting(
        'auto', 'Inference backend; auto takes the fastest that is installed.', choices=('auto', *BACKENDS)
    )
    device: str = setting(
        'auto', 'Device of the network; auto takes a GPU if there is one, cuda fails without one.',
        pattern=r'auto|cpu|cuda(:\d+)?', expected='auto, cpu, cuda or cuda:N',
    )  # fmt: skip
    precision: Literal['fp32', 'fp16', 'bf16'] = setting(
        'fp32', 'Floating-point precision; an int8 model stays int8.', parameter=None
    )
    providers: tuple[str, ...] = setting(
        (), 'ONNX Runtime execution providers by name, in order, comma-separated.', parameter=None
    )
    threads: int = setting(
        0, 'Number of CPU threads; 0 for the choice of the backend.', range=(0, math.inf), parameter=None
    )
    channels_last: bool = False
    """Memory layout of torch's tensors; faster on some GPUs and CPUs."""
    may_fall_back: bool = False
    """Whether a CUDA device that is not there is replaced by the CPU, with a warning, rather than refused."""
    half_on_gpu_only: bool = False
    """Whether fp16 on a CPU is replaced by fp32, with a warning: what the learners' `half_precision` promises."""

    def __post_init__(self) -> None:
        try:
            check_settings(self)
        except SettingsError as error:
            raise BackendError(str(error)) from error


def thread_count(requested: int) -> int:
    """Return the threads to ask a library for; OMP_NUM_THREADS, which it does not read itself, is the default."""
    limit = os.environ.get('OMP_NUM_THREADS', '')
    return requested or (int(limit) if limit.isdigit() else 0)


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
        fitting = [index for index, each in left if each == count]
        if not fitting:
            found = ', '.join('unknown' if each is None else str(each) for each in channels)
            raise BackendError(
                f'{label} does not fit: expected outputs with {" and ".join(map(str, wanted))} channels, got {found}'
            )
        picked.append(fitting[-1])
        left = [(index, each) for index, each in left if index != fitting[-1]]
    return picked[::-1]


def probe_stride(backend: Backend, output: int = 0) -> int:
    """Run a small input and return how many input pixels a cell of one of the outputs covers."""
    height, width = (side or PROBE_SIDE for side in backend.fixed_hw or (None, None))
    maps = backend(np.zeros((1, 3, height, width), dtype=np.float32))
    return round(height / int(maps[output].shape[2]))
