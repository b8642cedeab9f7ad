"""The publishers of the node."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Header, String
from visualization_msgs.msg import MarkerArray

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.ros.messages.depth import markers
from pose_estimation_ros.ros.messages.detections import detection_type, encode_detections
from pose_estimation_ros.ros.messages.hri import BodyNames, BodyPublisher
from pose_estimation_ros.ros.messages.image_conversion import from_bgr, to_compressed
from pose_estimation_ros.ros.messages.skeleton_messages import (
    description_message,
    encode_skeletons,
    encode_skeletons_3d,
)
from pose_estimation_ros.ros.parameters.node_settings import NodeSettings

ANNOTATED = ('image_annotated', 'image_annotated/compressed')


def reliable(depth: int, latched: bool = False) -> QoSProfile:
    """Return a reliable profile; a latched one gives late subscribers the last message."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)


@dataclass(frozen=True, eq=False)
class Observation:
    """An image and its people; `points` are (P, K, 3) metres if there is depth."""

    header: Header
    image: ByteArray
    poses: list[Pose]
    points: FloatArray | None = None


class Outputs:
    """Owns the publishers from configure to cleanup; builds messages only for topics with subscribers."""

    def __init__(
        self, node: LifecycleNode, settings: NodeSettings, skeleton: Skeleton, names: BodyNames | None = None
    ) -> None:
        self._node, self._skeleton = node, skeleton
        self._topics: dict[str, Any] = {}
        self._bodies = BodyPublisher(node, names=names) if settings.hri_enabled else None
        self._add('skeletons', PointCloud2, reliable(10))
        self._add(ANNOTATED[0], Image, reliable(1))
        self._add(ANNOTATED[1], CompressedImage, reliable(1))
        detections = detection_type()
        if detections is None:
            node.get_logger().info('vision_msgs is not installed: ~/detections is not published')
        else:
            self._add('detections', detections, reliable(10))
        if settings.depth_enabled:
            self._add('skeletons_3d', PointCloud2, reliable(10))
            self._add('markers', MarkerArray, reliable(1))
        # An ordinary publisher: a lifecycle one is silent until activation, and would lose this one message.
        self._description = node.create_publisher(String, '~/skeleton_description', reliable(1, latched=True))
        self._description.publish(description_message(skeleton))

    def _add(self, name: str, kind: Any, profile: QoSProfile) -> None:
        self._topics[name] = self._node.create_lifecycle_publisher(kind, f'~/{name}', profile)

    def wanted(self, annotate: bool = True) -> bool:
        """Whether a published output that needs inference has a subscriber."""
        topics = [topic for name, topic in self._topics.items() if annotate or name not in ANNOTATED]
        listened = any(topic.get_subscription_count() for topic in topics)
        return listened or bool(self._bodies and self._bodies.has_subscribers)

    def unmatched(self) -> str:
        """Return the topics all of whose subscribers ask for what is not offered, a QoS or another type."""
        unheard = [topic.topic_name for topic in self._topics.values() if not topic.get_subscription_count()]
        return ', '.join(name for name in unheard if self._node.count_subscribers(name))

    def publish(self, seen: Observation, settings: NodeSettings) -> None:
        """Publish the people of a frame; every message has the header of its image."""
        self._send('skeletons', lambda: encode_skeletons(seen.poses, seen.header, self._skeleton))
        self._send('detections', lambda: encode_detections(seen.poses, seen.header))
        points = seen.points
        if points is not None:
            self._send('skeletons_3d', lambda: encode_skeletons_3d(seen.poses, points, seen.header, self._skeleton))
            self._send('markers', lambda: markers(points, seen.header, self._skeleton))
        if self._bodies:
            self._bodies.publish(seen.poses, seen.header, (seen.image.shape[1], seen.image.shape[0]))
        if settings.annotate and any(self._has_listener(name) for name in ANNOTATED):
            annotated = draw_poses(seen.image, seen.poses)
            self._send(ANNOTATED[0], lambda: from_bgr(annotated, seen.header))
            self._send(ANNOTATED[1], lambda: to_compressed(annotated, seen.header))

    def _send(self, name: str, build: Callable[[], Any]) -> None:
        if self._has_listener(name):
            self._topics[name].publish(build())

    def _has_listener(self, name: str) -> bool:
        return name in self._topics and self._topics[name].get_subscription_count() > 0

    def forget_people(self) -> None:
        """Remove the topics of tracked people."""
        if self._bodies:
            self._bodies.reset()

    def destroy(self) -> None:
        """Destroy every publisher."""
        for topic in self._topics.values():
            self._node.destroy_lifecycle_publisher(topic)
        self._topics.clear()
        if self._bodies:
            self._bodies.destroy()
            self._bodies = None
        self._node.destroy_publisher(self._description)
