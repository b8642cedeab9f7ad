"""Pairing pictures with the depth pictures of about the same time."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.camera_messages import seconds
from pose_estimation_ros.ros.messages.depth import Intrinsics, depth_in_metres, intrinsics, points_3d, size_fault
from pose_estimation_ros.ros.parameters.node_settings import NodeSettings

KEPT = 10
LOG_S = 5.0
"""At most one warning in so many seconds."""


class DepthBuffer:
    """Keeps the latest depth pictures and the camera's constants; filled by one thread, read by another."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._pictures: deque[Any] = deque(maxlen=KEPT)
        self._camera_info: Any = None
        self.fault = ''
        """Why the last picture got no depth, '' where it did."""

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

        `before` are the depth pictures that were there when inference began. What keeps it from being used is told.
        """
        size = (image.shape[1], image.shape[0])
        metres = camera = None
        try:
            message, info = self._nearest(header, settings.depth_slop, before)
            metres, camera = depth_in_metres(message), _constants(info)
            if fault := size_fault(metres, camera, size):
                raise ImageError(fault)
            self.fault = ''
        except ImageError as error:
            self.fault = str(error)
            self._logger.warning(f'no 3D: {error}', throttle_duration_sec=LOG_S)
        return points_3d(poses, metres, camera, settings.depth_window, size)

    def _nearest(self, header: Any, slop: float, before: Sequence[Any]) -> tuple[Any, Any]:
        """Return the depth picture of the header's time, and the camera's constants; raises ImageError for none."""
        with self._lock:
            pictures, info = [*before, *self._pictures], self._camera_info
        if not pictures:
            raise ImageError('no depth image has arrived on depth/image')
        wanted = seconds(header.stamp)
        best = min(pictures, key=lambda message: abs(seconds(message.header.stamp) - wanted))
        if (apart := abs(seconds(best.header.stamp) - wanted)) > slop:
            raise ImageError(
                f'the nearest depth image is {apart:.3f} s from the image, and depth.slop allows {slop:g} s; '
                'synchronise the cameras, or raise it'
            )
        return best, info


def _constants(info: Any) -> Intrinsics:
    """Return the camera's constants; raises ImageError where they are not known."""
    if info is None:
        raise ImageError('no CameraInfo has arrived on depth/camera_info')
    camera = intrinsics(info)
    if camera is None:
        raise ImageError('depth/camera_info has no focal length: the camera is not calibrated')
    return camera
