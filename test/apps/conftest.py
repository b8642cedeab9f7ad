"""The command line in this process and in others, and pictures that are their own heatmaps."""

import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.apps.cli import main
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.methods.lightweight_openpose.encoding import encode

REPOSITORY = Path(__file__).resolve().parents[2]
LOG_LINES = re.compile(r'pose_estimation: (loaded |runs on )')
BAR = re.compile(r'\d+%\||\d+(it|frame) ?\[')

STANDING = np.array(
    [
        *((0, -20), (0, -12), (-8, -11), (-12, -2), (-12, 7), (8, -11), (12, -2), (12, 7), (-5, 8)),
        *((-5, 20), (-5, 32), (5, 8), (5, 20), (5, 32), (-6, -25), (6, -25), (-11, -21), (11, -21)),
    ],
    dtype=float,
)
"""(18, 2) keypoints of someone 55 pixels tall, about the middle."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def complaints(self):
        """What stderr holds besides progress bars and the notes on what was loaded."""
        lines = [line.strip() for line in re.split(r'[\r\n]', self.err)]
        return [line for line in lines if line and not LOG_LINES.match(line) and not BAR.search(line)]

    def sentence(self):
        """Return the one sentence that bad input ends with."""
        assert self.code == 2, self
        assert 'Traceback' not in self.err
        assert len(self.complaints) == 1, self.complaints
        assert self.complaints[0].startswith('pose_estimation: ')
        return self.complaints[0]


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Run in an empty folder, without a display, and leave the package's logger as it was."""
    folder = tmp_path / 'here'
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    logger = logging.getLogger('pose_estimation_ros')
    before = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers[:], logger.propagate = before[:2]
    logger.setLevel(before[2])


@pytest.fixture
def cli(capfd):
    """Function that runs a command in this process."""

    def run(*arguments):
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = leaving.code
        return Outcome(code or 0, *capfd.readouterr())

    return run


@pytest.fixture
def start():
    """Function that starts a command, or some code, as a process of its own; what still runs at the end is killed."""
    started = []

    def begin(*arguments, code=None, **options):
        options = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True} | options
        environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY), **options.pop('env', {})}
        environment.pop('PYTHONUNBUFFERED', None)
        what = ['-c', code] if code else ['-m', 'pose_estimation_ros']
        command = [sys.executable, *what, *map(str, arguments)]
        started.append(subprocess.Popen(command, env=environment, **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        for stream in filter(None, (process.stdout, process.stderr)):
            stream.close()


@pytest.fixture
def spawn(start):
    """Function that runs a command as a process of its own to its end."""

    def run(*arguments, **options):
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=600)
        return Outcome(process.returncode, out or '', err or '')

    return run


@pytest.fixture(scope='session')
def seer(tmp_path_factory):
    """A model file whose network reads maps that `painted` has hidden in the pixels of a picture."""
    onnx = pytest.importorskip('onnx')
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((57, 3, 8, 8), np.float32)
    for channel in range(57):
        weights[channel, channel % 3, channel // 24, channel // 3 % 8] = 256 / 127
    nodes = [
        helper.make_node('Conv', ['data', 'weights'], ['maps'], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node('Split', ['maps', 'parts'], ['heatmaps', 'fields'], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        'seer',
        [helper.make_tensor_value_info('data', TensorProto.FLOAT, ['n', 3, 'h', 'w'])],
        [
            helper.make_tensor_value_info('heatmaps', TensorProto.FLOAT, ['n', 19, 'y', 'x']),
            helper.make_tensor_value_info('fields', TensorProto.FLOAT, ['n', 38, 'y', 'x']),
        ],
        [numpy_helper.from_array(weights, 'weights'), numpy_helper.from_array(np.array([19, 38]), 'parts')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp('seer') / 'seer.onnx'
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope='session')
def seeing(seer):
    """The options that run the seer, in the backend that starts fastest."""
    return '--weights', str(seer), '--backend', 'onnxruntime'


@pytest.fixture(scope='session')
def painted():
    """Function that hides the maps of people (P, 18, 2) in a picture: 8 by 8 pixels hold the channels of a cell."""

    def paint(people, height=256, width=320):
        people = np.asarray(people, dtype=float).reshape(-1, 18, 2)
        flagged = np.concatenate([people, np.ones((*people.shape[:2], 1))], axis=2)
        maps = np.concatenate(encode(flagged, (height, width)))  # (57, H/8, W/8)
        cells = np.zeros((height // 8, width // 8, 64, 3))
        for channel, values in enumerate(maps):
            cells[:, :, channel // 3, channel % 3] = values
        pixels = np.clip(np.round(cells * 127), -127, 127) + 128
        blocks = pixels.reshape(height // 8, width // 8, 8, 8, 3).transpose(0, 2, 1, 3, 4)
        return np.ascontiguousarray(blocks.reshape(height, width, 3).astype(np.uint8))

    return paint


@pytest.fixture(scope='session')
def standing():
    """Function that returns someone (18, 2) who stands at a place."""
    return lambda x, y=128, scale=1.2: STANDING * scale + (x, y)


@pytest.fixture(scope='session')
def three(painted, standing):
    """A picture (256, 320, 3) of three people."""
    return painted([standing(53), standing(160), standing(266)])


@pytest.fixture(scope='session')
def walking(painted, standing):
    """Twelve pictures of two people who walk towards the right."""
    return [painted([standing(60 + 3 * step), standing(200 + 3 * step)]) for step in range(12)]


@pytest.fixture(scope='session')
def picture(tmp_path_factory, three):
    """File of the picture of three people."""
    path = tmp_path_factory.mktemp('pictures') / 'three.png'
    cv2.imwrite(str(path), three)
    return path


@pytest.fixture(scope='session')
def record():
    """Function that writes frames as a video without loss."""

    def write(path, frames, fps=25.0, codec='FFV1'):
        height, width = frames[0].shape[:2]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height))
        assert writer.isOpened()
        for frame in frames:
            writer.write(frame)
        writer.release()
        return path

    return write


@pytest.fixture(scope='session')
def clip(tmp_path_factory, walking, record):
    """Video file of two people who walk."""
    return record(tmp_path_factory.mktemp('clips') / 'walk.avi', walking)


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Folder of a small network with random weights, saved by the learner."""
    torch = pytest.importorskip('torch')
    from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner

    torch.manual_seed(0)
    learner = LightweightOpenPoseLearner(
        backbone='mobilenetv2', mobilenetv2_width=0.1, num_refinement_stages=0, device='cpu'
    )
    learner.init_model()
    folder = tmp_path_factory.mktemp('weights') / 'tiny'
    learner.save(folder)
    return folder


@pytest.fixture(scope='session')
def same_poses():
    """Function that compares a frame of the JSON with poses, or with another frame."""

    def records(poses):
        if poses and isinstance(poses[0], Pose):
            return [[None if np.isnan(x) else (x, y, score) for x, y, score in pose.keypoints] for pose in poses]
        return [pose['keypoints'] for pose in poses]

    def compare(ones, others, pixels=0.01):
        assert len(ones) == len(others)
        for one, other in zip(records(ones), records(others), strict=True):
            assert [keypoint is None for keypoint in one] == [keypoint is None for keypoint in other]
            pairs = [pair for pair in zip(one, other, strict=True) if pair[0] is not None]
            for mine, theirs in pairs:
                assert mine[:2] == pytest.approx(theirs[:2], abs=pixels)

    return compare
