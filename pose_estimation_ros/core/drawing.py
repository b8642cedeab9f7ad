"""Drawing skeletons on BGR images."""

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray
from pose_estimation_ros.core.pose import Pose, get_bbox

PUBLISHED_COLOUR = (0, 224, 255)
TRACK_COLOURS = (
    *((75, 25, 230), (75, 180, 60), (25, 225, 255), (200, 130, 0), (48, 130, 245), (180, 30, 145)),
    *((240, 240, 70), (230, 50, 240), (60, 245, 210), (212, 190, 250), (128, 128, 0), (255, 190, 220)),
)
MIN_SCORE = 0.0  # Minimum score of a keypoint that is drawn


def draw(img: AnyArray, pose: Pose) -> None:
    """Draw one pose in place in OpenDR's style: filled keypoints and limbs in one colour."""
    _draw_skeleton(img, pose, PUBLISHED_COLOUR, PUBLISHED_COLOUR, thickness=2, radius=3)


def draw_poses(image: AnyArray, poses: list[Pose], boxes: bool = False) -> AnyArray:
    """Return a copy with every skeleton: limbs coloured by body side, ids as labels, sizes relative to the image."""
    annotated = np.array(image, copy=True, order='C')
    unit = max(1.0, min(image.shape[:2]) / 360)
    for pose in sorted(poses, key=lambda pose: pose.bbox[3]):
        thickness = max(1, round(unit * min(2.0, 0.6 + pose.bbox[3] / image.shape[0] * 4)))
        _draw_skeleton(annotated, pose, None, None, thickness, thickness + 1)
    for pose in poses:
        if pose.id is not None:
            _draw_label(annotated, pose, unit, boxes)
    return annotated


def _draw_skeleton(
    image: AnyArray,
    pose: Pose,
    limb_colour: tuple[int, int, int] | None,
    keypoint_colour: tuple[int, int, int] | None,
    thickness: int,
    radius: int,
) -> None:
    """Draw in `colours`, or the skeleton's colours for None."""
    shift = 3  # drawing coordinates in eighths of a pixel
    fixed = np.nan_to_num(pose.keypoints[:, :2] * (1 << shift), nan=0).round().astype(int)
    present = np.isfinite(pose.keypoints[:, 0]) & (pose.keypoints[:, 2] >= MIN_SCORE)
    for (a, b), colour in zip(pose.skeleton.limbs, pose.skeleton.limb_colours, strict=True):
        if present[a] and present[b]:
            ends = fixed[a].tolist(), fixed[b].tolist()
            cv2.line(image, *ends, limb_colour or colour, thickness, cv2.LINE_AA, shift)
    for index in np.flatnonzero(present):
        colour = keypoint_colour or pose.skeleton.keypoint_colours[index]
        cv2.circle(image, fixed[index].tolist(), radius << shift, colour, cv2.FILLED, cv2.LINE_AA, shift)


def _draw_label(image: AnyArray, pose: Pose, unit: float, box: bool) -> None:
    """Draw the track id above the person in the track's colour, and the box if wanted."""
    colour = TRACK_COLOURS[(pose.id or 0) % len(TRACK_COLOURS)]
    x, y, width, height = get_bbox(pose)
    if box:
        cv2.rectangle(image, (x, y), (x + width, y + height), colour, max(1, round(unit)), cv2.LINE_AA)
    text, font, scale = str(pose.id), cv2.FONT_HERSHEY_SIMPLEX, 0.45 * unit
    (text_width, text_height), base = cv2.getTextSize(text, font, scale, max(1, round(unit)))
    left = int(np.clip(x + width // 2 - text_width // 2, 0, max(0, image.shape[1] - text_width - 4)))
    bottom = int(np.clip(y - round(10 * unit), text_height + base, image.shape[0]))
    cv2.rectangle(image, (left - 2, bottom - text_height - base), (left + text_width + 2, bottom), colour, cv2.FILLED)
    ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
    origin = (left, bottom - base + 1)
    cv2.putText(image, text, origin, font, scale, ink, max(1, round(unit)), cv2.LINE_AA)
