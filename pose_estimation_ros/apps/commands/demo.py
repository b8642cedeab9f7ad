"""`demo`: synthetic people in a street; writes an annotated video, an image and JSON, and prints rates."""

import importlib.util
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.core.image import write_image
from pose_estimation_ros.data.pose_json import written_poses
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.data.tally import Tally
from pose_estimation_ros.data.video import VideoWriter
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

FPS = 30.0
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
    if not settings.local and importlib.util.find_spec('rclpy'):
        special = not_for_the_node(settings)
        if not special:
            return _over_the_middleware(settings)
        say(f'(not over ROS 2: the node has no parameter for {", ".join(special)})')
    learner = make_learner(settings)
    folder = make_folder(settings.output)
    video, image_path, poses_path = (folder / name for name in ('demo.mp4', 'demo.png', 'skeletons.json'))
    stages, tally = [], Tally()
    with VideoWriter(video, FPS) as writer, written_poses(poses_path, learner.method.skeleton) as poses_file:
        for index, (name, stamp, image) in enumerate(_frames(settings)):
            result = learner.infer_next(image, stamp=stamp)
            poses = learner.tracker.update(result.poses, stamp, image=image)
            annotated = draw_poses(image, poses)
            writer.write(annotated)
            poses_file.add(name, index, stamp, (image.shape[0], image.shape[1]), poses)
            stages.append([getattr(result.timings, stage) for stage in STAGES])
            tally.add(poses, annotated)
    if tally.image is None:
        raise SourceError('the video has no frames')
    write_image(image_path, tally.image)
    say(f'{"":12s}{"median":>9s}{"p95":>9s}   ms')
    for name, values in zip(STAGES, np.transpose(stages), strict=True):
        say(f'{name.removesuffix("_ms"):12s}{np.median(values):9.2f}{np.percentile(values, 95):9.2f}')
    say(tally.summary())
    say(f'{tally.rate():.1f} frames/s, including drawing or reading frames, annotation and video encoding')
    for path in (video, image_path, poses_path):
        say(f'wrote {path}')
    return 0


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
        scene = SceneSettings(width=1280, height=720, people=6, fps=FPS, background='street')
        drawn = SyntheticVideo(settings.seed, scene, frames=total)
        images = (('synthetic people', frame.stamp, frame.image) for frame in drawn)
    yield from tqdm(images, total=total, desc='demo', unit='frame', leave=False)
