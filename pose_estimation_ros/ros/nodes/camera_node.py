"""`camera_node`: a video, images, a webcam or synthetic people as a ROS camera; for demos and tests."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import PoseEstimationError
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.ros.messages.image_conversion import from_bgr, to_compressed
from pose_estimation_ros.ros.nodes.program import check_arguments, running_ros
from pose_estimation_ros.ros.parameters.camera_settings import (
    CAMERA_PARAMETERS,
    CameraSettings,
    camera_settings,
    changed_camera,
)
from pose_estimation_ros.ros.parameters.declare import LiveSettings, declare_all, unknown_parameters
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

FALLBACK_HZ = 15.0
RENAMED = {'max_images': 'most_pictures'}
"""Parameters and their names in the version before, which still work."""
FIELD_OF_VIEW = 1.2
"""Ratio of focal length to width in the published CameraInfo, which no real camera calibrates."""


class CameraNode(Node):
    """Publishes images at a rate, with stamps of this machine's clock."""

    def __init__(self, **options: Any) -> None:
        super().__init__('camera_node', **options)
        settings = camera_settings(declare_all(self, CAMERA_PARAMETERS, fixed='read at start', renamed=RENAMED))
        self._live = LiveSettings(self, settings, changed_camera)
        for sentence in unknown_parameters(self):
            self.get_logger().warning(sentence)
        policy = ReliabilityPolicy.RELIABLE if settings.reliable else ReliabilityPolicy.BEST_EFFORT
        profile = QoSProfile(depth=1, reliability=policy)
        self._compressed = settings.image_transport == 'compressed'
        kind, name = (CompressedImage, 'image/compressed') if self._compressed else (Image, 'image')
        self._images = self.create_publisher(kind, name, profile)
        self._info = self.create_publisher(CameraInfo, 'camera_info', profile)
        self.published = 0

    @property
    def settings(self) -> CameraSettings:
        """The parameters as they are now."""
        return self._live.current

    def run(self) -> None:
        """Publish until the source ends, or for ever with `loop`."""
        frames, rate = self._frames()  # report errors of the source before waiting for subscribers
        while self.settings.wait_for_subscriber and not self._images.get_subscription_count():
            rclpy.spin_once(self, timeout_sec=0.1)
        due = time.monotonic()
        for image in frames:
            if not self.context.ok():
                raise ExternalShutdownException
            self._publish(image)
            due = max(due + 1 / rate, time.monotonic() - 1 / rate)  # do not catch up after late frames
            while (wait := due - time.monotonic()) > 0:
                rclpy.spin_once(self, timeout_sec=wait)
            if self.published == self.settings.max_images:
                break
        self.get_logger().info(f'{self.settings.source} has ended after {counted(self.published, "image")}')

    def _publish(self, image: ByteArray) -> None:
        header = Header(frame_id=self.settings.frame_id, stamp=self.get_clock().now().to_msg())
        quality = self.settings.jpeg_quality
        self._images.publish(to_compressed(image, header, quality) if self._compressed else from_bgr(image, header))
        self._info.publish(camera_info(header, image.shape[1], image.shape[0]))
        self.published += 1

    def _frames(self) -> tuple[Iterator[ByteArray], float]:
        """Return the images and their rate in Hz."""
        now = self.settings
        if now.source == 'synthetic':
            scene = SceneSettings(width=now.width, height=now.height, people=now.people)
            return self._synthetic(SyntheticVideo(now.seed, scene, frames=now.frames)), now.rate or FALLBACK_HZ
        sources = open_sources([now.source])
        return self._read(sources), now.rate or sources[0].fps or FALLBACK_HZ

    def _read(self, sources: Sequence[Any]) -> Iterator[ByteArray]:
        while True:
            for source in sources:
                for frame in source.frames():
                    yield frame.image
            if not self.settings.loop:
                return

    def _synthetic(self, video: SyntheticVideo) -> Iterator[ByteArray]:
        """Draw the people once (it takes longer than showing them), then show them, to and fro."""
        drawn: list[ByteArray] = []
        for frame in video:
            drawn.append(frame.image)
            yield frame.image
        while self.settings.loop:
            yield from reversed(drawn)
            yield from drawn


def camera_info(header: Header, width: int, height: int) -> CameraInfo:
    """Return the constants of a plain pinhole camera of this size."""
    focal = float(FIELD_OF_VIEW * width)
    cx, cy = (width - 1) / 2, (height - 1) / 2
    info = CameraInfo(header=header, width=int(width), height=int(height), distortion_model='plumb_bob')
    info.d = [0.0] * 5
    info.k = [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def main(args: Sequence[str] | None = None) -> int:
    """Run the camera; exit 1 where its source cannot be opened."""
    check_arguments(args, 'camera_node', 'Publish a video, images, a webcam or synthetic people.', CAMERA_PARAMETERS)
    with running_ros(args):
        try:
            CameraNode().run()
        except PoseEstimationError as error:
            get_logger('camera_node').error(str(error))
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
