"""The demo over ROS 2: a camera process, the pose node's process, and a listener that writes the results."""

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
from tqdm import tqdm

from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError, SourceError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.image import write_image
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import OPENPOSE_18, Skeleton
from pose_estimation_ros.data.camera_messages import seconds
from pose_estimation_ros.data.pose_json import PoseJsonWriter, written_poses
from pose_estimation_ros.data.tally import Tally
from pose_estimation_ros.data.video import VideoWriter
from pose_estimation_ros.ros.messages.image_conversion import to_bgr
from pose_estimation_ros.ros.nodes.middleware import large_image_variables, own_domain
from pose_estimation_ros.ros.nodes.outputs import reliable
from pose_estimation_ros.ros.nodes.skeleton_listener import SkeletonListener
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

NODE = '/pose_node'
START_PATIENCE_S = 60.0
END_PATIENCE_S = 3.0


class Listener(Node):
    """Collects skeletons and annotated images by their stamps, and the age of the skeletons."""

    def __init__(self, video: VideoWriter, open_poses: Callable[[Skeleton], PoseJsonWriter]) -> None:
        super().__init__('demo_listener')
        self._video, self._open_poses = video, open_poses
        self._poses_file: PoseJsonWriter | None = None
        self._waiting: dict[float, list[Pose]] = {}
        self.ages_ms: list[float] = []
        self.heard, self.shown = Tally(), Tally()
        self.diagnostics: dict[str, str] = {}
        self.last = time.monotonic()
        self._skeletons = SkeletonListener(self, f'{NODE}/skeletons', self._take_skeletons)
        self.create_subscription(Image, f'{NODE}/image_annotated', self._take_image, reliable(10))
        self.create_subscription(DiagnosticArray, '/diagnostics', self._take_diagnostics, reliable(1))

    def _take_skeletons(self, message: PointCloud2, poses: list[Pose]) -> None:
        stamp = seconds(message.header.stamp)
        self.ages_ms.append((self.get_clock().now().nanoseconds * 1e-9 - stamp) * 1e3)
        self._waiting[stamp] = poses
        self.heard.add(poses)
        self.last = time.monotonic()

    def _take_image(self, message: Image) -> None:
        stamp = seconds(message.header.stamp)
        poses = self._waiting.pop(stamp, None)
        if poses is None:  # its skeletons are still on their way, or were lost
            return
        image = to_bgr(message)
        self._video.write(image)
        if self._poses_file is None:  # with the node's skeleton, published by now
            self._poses_file = self._open_poses(self._skeletons.described or OPENPOSE_18)
        self._poses_file.add('camera', self.shown.frames, stamp, (image.shape[0], image.shape[1]), poses)
        self.shown.add(poses, image)

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        if values.get('total ms', 'unknown') != 'unknown':
            self.diagnostics = values


def run(arguments: argparse.Namespace) -> int:
    """Start the processes, listen until the camera has ended, write the results and print a table."""
    if not (arguments.rate > 0 and 1 <= arguments.seconds * arguments.rate < math.inf):
        raise SettingsError(
            f'--seconds must be at least one frame at --rate, got {arguments.seconds:g} s at {arguments.rate:g} Hz'
        )
    total = round(arguments.seconds * arguments.rate)
    folder = make_folder(arguments.output)
    source = arguments.video or _draw_clip(folder / 'camera.mp4', arguments, total)
    paths = [folder / name for name in ('demo.mp4', 'demo.png', 'skeletons.json')]
    with contextlib.ExitStack() as stack:
        video = stack.enter_context(VideoWriter(paths[0], arguments.rate))
        node = stack.enter_context(_process('pose_node', **arguments.parameters))
        listener = Listener(video, lambda each: stack.enter_context(written_poses(paths[2], each)))
        _wait_for(listener, node)
        given = {'source': source, 'loop': False, 'rate': arguments.rate, 'max_images': total}
        camera = stack.enter_context(_process('camera_node', **given, reliable=True, wait_for_subscriber=True))
        started = time.monotonic()
        with tqdm(total=total, desc='demo', unit='frame', leave=False) as bar:
            while camera.poll() is None or time.monotonic() - listener.last < END_PATIENCE_S:
                rclpy.spin_once(listener, timeout_sec=0.05)
                bar.update(listener.heard.frames - bar.n)
                if node.poll() is not None or listener.heard.frames >= total:
                    break
                if time.monotonic() - started > arguments.seconds + START_PATIENCE_S:
                    raise SourceError('the camera and the node did not finish in time')
        if node.poll() is not None or camera.poll():
            raise SourceError('a node has ended too early; see its output above')
        if listener.shown.image is None:
            raise SourceError('no annotated image arrived; run the two nodes by themselves to see their output')
    write_image(paths[1], listener.shown.image)
    print('\n'.join([_table(listener), *(f'wrote {path}' for path in paths)]))
    return 0


