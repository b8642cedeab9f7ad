"""What led a decoder to its poses: the data that plots show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.geometry import Placement
from pose_estimation_ros.core.pose import Pose


@dataclass(frozen=True, eq=False)
class Explanation:
    """The poses of one image, and the maps and tags behind them."""

    poses: list[Pose]
    placement: Placement
    """How the image lies in the network's input, all of which the maps cover."""
    heatmaps: FloatArray
    """(K, h, w), about 0 to 1."""
    tags: FloatArray
    """(P, K, T): tags by which each person's keypoints were grouped, NaN for keypoints without; T is 0 if the method
    groups by something else."""
    tag_maps: FloatArray
    """(T, K, h, w)."""
    min_score: float = 0.0
    """Of keypoints that plots show."""


@runtime_checkable
class ExplainingDecoder(Protocol):
    """A decoder that can say what led to its poses."""

    def explain(self, maps: Sequence[FloatArray], placement: Placement) -> Explanation:
        """Decode what `merge` returned into poses, with what they come from."""
