"""Drawings that explain poses: heatmaps over an image, skeletons by person or by limb, grids, points of a plot.

Images are BGR. Colours, sizes and layout are those of the published plots of pytorch-human-pose.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.pose import Pose

Colour = tuple[int, int, int]
Limbs = Sequence[tuple[int, int]]

COLOURS: tuple[Colour, ...] = (
    *((144, 238, 144), (180, 105, 255), (250, 206, 135), (0, 215, 255), (0, 69, 255), (193, 182, 255), (128, 128, 0)),
    *((122, 160, 255), (255, 191, 0), (180, 130, 70), (71, 99, 255), (255, 255, 0), (127, 255, 0), (255, 0, 255)),
    *((0, 215, 255), (0, 140, 255), (255, 144, 30), (147, 20, 255), (0, 165, 255), (214, 112, 218)),
)
"""Of people, keypoints and limbs by number."""

HEAT_SHARE = 0.75
GAP = 5
"""Pixels around each image of a grid."""
BY_PERSON_SHARE, BY_LIMB_SHARE = 0.8, 0.65
"""Of drawn skeletons over the image."""
BLACK, WHITE, GREY = (0, 0, 0), (255, 255, 255), (128, 128, 128)
FONT = cv2.FONT_HERSHEY_SIMPLEX
MARGIN = 10
"""Pixels around each line of a box of text."""


def heatmap_overlay(image: ByteArray, heatmap: FloatArray, stretch: bool = False) -> ByteArray:
    """Lay a heatmap (H, W), red where it is 1, over an image of its size; `stretch` its own range to 0 to 1."""
    if stretch:
        low, high = float(heatmap.min()), float(heatmap.max())
        heatmap = (heatmap - low) / max(high - low, 1e-9)
    levels = 255 - (255 * np.clip(heatmap, 0, 1)).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_JET)[..., ::-1]
    return _blended(image, np.ascontiguousarray(colours), HEAT_SHARE)


def grid(images: Sequence[ByteArray], rows: int) -> ByteArray:
    """Return images of one size in rows, on black."""
    height, width = images[0].shape[:2]
    columns = -(-len(images) // rows)
    canvas = np.zeros((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        canvas[top : top + height, left : left + width] = image
    return canvas


def side_by_side(images: Sequence[ByteArray]) -> ByteArray:
    """Return images beside each other, all as high as the highest, on black."""
    height = max(image.shape[0] for image in images)
    scaled = [_as_high(image, height) for image in images]
    canvas = np.zeros((height + 2 * GAP, GAP + sum(image.shape[1] + GAP for image in scaled), 3), np.uint8)
    left = GAP
    for image in scaled:
        canvas[GAP : GAP + height, left : left + image.shape[1]] = image
        left += image.shape[1] + GAP
    return canvas


def _as_high(image: ByteArray, height: int) -> ByteArray:
    if image.shape[0] == height:
        return image
    width = max(1, int(image.shape[1] * height / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height)), np.uint8)


def _blended(image: ByteArray, drawn: ByteArray, share: float) -> ByteArray:
    return np.asarray(cv2.addWeighted(image, 1 - share, drawn, share, 0), np.uint8)


def skeletons_by_person(
    image: ByteArray, poses: Sequence[Pose], min_score: float, limbs: Limbs | None = None
) -> ByteArray:
    """Return a copy with all skeletons, one colour a person."""
    drawn = _skeletons(image, poses, min_score, limbs, lambda person, _: COLOURS[person % len(COLOURS)])
    return _blended(image, drawn, BY_PERSON_SHARE)


def skeletons_by_limb(
    image: ByteArray, poses: Sequence[Pose], min_score: float, limbs: Limbs | None = None
) -> ByteArray:
    """Return a copy with all skeletons, one colour a limb and keypoint, the same for everybody."""
    drawn = _skeletons(image, poses, min_score, limbs, lambda _, part: COLOURS[part % len(COLOURS)])
    return _blended(image, drawn, BY_LIMB_SHARE)


def _skeletons(
    image: ByteArray,
    poses: Sequence[Pose],
    min_score: float,
    limbs: Limbs | None,
    colour: Callable[[int, int], Colour],
) -> ByteArray:
    """Draw keypoints from `min_score` on and the limbs between them; `colour` is that of a person's part."""
    drawn = np.array(image, copy=True, order='C')
    for person, pose in enumerate(poses):
        shown = np.isfinite(pose.keypoints[:, 0]) & (pose.keypoints[:, 2] >= min_score)
        if not shown.any():
            continue
        pixels = np.nan_to_num(pose.keypoints[:, :2]).astype(int)
        rows = pose.keypoints[shown, 1]
        size = max(2, int((rows.max() - rows.min()) / 100))
        for number, (start, end) in enumerate(limbs or pose.skeleton.limbs):
            if shown[start] and shown[end]:
                _draw_limb(drawn, pixels[start], pixels[end], size, colour(person, number))
        for keypoint in np.flatnonzero(shown):
            centre = pixels[keypoint].tolist()
            cv2.circle(drawn, centre, size + 1, BLACK, cv2.FILLED)
            cv2.circle(drawn, centre, size, colour(person, int(keypoint)), cv2.FILLED)
    return drawn


def _draw_limb(image: ByteArray, start: FloatArray, end: FloatArray, size: int, colour: Colour) -> None:
    """Draw a filled ellipse between two pixels."""
    (x, y), (dx, dy) = ((start + end) / 2).astype(int).tolist(), (end - start).tolist()
    half = int(np.hypot(dx, dy) / 2)
    cv2.ellipse(image, (x, y), (half, size), float(np.degrees(np.arctan2(dy, dx))), 0, 360, colour, cv2.FILLED)


def text_box(
    image: ByteArray,
    lines: Sequence[str],
    size: float,
    colour: Colour = GREY,
    coverage: float = 0.6,
    at_end: bool = False,
) -> None:
    """Draw lines on a box in the top left corner of an image, in place; `at_end` means the bottom right one."""
    sizes = [cv2.getTextSize(line, FONT, size, 1)[0] for line in lines]
    pitch = max(height for _, height in sizes) + MARGIN
    box_hw = pitch * len(lines) + MARGIN, max(width for width, _ in sizes) + 2 * MARGIN
    top, left = (max(0, side - box) if at_end else 0 for side, box in zip(image.shape[:2], box_hw, strict=True))
    part = image[top : top + box_hw[0], left : left + box_hw[1]]
    part[:] = cv2.addWeighted(part, 1 - coverage, np.full_like(part, colour), coverage, 0)
    for number, line in enumerate(lines, 1):
        cv2.putText(image, line, (left + MARGIN, top + number * pitch), FONT, size, WHITE, 1, cv2.LINE_AA)
