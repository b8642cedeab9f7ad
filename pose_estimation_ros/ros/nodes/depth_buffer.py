"""Pairs images with depth images by their stamps."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.ros.messages.depth import Intrinsics, depth_in_metres, intrinsics, points_3d, size_fault
from pose_estimation_ros.ros.nodes.box_buffer import nearest
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
        with self._lock:
            images, info = [*before, *self._images], self._camera_info
        metres, camera, fault = None, None, ''
        try:
            metres, camera = _depth(images, header, settings.depth_slop), _constants(info)
            fault = size_fault(metres, camera, size)
        except ImageError as error:
            fault = str(error)
        self.fault = fault
        if fault:
            self._logger.warning(f'no 3D: {fault}', throttle_duration_sec=LOG_S)
        return points_3d(poses, metres, camera, settings.depth_window, size)


def _depth(images: Sequence[Any], header: Any, slop: float) -> FloatArray:
    """Return the depth at the header's time in metres; raises ImageError for none."""
    best, apart = nearest(images, header)
    if best is None:
        raise ImageError('no depth image has arrived on depth/image')
    if apart > slop:
        raise ImageError(
            f'the nearest depth image is {apart:.3f} s from the image, and depth.slop allows {slop:g} s; '
            'synchronise the cameras, or raise it'
        )
    return depth_in_metres(best)


def _constants(info: Any) -> Intrinsics:
    """Return the camera's intrinsics; raises ImageError if unknown."""
    if info is None:
        raise ImageError('no CameraInfo has arrived on depth/camera_info')
    camera = intrinsics(info)
    if camera is None:
        raise ImageError('depth/camera_info has no focal length: the camera is not calibrated')
    return camera
