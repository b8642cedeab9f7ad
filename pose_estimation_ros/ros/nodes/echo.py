"""`echo`: skeletons of a running node, readable or as JSON."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import PointCloud2

from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.camera_messages import seconds
from pose_estimation_ros.ros.nodes.program import running_ros
from pose_estimation_ros.ros.nodes.skeleton_listener import SkeletonListener

DEFAULT_TOPIC = '/pose_node/skeletons'
TYPE = 'sensor_msgs/msg/PointCloud2'
SILENT_AFTER_S = 5.0


class Echo(Node):
    """Prints every message of a skeletons topic."""

    def __init__(self, topic: str, as_json: bool, once: bool) -> None:
        super().__init__('skeleton_echo')
        self._as_json, self._once = as_json, once
        self.done = False
        self._topic, self._said = self.resolve_topic_name(topic), ''
        self._listener = SkeletonListener(self, topic, self._print)
        self._patience = self.create_timer(SILENT_AFTER_S, self._say_why)

    def _print(self, message: PointCloud2, poses: Sequence[Pose]) -> None:
        if self.done:
            return
        self._patience.cancel()
        print(as_line(message, poses) if self._as_json else as_text(message, poses), flush=True)
        self.done = self._once

    def _say_why(self) -> None:
        why = silence(self._topic, [info.topic_type for info in self.get_publishers_info_by_topic(self._topic)])
        if why != self._said:
            self.get_logger().warning(why)
        self._said = why


def silence(topic: str, types: Sequence[str]) -> str:
    """Return why nothing comes, from the types of those who publish."""
    if not types:
        return f'no publisher on {topic}; is the node running, and is this its topic?'
    if TYPE not in types:
        return f'{topic} carries {types[0]}; skeletons are a {TYPE}, such as {DEFAULT_TOPIC}'
    return f'nothing has come on {topic} from {counted(len(types), "publisher")}; /diagnostics may say why'


def as_text(message: PointCloud2, poses: Sequence[Pose]) -> str:
    """Return a message for people to read."""
    head = f'{seconds(message.header.stamp):.3f} {message.header.frame_id}: {counted(len(poses), "person", "people")}'
    return '\n'.join([head, *map(str, poses)])


def as_line(message: PointCloud2, poses: Sequence[Pose]) -> str:
    """Return a message as one line of JSON; a missing keypoint is null."""
    people = []
    for pose in poses:
        keypoints = [np.round(row, 3).tolist() if np.isfinite(row[0]) else None for row in pose.keypoints.astype(float)]
        people.append({'id': pose.id, 'keypoints': keypoints})
    return json.dumps({'stamp': seconds(message.header.stamp), 'frame_id': message.header.frame_id, 'poses': people})


def main(args: Sequence[str] | None = None) -> int:
    """Print skeletons until interrupted, or one message with --once."""
    parser = argparse.ArgumentParser(prog='echo', description='Print the skeletons that a pose_node publishes.')
    parser.add_argument('topic', nargs='?', default=DEFAULT_TOPIC, help='topic to listen to [%(default)s]')
    parser.add_argument('--once', action='store_true', help='leave after the first message')
    parser.add_argument('--json', action='store_true', help='a line of JSON for each message')
    arguments = list(sys.argv if args is None else ['echo', *args])
    chosen = parser.parse_args(remove_ros_args(arguments)[1:])
    with running_ros(arguments):
        node = Echo(chosen.topic, chosen.json, chosen.once)
        try:
            while not node.done:
                rclpy.spin_once(node, timeout_sec=0.2)
        except BrokenPipeError:  # whoever read has left, such as `head`
            sys.stdout = open(os.devnull, 'w')  # noqa: PTH123, SIM115 (lest Python complains while it closes the pipe)
    return 0


if __name__ == '__main__':
    sys.exit(main())