def _draw_clip(path: Path, arguments: argparse.Namespace, frames: int) -> str:
    """Draw the synthetic people to a video first: that takes longer than playing it."""
    scene = SceneSettings(width=1280, height=720, people=6, fps=arguments.rate, background='street')
    drawn = SyntheticVideo(arguments.seed, scene, frames=frames)
    with VideoWriter(path, arguments.rate) as writer:
        for frame in tqdm(drawn, total=frames, desc='drawing people', unit='frame', leave=False):
            writer.write(frame.image)
    return str(path)


@contextlib.contextmanager
def _process(name: str, **parameters: Any) -> Iterator['subprocess.Popen[bytes]']:
    """Run one of the package's nodes as a process, and end it as Ctrl-C would."""
    values = [part for key, value in parameters.items() for part in ('-p', f'{key}:={json.dumps(value)}')]
    command = [sys.executable, '-m', f'pose_estimation_ros.ros.nodes.{name}', '--ros-args', '--log-level', 'warn']
    process = subprocess.Popen([*command, *values])
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(listener: Listener, node: 'subprocess.Popen[bytes]') -> None:
    """Wait until the pose node subscribes to images."""
    deadline = time.monotonic() + START_PATIENCE_S
    while not listener.count_subscribers('/image'):
        rclpy.spin_once(listener, timeout_sec=0.1)
        if node.poll() is not None:
            raise SourceError('the pose node has ended; see its output above')
        if time.monotonic() > deadline:
            raise SourceError(f'the pose node was not ready within {START_PATIENCE_S:.0f} s')


def _table(listener: Listener) -> str:
    """Return rates and latencies as text."""
    ages, said = np.array(listener.ages_ms), listener.diagnostics
    median, p95 = np.percentile(ages, (50, 95))
    lines = [f'camera to skeletons   {median:8.1f} ms median  {p95:8.1f} ms p95']
    for stage in ('preprocess', 'forward', 'decode'):
        lines.append(f'  {stage:20s}{said.get(f"{stage} ms", "unknown"):>8s} ms median')
    rates = [said.get(f'{end} Hz', 'unknown') for end in ('output', 'input')]
    dropped = int(said.get('dropped, busy', '0'))
    lines.append(f'node rate             {rates[0]:>8s} Hz; camera {rates[1]} Hz; {counted(dropped, "frame")} dropped')
    lines.append(f'{listener.heard.summary()}, {said.get("backend", "")} on {said.get("device", "")}')
    return '\n'.join(lines)


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo in a ROS domain of its own; exit with code 2 if it cannot run."""
    parser = argparse.ArgumentParser(prog='demo', description='Camera and pose node over the middleware.')
    parser.add_argument('--parameters', type=json.loads, default={}, help="the node's parameters, as JSON")
    parser.add_argument('--output', type=Path, default=Path('demo'), help='output folder')
    parser.add_argument('--video', help='a video instead of synthetic people')
    parser.add_argument('--seconds', type=float, default=6.0, help='length in seconds; a longer --video is cut')
    parser.add_argument('--rate', type=float, default=15.0, help='frames per second')
    parser.add_argument('--seed', type=int, default=4, help='random seed of the synthetic people')
    arguments = parser.parse_args(args)
    for name, value in {**own_domain(), **large_image_variables()}.items():
        os.environ.setdefault(name, value)
    rclpy.init(args=[])  # this program's own arguments are none of ROS's
    try:
        return run(arguments)
    except PoseEstimationError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
