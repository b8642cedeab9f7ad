"""Runs a torch module."""

import copy
import logging

import numpy as np
import torch

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backend import BackendSettings, Model, pick_outputs

LOG = logging.getLogger(__name__)

DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


class TorchBackend:
    """torch, eager; the module is copied, so that a half-precision run leaves the learner's own in float32."""

    name = 'torch'
    fixed_hw: tuple[int, int] | None = None

    def __init__(self, model: Model, settings: BackendSettings, device: str) -> None:
        precision: str = settings.precision
        if device == 'cpu' and precision == 'fp16':
            LOG.warning('half precision needs a GPU; running in fp32 on the CPU')
            precision = 'fp32'
        self.device, self.precision = device, precision
        self._channels, self._label = model.channels, model.label
        self._dtype = DTYPES[precision]
        self._layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        if precision == 'fp32' and device == 'cpu' and not settings.channels_last:
            self._network = model.network.eval()
        else:
            moved = copy.deepcopy(model.network).to(device=device, dtype=self._dtype)
            self._network = moved.to(memory_format=self._layout).eval()

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        """Run a batch; raises BackendError where the device has not enough memory."""
        try:
            with torch.inference_mode():
                tensor = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device, self._dtype)
                outputs = self._network(tensor.contiguous(memory_format=self._layout))
                places = pick_outputs([each.shape[1] for each in outputs], self._channels, self._label)
                return [outputs[place].float().contiguous().cpu().numpy() for place in places]
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f'{self.device} has not enough memory for inputs of {batch.shape}; use a lower height or fp16'
            ) from error
