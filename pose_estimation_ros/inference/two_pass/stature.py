"""How tall people are in a picture, told from whatever of them is seen."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, IntArray
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton

PARTS: Mapping[tuple[str, str], float] = {
    ('shoulder', 'hip'): 0.29,
    ('hip', 'knee'): 0.24,
    ('knee', 'ankle'): 0.24,
    ('shoulder', 'elbow'): 0.17,
    ('elbow', 'wrist'): 0.15,
    ('nose', 'shoulder'): 0.20,
    ('eye', 'ear'): 0.06,
}
"""Lengths of parts of the body seen from the side on which they are longest, as shares of the stature."""
BREADTHS: Mapping[str, float] = {'shoulder': 0.21, 'hip': 0.12, 'ear': 0.09}
"""Distances between left and right."""
ENOUGH = 3
"""Parts whose longest answers agree on a stature: perspective only shortens, but noise lengthens single ones."""


def stature(pose: Pose) -> float:
    """Return about how many pixels tall the person would stand; 0 where nothing tells.

    The third largest of the parts' answers, or the smallest of fewer, and at least the keypoints' extent.
    """
    first, second, share = _measures(pose.skeleton)
    xy = pose.keypoints[:, :2].astype(float)
    lengths = np.linalg.norm(xy[first] - xy[second], axis=1) / share
    seen = np.sort(lengths[np.isfinite(lengths)])[::-1]
    _, _, width, height = pose.bbox
    told = float(seen[:ENOUGH][-1]) if len(seen) else 0.0
    return max(told, width, height)


@cache
def _measures(skeleton: Skeleton) -> tuple[IntArray, IntArray, FloatArray]:
    """Return where the parts begin and end, and what share of the stature each is."""
    rows = []
    for (a, b), share in PARTS.items():
        for side in ('left_', 'right_'):
            rows.append((a if a == 'nose' else side + a, side + b, share))
    rows += [(f'left_{name}', f'right_{name}', share) for name, share in BREADTHS.items()]
    known = [row for row in rows if row[0] in skeleton.keypoints and row[1] in skeleton.keypoints]
    first, second = ([skeleton.keypoints.index(row[end]) for row in known] for end in (0, 1))
    return np.array(first, int), np.array(second, int), np.array([row[2] for row in known])
