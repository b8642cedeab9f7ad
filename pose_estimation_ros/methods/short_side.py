"""How bottom-up systems on HRNet place images: by the short side, in inputs whose sides are multiples of 64."""

from dataclasses import replace

from pose_estimation_ros.core.geometry import MAX_ASPECT, CentredAffine, centred_affine
from pose_estimation_ros.methods.method import InputSize

LABEL_OFFSET = 0.5
"""Labels of COCO count from the corner of a pixel; the published code warps them as if they counted from its centre."""


def place_by_short_side(
    image_hw: tuple[int, int], size: InputSize, label_offset: float = LABEL_OFFSET
) -> CentredAffine:
    """Return how an image lies in the network's input.

    An image of more than MAX_ASPECT times its other side is scaled down further, to limit the input's long side.
    """
    if size.fixed_hw:
        return _centred(image_hw, size.fixed_hw, label_offset)
    least_side = -(-max(image_hw) // MAX_ASPECT)
    if min(image_hw) >= least_side:
        placed = CentredAffine.short_side(image_hw, size.base, size.scale, size.least_scale)
        return replace(placed, label_offset=label_offset)
    height, width = (max(side, least_side) for side in image_hw)
    padded = CentredAffine.short_side((height, width), size.base, size.scale, size.least_scale)
    return _centred(image_hw, padded.network_hw, label_offset)


def _centred(image_hw: tuple[int, int], network_hw: tuple[int, int], label_offset: float) -> CentredAffine:
    """Return the largest placement of a whole image in the middle of an input."""
    scale = min(network_hw[0] / image_hw[0], network_hw[1] / image_hw[1])
    affine = centred_affine((image_hw[1] / 2, image_hw[0] / 2), scale, network_hw)
    return CentredAffine(image_hw, network_hw, affine, label_offset)
