"""What a network returned for several looks at one image, merged into one: means, as several systems publish it."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.geometry import Affine, Letterbox, Placement
from pose_estimation_ros.methods.method import Look

MirrorMaps = Callable[[Sequence[FloatArray]], list[FloatArray]]
"""From the maps (..., C, H, W) of a mirrored input to maps of the input itself, left and right swapped."""


def mean_on_largest(looks: Sequence[Look], mirror_maps: MirrorMaps) -> Look:
    """Average on the grid of the largest input: enlarging loses nothing, and peaks do not fall between cells."""
    merged = _per_placement(looks, mirror_maps)
    target = max(merged, key=lambda look: look.placement.network_hw)
    moved = [look.maps if look is target else _on_grid(look, target) for look in merged]
    return Look(_mean(moved), target.placement)


def mean_on_image(looks: Sequence[Look], mirror_maps: MirrorMaps) -> Look:
    """Average at the image's own size where scales differ: enlarge to the network's input, cut the padding, resize."""
    merged = _per_placement(looks, mirror_maps)
    if len(merged) == 1:
        return merged[0]
    maps = [
        sum(_on_image(look.maps[kind], look.placement) / len(merged) for look in merged)
        for kind in range(len(merged[0].maps))
    ]
    return Look([np.asarray(each) for each in maps], Letterbox.whole(merged[0].placement.image_hw))


def _per_placement(looks: Sequence[Look], mirror_maps: MirrorMaps) -> list[Look]:
    """Return one look, not mirrored, for each placement."""
    groups: dict[int, list[Look]] = {}
    for look in looks:
        upright = Look(mirror_maps(look.maps), look.placement, look.scale) if look.mirrored else look
        groups.setdefault(id(look.placement), []).append(upright)
    return [Look(_mean([look.maps for look in group]), group[0].placement) for group in groups.values()]


def _mean(maps: Sequence[Sequence[FloatArray]]) -> Sequence[FloatArray]:
    if len(maps) == 1:
        return maps[0]
    return [sum(kind[1:], kind[0]) / len(kind) for kind in zip(*maps, strict=True)]


def _on_grid(look: Look, target: Look) -> list[FloatArray]:
    """Return maps (C, H, W) as they are on the grid of another look."""
    return [
        _warped(maps, _to_image(look.placement, maps), _to_image(target.placement, like), like.shape[-2:])
        for maps, like in zip(look.maps, target.maps, strict=True)
    ]


def _to_image(placement: Placement, maps: FloatArray) -> Affine:
    return placement.map_to_image(placement.network_hw[0] / maps.shape[-2])


def _warped(maps: FloatArray, to_image: Affine, target_to_image: Affine, target_hw: tuple[int, ...]) -> FloatArray:
    target_to_map = (to_image.inverse() @ target_to_image).matrix
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (target_hw[1], target_hw[0])
    planes = [cv2.warpAffine(each, target_to_map, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for each in maps]
    return np.stack(planes).astype(np.float32, copy=False)


def enlarge(maps: FloatArray, ratio: int) -> FloatArray:
    """Enlarge (C, H, W) maps by cubic interpolation to (H * ratio, W * ratio, C)."""
    channels_last = np.ascontiguousarray(maps.transpose(1, 2, 0))
    enlarged = cv2.resize(channels_last, (0, 0), fx=ratio, fy=ratio, interpolation=cv2.INTER_CUBIC)
    return enlarged.astype(np.float32, copy=False)


def _on_image(maps: FloatArray, placement: Placement) -> FloatArray:
    """Return maps (C, h, w) at the size of the image, which fills the inner part of the network's input."""
    network_hw, (height, width) = placement.network_hw, placement.image_hw
    channels_last = np.ascontiguousarray(maps.transpose(1, 2, 0), dtype=np.float32)
    enlarged = cv2.resize(channels_last, network_hw[::-1], interpolation=cv2.INTER_CUBIC)
    resized = cv2.resize(enlarged[placement.inner], (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(resized.transpose(2, 0, 1))
