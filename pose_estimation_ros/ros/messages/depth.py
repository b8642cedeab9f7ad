"""Where people are in metres, from a depth image that is registered to the camera's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_estimation_ros.core.arrays import BoolArray, FloatArray, IntArray
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton
from pose_estimation_ros.data.camera_messages import UnsupportedEncodingError, pixels

METRES = {'16UC1': ('u2', 0.001), 'mono16': ('u2', 0.001), '32FC1': ('f4', 1.0)}
"""Type of a pixel, and its unit."""


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths and principal point in pixels, and the size of its images."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int


def intrinsics(info: CameraInfo) -> Intrinsics | None:
    """Return the camera matrix of rectified images (P), or K if P is zero; None if not calibrated."""
    for matrix, columns in ((info.p, 4), (info.k, 3)):
        fx, fy, cx, cy = (float(matrix[place]) for place in (0, columns + 1, 2, columns + 2))
        if fx > 0 and fy > 0:
            return Intrinsics(fx, fy, cx, cy, int(info.width), int(info.height))
    return None


def depth_in_metres(message: Image) -> FloatArray:
    """Return (H, W) float32; what is not above 0 or not finite was not measured.

    Raises UnsupportedEncodingError or BrokenImageError.
    """
    if message.encoding not in METRES:
        raise UnsupportedEncodingError(f'depth must be one of {", ".join(METRES)}, got {message.encoding!r}')
    kind, unit = METRES[message.encoding]
    depth = pixels(message, np.dtype(('>' if message.is_bigendian else '<') + kind)).astype(np.float32, copy=False)
    return depth if unit == 1 else depth * np.float32(unit)


def points_3d(
    poses: Sequence[Pose],
    depth: FloatArray | None,
    camera: Intrinsics | None,
    window: int,
    image_size: tuple[int, int] | None = None,
) -> FloatArray:
    """Return (P, K, 3) metres in the camera's optical frame (x right, y down, z ahead), NaN if unknown.

    The depth of a keypoint is the median of a window of `window` pixels across. All is NaN without depth or camera,
    or where depth, camera and image (`image_size`: width, height) are not of one size.
    """
    xyz = np.full((len(poses), len(poses[0].skeleton) if poses else 0, 3), np.nan, np.float32)
    if not poses or depth is None or camera is None or size_fault(depth, camera, image_size):
        return xyz
    uv = np.stack([pose.keypoints[:, :2] for pose in poses])  # (P, K, 2)
    found = np.isfinite(uv[..., 0])
    z = median_depth(depth, uv[found], window)  # (N,)
    ray = (uv[found] - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    xyz[found] = np.column_stack([ray * z[:, None], z])
    return xyz


def median_depth(depth: FloatArray, uv: FloatArray, window: int) -> FloatArray:
    """Return the median depth around points (N, 2), NaN if a point or all of its window has none.

    Of an even number the smaller middle one is taken, so that no depth between a person and the wall is made up.
    """
    height, width = depth.shape
    reach = np.arange(window) - window // 2
    centre = np.floor(uv + 0.5).astype(int)  # (N, 2)
    x = centre[:, 0, None, None] + reach[None, None, :]  # (N, 1, window)
    y = centre[:, 1, None, None] + reach[None, :, None]  # (N, window, 1)
    values = depth[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]  # (N, window, window)
    with np.errstate(invalid='ignore'):
        good = (values > 0) & np.isfinite(values) & _within(x, width) & _within(y, height)
    ordered = np.sort(np.where(good, values, np.inf).reshape(len(uv), window * window), axis=1)
    middle = np.maximum(good.sum(axis=(1, 2)) - 1, 0) // 2
    median = ordered[np.arange(len(uv)), middle]
    seen = np.isfinite(median) & _within(centre[:, 0], width) & _within(centre[:, 1], height)
    return np.where(seen, median, np.nan).astype(np.float32)


def markers(points: FloatArray, header: Header, skeleton: Skeleton = OPENPOSE_18, lifetime: float = 0.5) -> MarkerArray:
    """Return the limbs and keypoints of people (P, K, 3) for RViz, in two markers that replace those of the last frame.

    They vanish `lifetime` seconds after the last frame, so a camera that stops leaves no ghosts.
    """
    known = np.asarray(np.isfinite(points).all(axis=2))  # (P, K)
    limbs, keypoints = _marker(header, 0, Marker.LINE_LIST, lifetime), _marker(header, 1, Marker.SPHERE_LIST, lifetime)
    limb_colours, keypoint_colours = _colours(skeleton.limb_colours), _colours(skeleton.keypoint_colours)
    for person, there in zip(points.tolist(), known.tolist(), strict=True):
        places = [Point(x=x, y=y, z=z) if found else None for (x, y, z), found in zip(person, there, strict=True)]
        for (a, b), colour in zip(skeleton.limbs, limb_colours, strict=True):
            _add(limbs, colour, places[a], places[b])
        for place, colour in zip(places, keypoint_colours, strict=True):
            _add(keypoints, colour, place)
    limbs.scale.x = 0.03
    keypoints.scale = Vector3(x=0.06, y=0.06, z=0.06)
    return MarkerArray(markers=[limbs, keypoints])


def _marker(header: Header, number: int, kind: int, lifetime: float) -> Marker:
    marker = Marker(header=header, ns='skeletons', id=number, type=kind, action=Marker.DELETE)
    marker.pose.orientation.w = 1.0
    marker.lifetime = Duration(sec=int(lifetime), nanosec=int(lifetime % 1 * 1e9))
    return marker


def _add(marker: Marker, colour: ColorRGBA, *places: Point | None) -> None:
    """Add points to a marker; none if one of them is missing."""
    if all(places):
        marker.action = Marker.ADD  # one without places stays a removal, because RViz complains about empty ones
        marker.points.extend(places)
        marker.colors.extend([colour] * len(places))


def _colours(bgr: Sequence[tuple[int, int, int]]) -> list[ColorRGBA]:
    return [ColorRGBA(r=red / 255, g=green / 255, b=blue / 255, a=1.0) for blue, green, red in bgr]


def size_fault(depth: FloatArray, camera: Intrinsics, image_size: tuple[int, int] | None) -> str:
    """Return what is wrong where depth, its camera's constants and the image are not of one size; otherwise ''."""
    height, width = depth.shape
    if image_size is not None and image_size != (width, height):
        return (
            f'the depth image is {width}x{height} and the image {image_size[0]}x{image_size[1]}: depth/image must be '
            "depth that is registered to the image's camera, such as depth_image_proc's"
        )
    if (width, height) != (camera.width, camera.height):
        return (
            f'the depth image is {width}x{height} and depth/camera_info of {camera.width}x{camera.height}: '
            'give both from the same camera'
        )
    return ''


def _within(places: IntArray, length: int) -> BoolArray:
    return (places >= 0) & (places < length)
