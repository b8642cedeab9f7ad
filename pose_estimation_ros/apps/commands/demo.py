"""`demo`: synthetic people in a street; writes an annotated video, an image and JSON, and prints rates."""

import contextlib
import importlib.util
import itertools
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveFloat
from tqdm import tqdm

from pose_estimation_ros.apps.options.model_options import (
    add_model_options,
    add_tracker_option,
    make_learner,
    node_parameters,
    not_for_the_node,
)
from pose_estimation_ros.apps.options.parser import add_flag, say
from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.drawing import draw_poses
from pose_estimation_ros.core.errors import SettingsError, SourceError
from pose_estimation_ros.core.files import atomic_write, make_folder
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.pose_json import written_poses
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.data.video import VideoWriter
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

FPS = 30.0

WHOLE = 14
"""Keypoints of a person who is completely visible."""
STAGES = ('preprocess_ms', 'forward_ms', 'decode_ms', 'total_ms')


def add_arguments(parser: Any) -> None:
    """Add the options of this command."""
    parser.add_argument('--output', type=Path, default=Path('demo'), metavar='DIR', help='Output folder.')
    parser.add_argument('--video', type=str | None, help='A video instead of synthetic people.')
    parser.add_argument('--seconds', type=PositiveFloat, default=6.0, help='Length in seconds.')
    parser.add_argument('--seed', type=NonNegativeInt, default=4, help='Random seed of the synthetic people.')
    add_flag(parser, '--local', 'Run in this process, without ROS 2.')
    add_tracker_option(parser)
    add_model_options(parser)


def run(settings: Namespace) -> int:
    """Run the learner on a video, write the results and print a table."""
    if not 1 <= settings.seconds * FPS < math.inf:
        raise SettingsError(f'--seconds must be at least one frame at {FPS:g} Hz, got {settings.seconds:g}')
    if not settings.local and importlib.util.find_spec('rclpy') and not _needs_local(settings):
        return _over_the_middleware(settings)
    learner = make_learner(settings)
    folder = make_folder(settings.output)
    video, image_path, poses_path = (folder / name for name in ('demo.mp4', 'demo.png', 'skeletons.json'))
    stages, people, ids = [], [], set()
    best: tuple[float, ByteArray | None] = (-math.inf, None)
    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(VideoWriter(video, FPS))
        poses_file = stack.enter_context(written_poses(poses_path, learner.method.skeleton))
        for index, (name, stamp, image) in enumerate(_frames(settings)):
            result = learner.infer_next(image, stamp=stamp)
            poses = learner.tracker.update(result.poses, stamp, image=image)
            annotated = draw_poses(image, poses)
            writer.write(annotated)
            poses_file.add(name, index, stamp, (image.shape[0], image.shape[1]), poses)
            stages.append([getattr(result.timings, stage) for stage in STAGES])
            people.append(len(poses))
            ids |= {pose.id for pose in poses if pose.id is not None}
            if _showing(poses) > best[0]:
                best = _showing(poses), annotated
    _write_image(image_path, best[1])
    say(_table(np.array(stages)))
    rate = len(people) / (time.perf_counter() - started)
    tracks = counted(len(ids), 'track')
    say(f'{counted(len(people), "frame")}, {np.mean(people):.1f} people a frame, {tracks}')
    say(f'{rate:.1f} frames/s, including drawing or reading frames, annotation and video encoding')
    for path in (video, image_path, poses_path):
        say(f'wrote {path}')
    return 0


def _needs_local(settings: Namespace) -> bool:
    """Return whether an option has no parameter in the node, and print which."""
    special = not_for_the_node(settings)
    if special:
        say(f'(not over ROS 2: the node has no parameter for {", ".join(special)})')
    return bool(special)


def _over_the_middleware(settings: Namespace) -> int:
    """Run camera and node as processes over ROS 2; their output goes to this terminal."""
    parameters = json.dumps(node_parameters(settings))
    command = [sys.executable, '-m', 'pose_estimation_ros.ros.trials.demo', '--parameters', parameters]
    command += ['--output', str(settings.output), '--seconds', str(settings.seconds), '--seed', str(settings.seed)]
    command += ['--video', settings.video] if settings.video else []
    say('(camera and pose node over ROS 2; use --local to run without)')
    return subprocess.run(command, check=False).returncode


def _frames(settings: Namespace) -> Iterator[tuple[str, float, ByteArray]]:
    """Yield source, stamp and image, under a progress bar."""
    total = round(settings.seconds * FPS)
    if settings.video:
        frames = (frame for source in open_sources([settings.video]) for frame in source.frames())
        images = ((frame.source, frame.stamp, frame.image) for frame in itertools.islice(frames, total))
    else:
        scene = SyntheticVideo(
            settings.seed, SceneSettings(width=1280, height=720, people=6, fps=FPS, background='street'), frames=total
        )
        images = (('synthetic people', frame.stamp, frame.image) for frame in scene)
    yield from tqdm(images, total=total, desc='demo', unit='frame', leave=False)


def _showing(poses: list[Pose]) -> float:
    """Return the quality of a frame for the image: complete people minus half the fragments."""
    whole = sum(len(pose.found) >= WHOLE for pose in poses)
    return whole - 0.5 * (len(poses) - whole)


def _write_image(path: Path, image: ByteArray | None) -> None:
    if image is None:
        raise SourceError('the video has no frames')
    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode('.png', image)[1].tobytes())


def _table(stages: Any) -> str:
    """Return latencies by stage as text."""
    lines = [f'{"":12s}{"median":>9s}{"p95":>9s}   ms']
    for name, values in zip(STAGES, stages.T, strict=True):
        lines.append(f'{name.removesuffix("_ms"):12s}{np.median(values):9.2f}{np.percentile(values, 95):9.2f}')
    return '\n'.join(lines)
