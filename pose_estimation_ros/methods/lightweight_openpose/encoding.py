"""Training targets of Lightweight OpenPose: the inverse of decoding, from annotated people to a network's maps.

People are (P, 18, 3): x and y in network-input pixels, and a flag that says whether the keypoint counts.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.methods.lightweight_openpose.limbs import NUM_HEATMAPS, NUM_KEYPOINTS, NUM_PAFS, field_limbs

OCCLUDED, VISIBLE, ABSENT = 0, 1, 2
"""Flags of the published training code; the first two count as keypoints."""

FLAG_OF_COCO = np.array([ABSENT, OCCLUDED, VISIBLE])
"""By COCO's own flag: 0 not labelled, 1 labelled but not visible, 2 visible."""

LOWEST = float(np.exp(-4.6052))
"""About 0.01 (the published code cuts at this exponent): a heatmap is zero where its Gaussian falls below."""


@dataclass(frozen=True)
class TargetSettings:
    """Shape of the targets; the defaults are the published values."""

    stride: int = setting(8, 'Network-input pixels per cell.', range=(1, math.inf))
    sigma: float = setting(7.0, "Standard deviation of a keypoint's Gaussian, in network-input pixels.", above=0)
    paf_thickness: float = setting(1.0, 'Cells on either side of a limb that its field covers.', above=0)

    def __post_init__(self) -> None:
        check_settings(self)

    def map_hw(self, network_hw: tuple[int, int]) -> tuple[int, int]:
        return network_hw[0] // self.stride, network_hw[1] // self.stride


def absent_outside(people: FloatArray, network_hw: tuple[int, int]) -> FloatArray:
    """Return people (P, 18, 3) whose keypoints outside the network's input are absent."""
    inside = ((people[..., :2] >= 0) & (people[..., :2] < network_hw[::-1])).all(axis=-1)
    return np.concatenate([people[..., :2], np.where(inside, people[..., 2], ABSENT)[..., None]], axis=-1)


def encode(
    people: FloatArray, network_hw: tuple[int, int], settings: TargetSettings | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the heatmaps (19, H/s, W/s) and fields (38, H/s, W/s) of people (P, 18, 3), the main person first."""
    settings = settings or TargetSettings()
    return encode_heatmaps(people, network_hw, settings), encode_pafs(people, network_hw, settings)


def encode_heatmaps(people: FloatArray, network_hw: tuple[int, int], settings: TargetSettings) -> FloatArray:
    """Return (19, H/s, W/s): a Gaussian a keypoint, added up to at most 1 where people overlap; last the background."""
    height, width = settings.map_hw(network_hw)
    heatmaps = np.zeros((NUM_HEATMAPS, height, width), dtype=np.float32)
    for kind in range(NUM_KEYPOINTS):
        xy = people[people[:, kind, 2] < ABSENT, kind, :2]
        heatmaps[kind] = np.minimum(_gaussians(xy, (height, width), settings).sum(axis=0), 1)
    heatmaps[-1] = 1 - heatmaps[:-1].max(axis=0)
    return heatmaps


def _gaussians(xy: FloatArray, map_hw: tuple[int, int], settings: TargetSettings) -> FloatArray:
    """Return (N, h, w), one map a point; a cell's value is that at its centre."""
    centre_y, centre_x = (np.arange(side) * settings.stride + settings.stride / 2 - 0.5 for side in map_hw)
    along_x = np.exp(-np.square(centre_x - xy[:, :1]) / (2 * settings.sigma**2))  # (N, w)
    along_y = np.exp(-np.square(centre_y - xy[:, 1:]) / (2 * settings.sigma**2))  # (N, h)
    gaussians: FloatArray = along_y[:, :, None] * along_x[:, None]
    gaussians[gaussians < LOWEST] = 0
    return gaussians


def encode_pafs(people: FloatArray, network_hw: tuple[int, int], settings: TargetSettings) -> FloatArray:
    """Return (38, H/s, W/s): along each limb the unit vector from its first to its second keypoint.

    Where limbs of one kind cross, the last person's stays. As published, a keypoint lies at x / stride, without
    regard to pixel centres; kept so that networks trained here decode like the published ones.
    """
    pafs = np.zeros((NUM_PAFS, *settings.map_hw(network_hw)), dtype=np.float32)
    counts, cells = people[..., 2] < ABSENT, people[..., :2] / settings.stride
    for field, (a, b) in enumerate(field_limbs()):
        for person in np.flatnonzero(counts[:, a] & counts[:, b]):
            _draw_limb(pafs[2 * field : 2 * field + 2], cells[person, a], cells[person, b], settings.paf_thickness)
    return pafs


def _draw_limb(field: FloatArray, start: FloatArray, end: FloatArray, thickness: float) -> None:
    """Write the unit vector from start to end, in cells, into the (2, h, w) cells no farther than `thickness`."""
    length = float(np.linalg.norm(end - start))
    if length < 1e-7:
        return
    unit = (end - start) / length
    map_wh = field.shape[:0:-1]
    low = np.clip(np.minimum(start, end) - thickness, 0, map_wh).astype(int)
    high = np.clip(np.maximum(start, end) + thickness, 0, map_wh).astype(int)
    x, y = np.arange(low[0], high[0]), np.arange(low[1], high[1])[:, None]
    near = np.abs((x - start[0]) * unit[1] - (y - start[1]) * unit[0]) <= thickness
    window = field[:, low[1] : high[1], low[0] : high[0]]
    window[:, near] = unit[:, None]


def shrink_mask(mask: AnyArray, stride: int) -> FloatArray:
    """Return the fraction of each cell (H/s, W/s) that an (H, W) loss mask covers: 1 counts, 0 is masked (crowds)."""
    height, width = mask.shape
    size = (width // stride, height // stride)
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
