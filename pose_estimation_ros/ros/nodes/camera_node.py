"""`camera_node`: a video, images, a webcam or synthetic people as a ROS camera; for demos and tests."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.settings import TYPES_IN_WORDS
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.ros.messages.image_conversion import from_bgr, to_compressed
from pose_estimation_ros.ros.nodes.program import check_arguments, running_ros
from pose_estimation_ros.ros.parameters.declare import unknown_parameters
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

DEFAULTS: dict[str, Any] = {
    'source': 'synthetic',
    'rate': 0.0,
    'loop': True,
    'image_transport': 'raw',
    'reliable': False,
    'frame_id': 'camera',
    'wait_for_subscriber': False,
    'jpeg_quality': 90,
    'people': 4,
    'seed': 4,
    'width': 1280,
    'height': 720,
    'frames': 90,
    'most_pictures': 0,
}
"""`rate` 0 keeps the source's rate. The node ends after `most_pictures` images; 0 for no limit. `people`, `seed`,
`width`, `height` and `frames` apply to synthetic people."""

FALLBACK_HZ = 15.0
FIELD_OF_VIEW = 1.2
"""Ratio of focal length to width in the published CameraInfo, which no real camera calibrates."""


class CameraNode(Node):
    """Publishes images at a rate, with stamps of this machine's clock."""

    def __init__(self, **options: Any) -> None:
        super().__init__('camera_node', **options)
        for name, default in DEFAULTS.items():
            self.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True))  # `rate:=5`, `source:=0`
            self.setting(name)
        for sentence in unknown_parameters(self, DEFAULTS):
            self.get_logger().warning(sentence)
        if self.setting('image_transport') not in ('raw', 'compressed'):
            raise SettingsError(f'image_transport must be raw or compressed, got {self.setting("image_transport")!r}')
        if not 1 <= self.setting('jpeg_quality') <= 100:
            raise SettingsError(f'jpeg_quality must be 1 to 100, got {self.setting("jpeg_quality")}')
        self._compressed = self.setting('image_transport') == 'compressed'
        policy = ReliabilityPolicy.RELIABLE if self.setting('reliable') else ReliabilityPolicy.BEST_EFFORT
        profile = QoSProfile(depth=1, reliability=policy)
        kind, name = (CompressedImage, 'image/compressed') if self._compressed else (Image, 'image')
        self._images = self.create_publisher(kind, name, profile)
        self._info = self.create_publisher(CameraInfo, 'camera_info', profile)
        self.published = 0

    def setting(self, name: str) -> Any:
        """Return a parameter's value as its default's type; raises SettingsError for any other type."""
        value, kind = self.get_parameter(name).value, type(DEFAULTS[name])
        if (type(value), kind) in ((int, float), (int, str)):
            value = kind(value)
        if type(value) is not kind:
            raise SettingsError(f'{name} must be {TYPES_IN_WORDS[kind]}, got {value!r}')
        return value

    def run(self) -> None:
        """Publish until the source ends, or for ever with `loop`."""
        frames, rate = self._frames()  # report errors of the source before waiting for subscribers
        while self.setting('wait_for_subscriber') and not self._images.get_subscription_count():
            rclpy.spin_once(self, timeout_sec=0.1)
        due = time.monotonic()
        for image in frames:
            if not self.context.ok():
                raise ExternalShutdownException
            self._publish(image)
            due = max(due + 1 / rate, time.monotonic() - 1 / rate)  # do not catch up after late frames
            while (wait := due - time.monotonic()) > 0:
                rclpy.spin_once(self, timeout_sec=wait)
            if self.published == self.setting('most_pictures'):
                break
        self.get_logger().info(f'{self.setting("source")} has ended after {counted(self.published, "image")}')

    def _publish(self, image: ByteArray) -> None:
        header = Header(frame_id=self.setting('frame_id'), stamp=self.get_clock().now().to_msg())
        if self._compressed:
            self._images.publish(to_compressed(image, header, self.setting('jpeg_quality')))
        else:
            self._images.publish(from_bgr(image, header))
        self._info.publish(camera_info(header, image.shape[1], image.shape[0]))
        self.published += 1

    def _frames(self) -> tuple[Iterator[ByteArray], float]:
        """Return the images and their rate in Hz."""
        wanted = self.setting('rate')
        if wanted < 0:
            raise SettingsError(f'rate must be 0 Hz or more, got {wanted}')
        if self.setting('source') == 'synthetic':
            width, height, people, seed, frames = map(self.setting, ('width', 'height', 'people', 'seed', 'frames'))
            video = SyntheticVideo(seed, SceneSettings(width=width, height=height, people=people), frames=frames)
            return self._synthetic(video), wanted or FALLBACK_HZ
        sources = open_sources([self.setting('source')])
        return self._read(sources), wanted or sources[0].fps or FALLBACK_HZ

    def _read(self, sources: Sequence[Any]) -> Iterator[ByteArray]:
        while True:
            for source in sources:
                for frame in source.frames():
                    yield frame.image
            if not self.setting('loop'):
                return

    def _synthetic(self, video: SyntheticVideo) -> Iterator[ByteArray]:
        """Draw the people once (it takes longer than showing them), then show them, to and fro."""
        drawn: list[ByteArray] = []
        for frame in video:
            drawn.append(frame.image)
            yield frame.image
        while self.setting('loop'):
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
    check_arguments(args, 'camera_node', 'Publish a video, images, a webcam or synthetic people.', DEFAULTS)
    with running_ros(args):
        try:
            CameraNode().run()
        except PoseEstimationError as error:
            get_logger('camera_node').error(str(error))
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
