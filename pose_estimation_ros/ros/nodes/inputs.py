"""The node's subscriptions: count messages and pass the newest to the worker."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.ros.messages.detections import required_detection_type
from pose_estimation_ros.ros.nodes.box_buffer import BoxBuffer
from pose_estimation_ros.ros.nodes.depth_buffer import DepthBuffer
from pose_estimation_ros.ros.nodes.dropping import DropReason, RateLimit
from pose_estimation_ros.ros.nodes.frame_times import ReceivedMessage
from pose_estimation_ros.ros.nodes.statistics import Snapshot, Statistics
from pose_estimation_ros.ros.parameters.node_settings import NodeSettings


def sensor_profile(depth: int) -> QoSProfile:
    """Return a QoS profile compatible with reliable and best-effort publishers."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE)


class Inputs:
    """Owns the subscriptions from activate to deactivate."""

    def __init__(
        self,
        node: LifecycleNode,
        settings: Callable[[], NodeSettings],
        statistics: Statistics,
        post: Callable[[ReceivedMessage], bool],
        depth: DepthBuffer | None,
        boxes: BoxBuffer | None = None,
    ) -> None:
        self._node, self._settings, self._statistics, self._post = node, settings, statistics, post
        self.incompatible_qos = ''
        self._limit = RateLimit()
        self._stall: str | None = None  # the logged reason, None while images arrive
        compressed = settings().image_transport == 'compressed'
        kind, name = (CompressedImage, 'image/compressed') if compressed else (Image, 'image')
        self._type = f'sensor_msgs/msg/{kind.__name__}'
        events = qos_events(self._on_incompatible_qos)
        self._image = node.create_subscription(kind, name, self._take, sensor_profile(1), **events)
        others: list[tuple[Any, str, Callable[[Any], None]]] = []
        if depth is not None:
            others += [
                (Image, 'depth/image', depth.add_image),
                (CameraInfo, 'depth/camera_info', depth.add_camera_info),
            ]
        if boxes is not None:
            others.append((required_detection_type(), 'detections', boxes.add))
        self._others = [node.create_subscription(*each, sensor_profile(5)) for each in others]

    @property
    def topic(self) -> str:
        """Full name of the image topic, after remapping."""
        return str(self._image.topic_name)

    def publishers(self) -> int:
        """Return the number of publishers on the image topic."""
        return int(self._node.count_publishers(self.topic))

    def other_types(self) -> str:
        """Return the message types published on the image topic other than the subscribed one; these never arrive."""
        types = {info.topic_type for info in self._node.get_publishers_info_by_topic(self.topic)}
        return ', '.join(sorted(types - {self._type}))

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        for subscription in (self._image, *self._others):
            self._node.destroy_subscription(subscription)

    def warn_of_stall(self, seen: Snapshot) -> None:
        """Log that no images arrive, with the likely reason, and when they arrive again.

        Logs once, and again if a reason is found later, since publishers are discovered gradually.
        """
        timeout = self._settings().stall_timeout
        if not 0 < timeout < seen.silent_for:
            if self._stall is not None:
                self._node.get_logger().info(f'images arrive on {self.topic} again')
            self._stall = None
            return
        reason = f'; incompatible QoS: {self.incompatible_qos}' if self.incompatible_qos else ''
        if others := self.other_types():
            reason += f'; it carries {others}, expected {self._type}'
        if self._stall is None or (reason and reason != self._stall):
            offered = counted(self.publishers(), 'publisher')
            self._node.get_logger().warning(
                f'no image on {self.topic} for {seen.silent_for:.0f} s; it has {offered}{reason}'
            )
            self._stall = reason

    def _take(self, message: Any) -> None:
        received = ReceivedMessage(message, time.perf_counter())
        self._statistics.arrived()
        if not self._limit.allows(received.at, self._settings().max_rate):
            self._statistics.dropped(DropReason.RATE)
        elif self._post(received):
            self._statistics.dropped(DropReason.BUSY)

    def _on_incompatible_qos(self, event: Any) -> None:
        self.incompatible_qos = qos_policy_name_from_kind(event.last_policy_kind)
        self._node.get_logger().error(
            f'a publisher on {self.topic} offers a QoS incompatible with this node ({self.incompatible_qos})'
        )


def qos_events(on_incompatible: Callable[[Any], None]) -> dict[str, Any]:
    """Return the create_subscription argument for QoS events; the class moved between ROS distributions."""
    try:
        from rclpy.event_handler import SubscriptionEventCallbacks
    except ImportError:  # Humble
        from rclpy.qos_event import SubscriptionEventCallbacks
    return {'event_callbacks': SubscriptionEventCallbacks(incompatible_qos=on_incompatible)}
