"""Pairs images with depth images by their stamps."""

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
"""Minimum time between warnings, in seconds."""


class DepthBuffer:
    """Keeps the latest depth images and camera parameters; filled by one thread, read by another."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._images: deque[Any] = deque(maxlen=KEPT)
        self._camera_info: Any = None
        self.fault = ''
        """Why the last image had no depth, '' if it had."""

    def add_image(self, message: Any) -> None:
        """Keep a depth image."""
        with self._lock:
            self._images.append(message)

    def add_camera_info(self, message: Any) -> None:
        """Keep the depth camera's constants."""
        with self._lock:
            self._camera_info = message

    def latest(self) -> tuple[Any, ...]:
        """Return the depth images kept at this moment."""
        with self._lock:
            return tuple(self._images)

    def points(
        self,
        poses: Sequence[Pose],
        header: Any,
        image: ByteArray,
        settings: NodeSettings,
        before: Sequence[Any] = (),
    ) -> FloatArray:
        """Return the people's keypoints in metres (P, K, 3), NaN without depth at the image's time.

        `before` are the depth images that were there when inference began. Logs why there is no depth.
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
        """Return the depth image of the header's time, and the camera's constants; raises ImageError for none."""
        with self._lock:
            images, info = [*before, *self._images], self._camera_info
        if not images:
            raise ImageError('no depth image has arrived on depth/image')
        wanted = seconds(header.stamp)
        best = min(images, key=lambda message: abs(seconds(message.header.stamp) - wanted))
        if (apart := abs(seconds(best.header.stamp) - wanted)) > slop:
            raise ImageError(
                f'the nearest depth image is {apart:.3f} s from the image, and depth.slop allows {slop:g} s; '
                'synchronise the cameras, or raise it'
            )
        return best, info


def _constants(info: Any) -> Intrinsics:
    """Return the camera's intrinsics; raises ImageError if unknown."""
    if info is None:
        raise ImageError('no CameraInfo has arrived on depth/camera_info')
    camera = intrinsics(info)
    if camera is None:
        raise ImageError('depth/camera_info has no focal length: the camera is not calibrated')
    return camera
