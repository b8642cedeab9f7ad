"""From the heatmaps of a mirrored crop to heatmaps of the crop itself."""

from collections.abc import Sequence

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.skeleton import Skeleton


def mirror_maps(maps: Sequence[FloatArray], skeleton: Skeleton) -> list[FloatArray]:
    """Return the heatmaps (..., K, h, w) of a mirrored crop as those of the crop, left and right swapped.

    They are moved by a cell to the right, as published (SHIFT_HEATMAP): cell u stands for the crop's column 4u, so
    that the mirrored map lies three quarters of a cell too far left.
    """
    heatmaps = np.asarray(maps[0])[..., list(skeleton.flip), :, ::-1]
    shifted = heatmaps.copy()
    shifted[..., 1:] = heatmaps[..., :-1]
    return [shifted]
