"""The processes of `overhead`: a camera, the node and a listener over the middleware, and the pipeline without them.

`python -m pose_estimation_ros.ros.trials.overhead_parts camera|node|listener|bare PLAN.json OUT.json`. Each process
records its times with `time.perf_counter()`, which all processes share; stamps identify the image.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.files import write_json
from pose_estimation_ros.data.camera_messages import seconds
from pose_estimation_ros.inference.pipeline import Timings
from pose_estimation_ros.ros.messages.image_conversion import from_bgr
from pose_estimation_ros.ros.nodes import pose_node
from pose_estimation_ros.ros.nodes.frame_times import FrameTimes
from pose_estimation_ros.ros.nodes.inputs import sensor_profile
from pose_estimation_ros.ros.nodes.outputs import reliable
from pose_estimation_ros.ros.nodes.program import running_ros
from pose_estimation_ros.ros.nodes.statistics import Statistics
from pose_estimation_ros.ros.parameters.node_settings import load_learner, settings_from
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

WARM_UP = 15
"""Images at the start that are not measured."""
IMAGES = 5
"""Distinct images, played forwards and backwards, so that methods that follow people see them move."""
SKELETONS = '/pose_node/skeletons'


@dataclass(frozen=True)
class Plan:
    """Plan shared by all processes of a measurement."""

    parameters: dict[str, Any]
    """Node parameters by name; at least `model_path`."""
    width: int
    height: int
    frames: int
    rate: float
    people: int = 4

    def images(self) -> list[ByteArray]:
        """Draw the images, identically in every process."""
        scene = SceneSettings(width=self.width, height=self.height, people=self.people, fps=self.rate)
        forth = [frame.image for frame in SyntheticVideo(0, scene, frames=IMAGES)]
        return [*forth, *forth[-2:0:-1]]

    def moments(self) -> Iterator[int]:
        """Yield 0, 1, ... at the plan's rate, including warm-up."""
        due = time.perf_counter()
        for number in range(WARM_UP + self.frames):
            time.sleep(max(0.0, due - time.perf_counter()))
            yield number
            due = max(due + 1 / self.rate, time.perf_counter())


@dataclass
class Recorder(Statistics):
    """Statistics that keep every image."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def processed(self, timings: Timings, age: float, people: int, frame_times: FrameTimes | None = None) -> None:
        """Count an image, and record its times."""
        super().processed(timings, age, people, frame_times)
        if frame_times:
            stages = {**frame_times.node_ms(timings), **asdict(timings), 'total_ms': timings.total_ms}
            self.rows.append({**asdict(frame_times), **stages, 'people': people})


def camera(plan: Plan) -> Any:
    """Publish the images, best effort as cameras do, and note how long each call of publish() took."""
    images, rows = plan.images(), []
    with running_ros([]):
        node = rclpy.create_node('camera')
        publisher = node.create_publisher(Image, 'image', sensor_profile(1))
        while not (publisher.get_subscription_count() and node.count_subscribers(SKELETONS)):
            rclpy.spin_once(node, timeout_sec=0.05)  # while nobody listens, the node pauses
        time.sleep(1)  # until node and camera, node and listener know of each other on both sides
        for number in plan.moments():
            message = from_bgr(images[number % len(images)], Header())
            started, message.header.stamp = time.perf_counter(), node.get_clock().now().to_msg()
            publisher.publish(message)
            spent_ms = (time.perf_counter() - started) * 1e3
            rows.append({'stamp': seconds(message.header.stamp), 'at': started, 'publish_ms': spent_ms})
        time.sleep(1)  # for the last one to be looked at
    return rows


def listener(plan: Plan) -> Any:
    """Note when skeletons come, until interrupted."""
    rows: list[dict[str, float]] = []
    with running_ros([]):
        node = rclpy.create_node('listener')
        node.create_subscription(
            PointCloud2,
            SKELETONS,
            lambda message: rows.append({'stamp': seconds(message.header.stamp), 'at': time.perf_counter()}),
            reliable(10),
        )
        rclpy.spin(node)
    return rows


def node(plan: Plan) -> Any:
    """Run the unchanged node until interrupted; return its images and counts."""
    recorder = Recorder()
    values = [word for name, value in plan.parameters.items() for word in ('-p', f'{name}:={json.dumps(value)}')]
    code = pose_node.main(['--ros-args', '--log-level', 'error', *values], recorder)
    return {'code': code, 'rows': recorder.rows, 'counts': recorder.snapshot().counts}


def bare(plan: Plan) -> Any:
    """Run the node's own pipeline at the same pace without ROS; return the milliseconds of each image."""
    images = plan.images()
    settings = settings_from(plan.parameters)
    learner = load_learner(settings)
    milliseconds = []
    for number in plan.moments():
        image, stamp = images[number % len(images)], number / plan.rate
        if settings.track:  # as in the node: some methods search around earlier people
            result = learner.infer_next(image, stamp=stamp)
            learner.tracker.update(result.poses, stamp, settings.smooth, image)
        else:
            result = learner.infer_timed(image)
        milliseconds.append(result.timings.total_ms)
    return milliseconds


PARTS: dict[str, Callable[[Plan], Any]] = {'camera': camera, 'node': node, 'listener': listener, 'bare': bare}


def main(arguments: Sequence[str]) -> int:
    """Play one part of a plan."""
    part, plan, out = arguments
    result = PARTS[part](Plan(**json.loads(Path(plan).read_text())))
    write_json(Path(out), result)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
