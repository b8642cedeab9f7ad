import json
import re
from pathlib import Path

import cv2
import pytest

from pose_estimation_ros.core.image import read_image

OUT = Path('demo')
FILES = ['demo.mp4', 'demo.png', 'skeletons.json']


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def check(outcome, folder, frames, width, height):
    """Compare what was printed with what was written; return the frames of the JSON."""
    assert outcome.code == 0, outcome
    assert names_in(folder) == FILES
    assert all(f'wrote {folder / name}' in outcome.out for name in FILES)
    assert f'{frames} frames, ' in outcome.out
    table = outcome.out.splitlines()[:5]
    assert table[0].split() == ['median', 'p95', 'ms']
    for line, stage in zip(table[1:], ('preprocess', 'forward', 'decode', 'total'), strict=True):
        assert re.fullmatch(rf'{stage} +\d+\.\d+ +\d+\.\d+', line)
    capture = cv2.VideoCapture(str(folder / 'demo.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == frames
    assert capture.read()[1].shape == (height, width, 3)
    assert read_image(folder / 'demo.png').shape == (height, width, 3)
    written = json.loads((folder / 'skeletons.json').read_text())
    assert len(written['skeleton']['keypoints']) == 18
    assert [frame['index'] for frame in written['frames']] == list(range(frames))
    return written['frames']


def test_synthetic_people(cli, seeing):
    outcome = cli('demo', '--local', '--seconds', 0.1, '--keypoint-threshold', 0.5, *seeing)
    frames = check(outcome, OUT, 3, 1280, 720)
    assert [frame['stamp'] for frame in frames] == pytest.approx([0, 1 / 30, 2 / 30], abs=1e-5)
    assert 'demo:' in outcome.err  # the progress bar


def test_own_video(cli, clip, seeing):
    frames = check(
        cli('demo', '--local', '--video', clip, '--seconds', 0.2, '--output', 'mine', *seeing),
        Path('mine'),
        6,
        320,
        256,
    )
    assert all({pose['id'] for pose in frame['poses']} == {0, 1} for frame in frames)
    assert {frame['source'] for frame in frames} == {str(clip)}


def test_shorter_video_than_asked_for(cli, clip, seeing):
    frames = check(cli('demo', '--local', '--video', clip, *seeing), OUT, 12, 320, 256)
    assert {pose['id'] for frame in frames for pose in frame['poses']} == {0, 1}


@pytest.mark.parametrize('looking', [('--newcomers-interval', 2), ('--regions', 'published')])
def test_two_passes(cli, clip, seeing, looking):
    """The seer is blind at other sizes than the picture's; that everything comes out is what is seen here."""
    options = ('--method', 'high_resolution', '--first-pass-height', 256, *looking)
    outcome = cli('demo', '--local', '--video', clip, *options, *seeing)
    frames = check(outcome, OUT, 12, 320, 256)
    assert [frame['index'] for frame in frames] == list(range(12))


@pytest.mark.slow
def test_real_weights_find_the_synthetic_people(cli, assets):
    weights = assets / 'weights' / 'lwop_omz.onnx'
    frames = check(
        cli('demo', '--local', '--seconds', 0.2, '--weights', weights, '--backend', 'onnxruntime'), OUT, 6, 1280, 720
    )
    assert sum(len(frame['poses']) >= 2 for frame in frames) >= 5


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--seconds', '0.001'], '--seconds must be at least one frame at 30 Hz'),
        (['--seconds', 'inf'], '--seconds must be at least one frame at 30 Hz'),
        (['--video', 'missing.mp4'], 'there is no file or folder missing.mp4'),
        (['--weights', 'missing.onnx'], 'missing.onnx; give a saved folder'),
        (['--output', 'taken'], 'cannot make the folder taken'),
        (['--method', 'high_resolution', '--height', '300'], 'high_resolution has no --height'),
        (['--regions', 'people'], 'lightweight_openpose has no --regions'),
    ],
)
def test_bad_input(cli, seeing, arguments, expected):
    Path('taken').write_text('mine')
    assert expected in cli('demo', '--local', '--seconds', 0.1, *seeing, *arguments).sentence()
    assert [path.name for path in Path().rglob('*') if path.is_file()] == ['taken']


def test_runs_with_the_weights_that_come_with_the_package(cli):
    outcome = cli('demo', '--local', '--seconds', 0.3)
    assert outcome.code == 0, outcome.err
    frames = json.loads(Path('demo/skeletons.json').read_text())['frames']
    assert frames
    assert all(len(frame['poses']) >= 4 for frame in frames)  # of six people
