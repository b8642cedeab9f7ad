"""What the engine trains: the protocols that a task, its data and its validation fulfil."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from pose_estimation_ros.core.arrays import ByteArray

Progress = Callable[[Sequence[Any]], Iterator[Any]]
"""Yields the items of a validation while a progress bar shows how far it is; may end the validation early."""


class Batch(NamedTuple):
    """Inputs and targets, stacked."""

    inputs: Tensor
    targets: list[Tensor]
    keys: Tensor
    """(N, 3): seed, epoch and index of each sample; as the seed of a generator they repeat its augmentation."""


class TrainingData(Protocol):
    """Samples by index, augmented anew in each epoch."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def item(self, index: int, rng: np.random.Generator) -> tuple[Any, Sequence[Any]]:
        """Return the input and the targets of a sample: arrays whose shapes are those of every other sample.

        All randomness comes from `rng`. A PoseEstimationError raised here reaches the caller of `train` as it is.
        """


class Validation(Protocol):
    """Scores networks on samples that they are not trained on, in one process or several."""

    lower_is_better: bool = False
    """Whether the best checkpoint has the lowest first score, not the highest."""

    def run(self, network: nn.Module, rank: int, world: int, progress: Progress) -> Any:
        """Return the results of process `rank` of `world` on its share of the samples; they are pickled.

        The network is in evaluation mode. The samples are iterated through `progress`.
        """

    def score(self, parts: Sequence[Any]) -> dict[str, float]:
        """Return scores by name from the results of all processes; the first decides which checkpoint is the best."""

    def tag(self, name: str) -> str:
        """Return the name of a score in TensorBoard."""
        return name


class Task(Protocol):
    """A network, what it learns from, and how good it is. Subclass it to inherit the defaults."""

    network: nn.Module
    """Trained in place; its weights are what checkpoints offer to other programs."""
    data: TrainingData
    auxiliary: nn.Module | None = None
    """Moved to the network's device; its parameters are trained and kept in checkpoints, for resuming alone."""
    validation: Validation | None = None
    unit: str = 'sample'
    """What one item of a batch is called, in the singular."""
    parameters: Mapping[str, Any] = {}
    """What loggers record besides the engine's settings, nested as needed."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the parts of the loss by name, scalars whose sum is minimised, each a mean over the batch."""

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return groups for a torch optimizer that hold every trainable parameter exactly once."""
        modules = [self.network] if self.auxiliary is None else [self.network, self.auxiliary]
        parameters = [each for module in modules for each in module.parameters() if each.requires_grad]
        return [{'params': parameters, 'lr': lr, 'weight_decay': weight_decay}]

    def draw(self, batch: Batch) -> ByteArray | None:
        """Return an image (H, W, 3) BGR for the logs of a few samples, None for tasks that draw nothing.

        The network is in evaluation mode and gradients are off.
        """
        return None

    def plots(self, batch: Batch) -> Mapping[str, ByteArray]:
        """Return more images (H, W, 3) BGR by name for the logs of the first sample; called as `draw` is."""
        return {}

    def example(self, index: int, rng: np.random.Generator) -> ByteArray | None:
        """Return a drawn sample (H, W, 3) BGR as it is trained on, with its labels; None for tasks that draw nothing.

        All are of one size.
        """
        return None
