"""What a network is trained towards and how the published one was trained. NumPy only, as methods/method.py."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pose_estimation_ros.core.arrays import AnyArray, BoolArray, FloatArray
from pose_estimation_ros.data.datasets.coco import CocoKeypoints


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is known of the people in one network input; see data/sample.py for the fields."""

    keypoints: FloatArray
    """(P, K, 3): x and y in network-input pixels, and COCO's flag (0 not labelled, 1 hidden, 2 visible), in the
    order of the method's skeleton. Keypoints may lie outside the input."""
    mask: AnyArray
    """(H, W): 1 where the loss counts, 0 where nobody annotated."""
    annotated: BoolArray
    """(K,): the keypoints that this image's dataset labels at all."""
    areas: FloatArray
    """(P,): square network-input pixels that each person covers."""
    mirrored: bool = False
    """Whether the input is a mirror image, of which everything above is the mirror image too."""


class Objective(Protocol):
    """What a network is trained towards: targets, the inverse of decoding, and how far outputs are from them.

    Subclass it to train all parameters alike.
    Torch is imported by `loss` and `parameter_groups` alone; their tensors and modules are torch's.
    """

    def encode(self, annotation: Annotation) -> tuple[AnyArray, ...]:
        """Return the targets of one network input, arrays whose shapes depend on the input's size alone.

        The first holds the heatmaps of the skeleton's keypoints, in the first of its channels.
        """

    def loss(self, outputs: Sequence[Any], targets: Sequence[Any]) -> dict[str, Any]:
        """Return the parts of the loss by name, scalars whose sum is minimised, each a mean over the batch.

        Args:
            outputs: What the network returned in training mode.
            targets: Those of `encode`, stacked: (N, ...).

        """

    def parameter_groups(self, network: Any, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return the published parameter groups for a torch optimizer; every trainable parameter is in exactly one."""
        parameters = [each for each in network.parameters() if each.requires_grad]
        return [{'params': parameters, 'lr': lr, 'weight_decay': weight_decay}]


@dataclass(frozen=True)
class PublishedTraining:
    """How the published networks were trained: what `fit` and recipes of the method do unless told otherwise.

    The first four have fields of the sections of recipes of the same names.
    """

    optimizer: Mapping[str, Any]
    schedule: Mapping[str, Any]
    trainer: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)
    open_coco: Callable[[Path, Path], Any] = CocoKeypoints
    """Opens a folder of COCO images and its annotations as the published training prepares them."""
    still: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the augmentation that leave nothing to chance, for validation by loss."""
