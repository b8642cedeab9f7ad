"""The part affinity fields: which keypoints each one joins, and in which channels it lives."""

import numpy as np

from pose_estimation_ros.core.skeleton import OPENPOSE_18

NUM_KEYPOINTS = len(OPENPOSE_18)
NUM_HEATMAPS = NUM_KEYPOINTS + 1
"""One map a keypoint and, last, the background."""

NUM_PAFS = 38

GROUPING_LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17)),
)
"""From keypoint, to keypoint, in the order in which people are put together."""

GROUPING_FIELDS = (6, 10, 7, 8, 11, 12, 0, 1, 2, 3, 4, 5, 14, 15, 17, 16, 18, 9, 13)
"""Field 2k, 2k+1 of the network for each grouping limb: x and y of the unit vector along it."""

EAR_SHOULDER_LIMBS = (17, 18)
"""Limbs that may only complete a person, never start or prolong one."""

LIMB_FROM = np.array([a for a, _ in GROUPING_LIMBS])
LIMB_TO = np.array([b for _, b in GROUPING_LIMBS])
FIELD_OF_LIMB = np.array(GROUPING_FIELDS)


def field_limbs() -> tuple[tuple[int, int], ...]:
    """Return the limbs in the order of the network's fields, which is that of training."""
    order = sorted(range(len(GROUPING_LIMBS)), key=lambda limb: GROUPING_FIELDS[limb])
    return tuple(GROUPING_LIMBS[limb] for limb in order)
