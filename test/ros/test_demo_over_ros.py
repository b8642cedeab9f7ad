"""`demo` as `make demo` runs it: camera, node and listener over the middleware."""

import json
import subprocess
import sys

import cv2
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_graph import REPOSITORY

from pose_estimation_ros.data.video import VideoWriter
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

FILES = ['demo.mp4', 'demo.png', 'skeletons.json']


def demo(*arguments):
    command = [sys.executable, '-m', 'pose_estimation_ros', 'demo', *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=170, check=False)


@pytest.fixture
def clip(tmp_path):
    """Three seconds of two people, as a video that the demo shows one and a half seconds of."""
    path = tmp_path / 'clip.mp4'
    with VideoWriter(path, 15.0) as writer:
        for frame in SyntheticVideo(4, SceneSettings(width=320, height=240, people=2), frames=45):
            writer.write(frame.image)
    return path


@pytest.mark.slow
@pytest.mark.parametrize('own_video', [True, False])
def test_everything_comes_out(assets, clip, tmp_path, own_video):
    out, weights = tmp_path / 'out', assets / 'weights' / 'lwop_omz.onnx'
    chosen = ['--video', clip] if own_video else []
    result = demo('--weights', weights, '--output', out, '--seconds', 1.5, '--height', 128, *chosen)
    assert result.returncode == 0, result.stderr
    assert 'Traceback' not in result.stderr
    assert {path.name for path in out.iterdir()} - {'camera.mp4'} == set(FILES)
    assert all(f'wrote {out / name}' in result.stdout for name in FILES)
    assert 'camera to skeletons' in result.stdout
    frames = json.loads((out / 'skeletons.json').read_text())['frames']
    width, height = (320, 240) if own_video else (1280, 720)
    assert 1 <= len(frames) <= 22, 'at most so many seconds are shown'  # of a busy machine less comes through
    assert {(frame['width'], frame['height']) for frame in frames} == {(width, height)}
    assert [frame['stamp'] for frame in frames] == sorted(frame['stamp'] for frame in frames)
    capture = cv2.VideoCapture(str(out / 'demo.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(frames)
    assert cv2.imread(str(out / 'demo.png')).shape == (height, width, 3)


@pytest.mark.slow
def test_two_passes(assets, clip, tmp_path):
    options = ('--method', 'high_resolution', '--first-pass-height', 128, '--second-pass-height', 200)
    weights, out = assets / 'weights' / 'lwop_omz.onnx', tmp_path / 'out'
    result = demo('--weights', weights, '--output', out, '--seconds', 1, '--video', clip, *options)
    assert result.returncode == 0, result.stderr
    frames = json.loads((out / 'skeletons.json').read_text())['frames']
    assert 1 <= len(frames) <= 15
    assert any(frame['poses'] for frame in frames)


@pytest.mark.slow
def test_the_file_of_poses_has_the_skeleton_of_the_method(assets, clip, tmp_path):
    weights = assets / 'weights'
    options = ('--method', 'simple_baseline', '--detector', weights / 'yolox_nano.onnx')
    out = tmp_path / 'out'
    network = weights / 'simplepose_ultralight.onnx'
    result = demo('--weights', network, '--output', out, '--seconds', 1, '--video', clip, *options)
    assert result.returncode == 0, result.stderr
    written = json.loads((out / 'skeletons.json').read_text())
    assert len(written['skeleton']['keypoints']) == 17, 'of COCO, not the 18 of OpenPose'
    assert {len(pose['keypoints']) for frame in written['frames'] for pose in frame['poses']} <= {17}


@pytest.mark.slow
def test_options_reach_the_node(assets, tmp_path):
    """It says so where it has another opinion of them."""
    options = ('--method', 'high_resolution', '--newcomers-interval', 2000, '--second-pass-height', 2000)
    weights = assets / 'weights' / 'lwop_omz.onnx'
    result = demo('--weights', weights, '--output', tmp_path / 'out', '--seconds', 0.1, *options)
    assert result.returncode == 2
    assert 'newcomers_interval must be a whole number from 1 to 1000, got 2000' in result.stdout + result.stderr
    assert 'second_pass_height must be a whole number from 128 to 1080, got 2000' in result.stdout + result.stderr


@pytest.mark.slow
def test_a_node_that_cannot_start_is_told(tmp_path):
    (tmp_path / 'broken.onnx').write_bytes(b'no model')
    result = demo('--weights', tmp_path / 'broken.onnx', '--output', tmp_path / 'out', '--seconds', 0.5)
    assert result.returncode == 2
    assert 'the pose node has ended; see its output above' in result.stderr
    assert 'Traceback' not in result.stderr
    assert not list((tmp_path / 'out').glob('demo*'))
