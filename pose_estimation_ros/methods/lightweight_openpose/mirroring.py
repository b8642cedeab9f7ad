"""Converts maps of a mirrored input to maps of the original."""

from collections.abc import Sequence

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_KEYPOINTS, field_limbs

HEATMAP_ORDER = (*OPENPOSE_18.flip, NUM_KEYPOINTS)
"""Left and right are swapped, the background stays."""


def _mirrored_fields() -> list[int]:
    """Return for every field the field of the same limb on the other side, in the same direction."""
    limbs = field_limbs()
    return [limbs.index((OPENPOSE_18.flip[a], OPENPOSE_18.flip[b])) for a, b in limbs]


PAF_ORDER = [channel for field in _mirrored_fields() for channel in (2 * field, 2 * field + 1)]


def mirror_maps(maps: Sequence[FloatArray]) -> list[FloatArray]:
    """Return heatmaps (..., 19, H, W) and fields (..., 38, H, W) of a mirrored input as those of the input itself.

    Columns are reversed, left and right swapped, and x of the fields negated. It is its own inverse.
    """
    heatmaps, pafs = (np.asarray(each)[..., ::-1] for each in maps)
    signs = np.tile(np.array([-1, 1], dtype=pafs.dtype), len(PAF_ORDER) // 2)[:, None, None]
    return [np.ascontiguousarray(heatmaps[..., HEATMAP_ORDER, :, :]), pafs[..., PAF_ORDER, :, :] * signs]


def mirror_targets(maps: Sequence[FloatArray]) -> list[FloatArray]:
    """Return heatmaps (..., 19, H, W) and fields (..., 38, H, W) of an input as targets of the mirrored input.

    The published encoding counts fields from the corner of a cell and rounds down, so that networks trained by it see
    limbs about a quarter of a cell too far right, averaged over limbs; the mirrored ones are moved by half a cell.
    """
    heatmaps, pafs = mirror_maps(maps)
    before = np.concatenate([pafs[..., :1], pafs[..., :-1]], axis=-1)
    return [heatmaps, (pafs + before) / 2]
