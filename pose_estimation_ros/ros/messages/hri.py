"""People in REP-155 (ROS4HRI): a list of bodies, and topics for each body; hri_msgs is optional."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from pose_estimation_ros.core.geometry import PIXEL_CORNER
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.skeleton_cloud import mean_score
from pose_estimation_ros.ros.messages.optional import required_types

PACKAGE = 'hri_msgs'
BODIES = '/humans/bodies'
QOS = QoSProfile(depth=1)
"""Reliable, volatile."""
KEPT_FRAMES = 15
"""For how many frames the topics of a body outlive it: someone missed for a moment keeps their subscribers."""

LETTERS = 5
NUMBER_OF_IDS = 26**LETTERS
SCATTER = 7368787
"""A prime, so that the multiples of different ids stay different; neighbouring tracks get names unlike each other."""


def body_id(track: int) -> str:
    """Return a unique and stable body id for a track, valid in a topic name."""
    number = (track + 1) * SCATTER % NUMBER_OF_IDS
    letters = (chr(ord('a') + number // 26**place % 26) for place in range(LETTERS))
    return f'body_{"".join(letters)}'


class BodyNames:
    """Names tracks for the life of a node. Tracks count from 0 again after a reset, names do not come again."""

    def __init__(self) -> None:
        self._first = self._next = 0

    def __call__(self, track: int) -> str:
        """Return the name of a track: the same until the next reset."""
        number = self._first + track
        self._next = max(self._next, number + 1)
        return body_id(number)

    def reset(self) -> None:
        """Give all tracks that come from now on names of their own."""
        self._first = self._next


class BodyPublisher:
    """Publishes the tracked people of each frame, and makes and removes the topics of those who come and go.

    People without an id are left out. Not for several threads at once.
    """

    def __init__(self, node: Node, kept_frames: int = KEPT_FRAMES, names: BodyNames | None = None) -> None:
        self._types = required_types(PACKAGE)
        self._names = names or BodyNames()
        self._node, self._kept_frames = node, kept_frames
        self._bodies: dict[str, tuple[Publisher[Any], Publisher[Any]]] = {}  # of skeleton and ROI
        self._unseen: dict[str, int] = {}
        self._header = Header()
        self._tracked: Publisher[Any] = node.create_publisher(self._types.IdsList, f'{BODIES}/tracked', QOS)

    def publish(self, poses: Sequence[Pose], header: Header, size: tuple[int, int]) -> None:
        """Publish the people of a frame; `size` is the width and height of the image."""
        people = {self._names(pose.id): pose for pose in poses if pose.id is not None}
        kinds = {'skeleton2d': self._types.Skeleton2D, 'roi': self._types.NormalizedRegionOfInterest2D}
        for name in people.keys() - self._bodies.keys():
            skeleton, roi = (
                self._node.create_publisher(kind, f'{BODIES}/{name}/{topic}', QOS) for topic, kind in kinds.items()
            )
            self._bodies[name] = skeleton, roi
        self._unseen = {name: 0 if name in people else self._unseen.get(name, 0) + 1 for name in self._bodies}
        for name in [name for name, frames in self._unseen.items() if frames > self._kept_frames]:
            self._destroy(name)
        self._header = header
        self._tracked.publish(self._types.IdsList(header=header, ids=list(people)))
        for name, pose in people.items():
            skeleton, roi = self._bodies[name]
            skeleton.publish(skeleton_message(pose, header, size))
            roi.publish(roi_message(pose, header, size))

    @property
    def has_subscribers(self) -> bool:
        """Whether anybody listens to the list or to a body."""
        publishers = [self._tracked, *(topic for topics in self._bodies.values() for topic in topics)]
        return any(publisher.get_subscription_count() for publisher in publishers)

    def reset(self) -> None:
        """Remove the topics of all bodies, and say that nobody is there: the tracks have ended."""
        if self._bodies and self._node.context.ok():
            self._tracked.publish(self._types.IdsList(header=self._header))
        for name in list(self._bodies):
            self._destroy(name)
        self._names.reset()

    def destroy(self) -> None:
        """Remove everything; of no use afterwards."""
        self.reset()
        self._node.destroy_publisher(self._tracked)

    def _destroy(self, name: str) -> None:
        self._unseen.pop(name, None)
        for topic in self._bodies.pop(name):
            self._node.destroy_publisher(topic)


def skeleton_message(pose: Pose, header: Header, size: tuple[int, int]) -> Any:
    """Return a Skeleton2D. Keypoints go by name to the places that the message's constants give; missing ones are 0."""
    message = required_types(PACKAGE).Skeleton2D(header=header)
    normalised = _normalised(pose.keypoints, size)
    for name, (x, y, score) in zip(pose.skeleton.keypoints, normalised.tolist(), strict=True):
        place = getattr(message, name.upper(), None)
        if place is not None:
            point = message.skeleton[place]
            point.x, point.y, point.c = x, y, score
    return message


def roi_message(pose: Pose, header: Header, size: tuple[int, int]) -> Any:
    """Return the box around the keypoints found as a NormalizedRegionOfInterest2D."""
    left, top, width, height = pose.bbox
    corners = np.array([[left, top, 0], [left + width, top + height, 0]])
    (xmin, ymin, _), (xmax, ymax, _) = _normalised(corners, size).tolist()
    message = required_types(PACKAGE).NormalizedRegionOfInterest2D(
        header=header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax
    )
    message.c = mean_score(pose)
    return message


def _normalised(keypoints: Any, size: tuple[int, int]) -> Any:
    """Return (N, 3) x, y and score from 0 to 1: 0 is the left or upper edge of the image, 1 the right or lower one."""
    xy = (keypoints[:, :2] + PIXEL_CORNER) / np.array(size)
    return np.clip(np.nan_to_num(np.column_stack([xy, keypoints[:, 2]]), nan=0.0), 0, 1).astype(float)
