"""Loss and errors of a classifier in training."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from pose_estimation_ros.classification.preprocess import VALIDATION, InputSettings, network_input
from pose_estimation_ros.classification.scores import BEST
from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.image import to_bgr
from pose_estimation_ros.training.classification.images import Images
from pose_estimation_ros.training.task import Progress, Validation

THREADS = 4
"""Which read and resize images."""


class Answer(NamedTuple):
    """How well one image was classified."""

    loss: float
    better: int
    """Classes that were thought more probable than the right one."""


@dataclass(frozen=True, eq=False)
class ErrorValidation(Validation):
    """Computes cross entropy, top-1 and top-5 error on images, as `classify --dataset` does."""

    images: Images
    input: InputSettings = VALIDATION
    batch_size: int = 32
    lower_is_better: bool = True

    def run(self, network: nn.Module, rank: int, world: int, progress: Progress) -> list[Answer]:
        """Return the answers on this process's share of the images."""
        share, answers, pending = range(rank, len(self.images), world), [], []
        with ThreadPoolExecutor(THREADS) as pool, torch.no_grad():
            for index in progress(share):
                pending.append(index)
                if len(pending) == self.batch_size or index == share[-1]:
                    inputs = np.stack(list(pool.map(self._input, pending)))
                    answers += _answers(network, inputs, [self.images[each][1] for each in pending])
                    pending.clear()
        return answers

    def score(self, parts: Sequence[list[Answer]]) -> dict[str, float]:
        """Return the mean loss, which decides, and the errors."""
        answers = [each for part in parts for each in part]
        return {
            'loss': math.fsum(each.loss for each in answers) / len(answers),
            'top1_error': sum(each.better >= 1 for each in answers) / len(answers),
            'top5_error': sum(each.better >= BEST for each in answers) / len(answers),
        }

    def tag(self, name: str) -> str:
        """Return a name that differs from those of the losses of training."""
        return f'validation/{name}'

    def _input(self, index: int) -> FloatArray:
        return network_input(to_bgr(self.images[index][0]), self.input)


def _answers(network: nn.Module, inputs: FloatArray, targets: list[int]) -> list[Answer]:
    device = next(network.parameters()).device
    logits = network(torch.from_numpy(inputs).to(device))[0][:, :, 0, 0].float().cpu()
    losses = cross_entropy(logits, torch.tensor(targets), reduction='none').tolist()
    order = logits.argsort(dim=1, descending=True, stable=True)
    places = (order == torch.tensor(targets)[:, None]).int().argmax(1).tolist()
    return [Answer(loss, place) for loss, place in zip(losses, places, strict=True)]
