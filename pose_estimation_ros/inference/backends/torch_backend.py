"""Runs a torch module."""

import copy
import logging

import numpy as np
import torch

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import BackendError
from pose_estimation_ros.inference.backends.backend import BackendSettings, Model, pick_outputs

LOG = logging.getLogger(__name__)

DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


class TorchBackend:
    """torch, eager. On the CPU in float32 it runs the module itself, otherwise a converted copy."""

    name = 'torch'
    fixed_hw: tuple[int | None, int | None] | None = None

    def __init__(self, model: Model, settings: BackendSettings, device: str) -> None:
        precision: str = settings.precision
        if device == 'cpu' and precision == 'fp16':
            LOG.warning('half precision needs a GPU; running in fp32 on the CPU')
            precision = 'fp32'
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.device, self.precision = device, precision
        self._channels, self._label = model.channels, model.label
        self._dtype = DTYPES[precision]
        self._layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self._network = model.network
        if precision != 'fp32' or device != 'cpu' or settings.channels_last:
            moved = copy.deepcopy(model.network).to(device=device, dtype=self._dtype)
            self._network = moved.to(memory_format=self._layout)

    def __call__(self, batch: FloatArray) -> list[FloatArray]:
        was_training = self._network.training
        try:
            if was_training:
                self._network.eval()
            with torch.inference_mode():
                tensor = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device, self._dtype)
                outputs = self._network(tensor.contiguous(memory_format=self._layout))
                indices = pick_outputs([each.shape[1] for each in outputs], self._channels, self._label)
                return [outputs[index].float().contiguous().cpu().numpy() for index in indices]
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise BackendError(
                f'torch cannot run inputs of {batch.shape} on {self.device}: {reason}; where memory is short, '
                'use a lower height or fp16'
            ) from error
        finally:
            if was_training:
                self._network.train()
