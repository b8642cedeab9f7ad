"""From a network's outputs to one set of heatmaps and tags, for one input or for several scales and mirrored ones.

Outputs are (34, h/4, w/4), heatmaps before tags, and heatmaps alone (17, h/2, w/2). Merged maps are heatmaps (17, H, W)
and tags (T * 17, H', W'), T being 2 if there are mirrored inputs: their tags are compared besides, never averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.methods.method import Look

KEYPOINTS = len(COCO_17)
OUTPUT_CHANNELS = (2 * KEYPOINTS, KEYPOINTS)
FLIP = list(COCO_17.flip)


@dataclass(frozen=True)
class MapSizes:
    """How large merged maps are, and how tags are enlarged."""

    at_input_size: bool
    """Enlarge all to the network's input of scale 1, as published; else heatmaps stay as large as the network's finest
    and tags as the network gives them, where their cells are whole blocks of the heatmaps' cells."""
    tag_steps: int = 2
    """2 to enlarge tags to the fine heatmaps' size first, 1 to enlarge them at once."""


def merge(looks: Sequence[Look], sizes: MapSizes) -> Look:
    """Return merged maps on the grid of scale 1: the mean of all heatmaps, and the tags of that scale.

    Without scale 1 the tags are those of the scale nearest to it.
    """
    base = min(looks, key=lambda look: abs(np.log(look.scale)))
    network_hw = base.placement.network_hw
    means = [_heatmaps([look for look in looks if _same_scale(look, plain)]) for plain in _plain(looks)]
    finest_hw = max(heatmaps.shape[1:] for heatmaps in means)
    target_hw = network_hw if sizes.at_input_size else min(finest_hw, network_hw)
    heatmaps = _mean([resized(each, target_hw) for each in means])
    of_base = sorted((look for look in looks if _same_scale(look, base)), key=lambda look: look.mirrored)
    tags = [_tags(look, sizes, target_hw) for look in of_base]
    return replace(base, maps=[heatmaps, np.concatenate(tags)], mirrored=False)


def _plain(looks: Sequence[Look]) -> list[Look]:
    return [look for look in looks if not look.mirrored]


def _same_scale(look: Look, other: Look) -> bool:
    return look.scale == other.scale


def _heatmaps(looks: Sequence[Look]) -> FloatArray:
    """Return the mean heatmaps of both outputs of one scale, at the size of the finer output."""
    means = []
    for look in looks:
        mean = _mean_of_outputs(*(each[:KEYPOINTS].astype(np.float32, copy=False) for each in look.maps))
        means.append(mean[FLIP, :, ::-1] if look.mirrored else mean)
    return _mean(means)


def _mean_of_outputs(coarse: FloatArray, fine: FloatArray) -> FloatArray:
    mean = np.empty(fine.shape, fine.dtype)  # also of outputs that are stored channels last
    for low, high, target in zip(coarse, fine, mean, strict=True):
        cv2.resize(low, (fine.shape[2], fine.shape[1]), dst=target, interpolation=cv2.INTER_LINEAR)
        target += high
        target *= np.float32(0.5)
    return mean


def _mean(maps: Sequence[FloatArray]) -> FloatArray:
    return maps[0] if len(maps) == 1 else sum(maps[1:], maps[0]) / len(maps)


def _tags(look: Look, sizes: MapSizes, target_hw: tuple[int, ...]) -> FloatArray:
    tags = look.maps[0][KEYPOINTS:].astype(np.float32, copy=False)
    if sizes.at_input_size and sizes.tag_steps == 2:
        tags = resized(tags, look.maps[1].shape[1:])
    tags = tags[FLIP, :, ::-1] if look.mirrored else tags
    blocks = all(side % own == 0 for side, own in zip(target_hw, tags.shape[1:], strict=True))
    return tags if blocks and not sizes.at_input_size else resized(tags, target_hw)


def resized(maps: FloatArray, size_hw: Sequence[int]) -> FloatArray:
    """Return maps (C, h, w) at another size by linear interpolation."""
    if maps.shape[1:] == tuple(size_hw):
        return maps
    planes = np.empty((len(maps), *size_hw), np.float32)
    for plane, target in zip(maps, planes, strict=True):
        cv2.resize(np.ascontiguousarray(plane), (size_hw[1], size_hw[0]), dst=target, interpolation=cv2.INTER_LINEAR)
    return planes


def tags_by_keypoint(tags: FloatArray) -> FloatArray:
    """Return merged tags (T * K, h, w) as (T, K, h, w)."""
    return tags.astype(np.float32, copy=False).reshape(-1, KEYPOINTS, *tags.shape[1:])
