"""Pairing pictures with the depth pictures of about the same time."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.ros.depth import depth_in_metres, intrinsics, points_3d
from pose_estimation_ros.ros.parameters import NodeSettings

KEPT = 10


class DepthBuffer:
    """Keeps the latest depth pictures and the camera's constants; filled by one thread, read by another."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._pictures: deque[Any] = deque(maxlen=KEPT)
        self._camera_info: Any = None

    def add_picture(self, message: Any) -> None:
        """Keep a depth picture."""
        with self._lock:
            self._pictures.append(message)

    def add_camera_info(self, message: Any) -> None:
        """Keep the depth camera's constants."""
        with self._lock:
            self._camera_info = message

    def latest(self) -> tuple[Any, ...]:
        """Return the depth pictures kept at this moment."""
        with self._lock:
            return tuple(self._pictures)

    def points(
        self,
        poses: Sequence[Pose],
        header: Any,
        image: ByteArray,
        settings: NodeSettings,
        before: Sequence[Any] = (),
    ) -> FloatArray:
        """Return the people's keypoints in metres (P, K, 3), NaN where there is no depth of the picture's time.

        `before` are the depth pictures that were there when inference began.
        """
        depth, camera = self._nearest(header, settings.depth_slop, before)
        metres = None
        if depth is not None:
            try:
                metres = depth_in_metres(depth)
            except ImageError as error:
                self._logger.warning(f'depth picture not used: {error}', throttle_duration_sec=5.0)
        size = (image.shape[1], image.shape[0])
        constants = intrinsics(camera) if camera is not None else None
        return points_3d(poses, metres, constants, settings.depth_window, size)

    def _nearest(self, header: Any, slop: float, before: Sequence[Any]) -> tuple[Any, Any]:
        with self._lock:
            pictures, camera = [*before, *self._pictures], self._camera_info
        wanted = _seconds(header)
        best = min(pictures, key=lambda message: abs(_seconds(message.header) - wanted), default=None)
        near = best is not None and abs(_seconds(best.header) - wanted) <= slop
        return (best if near else None), camera


def _seconds(header: Any) -> float:
    return float(header.stamp.sec) + float(header.stamp.nanosec) * 1e-9
