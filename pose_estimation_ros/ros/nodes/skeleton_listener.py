"""Hears `~/skeletons` with the skeleton that `~/skeleton_description` says they have."""

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String

from pose_estimation_ros.core.errors import PoseEstimationError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons, read_description, skeleton_of_width
from pose_estimation_ros.ros.nodes.outputs import reliable

PATIENCE_S = 2.0
"""For the description, once skeletons come; a bag may have none, and then they are no longer kept waiting."""


class SkeletonListener:
    """Hands on every message with its people, from the node that publishes `topic`.

    `described` is the skeleton that they have, None while nobody has said.
    """

    def __init__(self, node: Node, topic: str, take: Callable[[PointCloud2, list[Pose]], None]) -> None:
        self._node, self._take = node, take
        self.described: Skeleton | None = None
        self._waiting: list[PointCloud2] = []
        self._since = 0.0
        self._is_patient = True
        skeletons = node.create_subscription(PointCloud2, topic, self._take_skeletons, reliable(10))
        namespace = skeletons.topic_name.rpartition('/')[0]  # also if remapped
        description = f'{namespace}/skeleton_description'
        node.create_subscription(String, description, self._take_description, reliable(1, latched=True))
        node.create_timer(PATIENCE_S / 4, self._lose_patience)

    def _take_description(self, message: String) -> None:
        try:
            self.described = read_description(message)
        except PoseEstimationError as error:
            self._node.get_logger().error(str(error))
            return
        self._hand_on()

    def _take_skeletons(self, message: PointCloud2) -> None:
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(message)
        self._lose_patience()

    def _lose_patience(self) -> None:
        if self._waiting and time.monotonic() - self._since > PATIENCE_S:
            self._is_patient = False
        if self.described is not None or not self._is_patient:
            self._hand_on()

    def _hand_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            try:
                skeleton = self.described or skeleton_of_width(message.width)
                poses = decode_skeletons(message, skeleton)
            except PoseEstimationError as error:
                self._node.get_logger().error(str(error))
                continue
            self._take(message, poses)
