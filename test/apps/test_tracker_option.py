"""`--tracker` of `infer` and `bag`: each follows people in its own way, flow best where the camera turns."""

import json
from pathlib import Path

import numpy as np
import pytest

from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.tracking.trackers import TRACKERS

FPS, PAN = 30, 30
"""Frames a second, and pixels by which the camera turns from one to the next."""
START_NS = 1_700_000_000 * 10**9
NAMES = list(TRACKERS)


@pytest.fixture(scope='module')
def weights(assets):
    return assets / 'weights'


@pytest.fixture(scope='module')
def pan(street_frames):
    """The same through a camera that turns."""
    width = street_frames[0].shape[1] - PAN * (len(street_frames) - 1)
    return [np.ascontiguousarray(frame[:, PAN * k : PAN * k + width]) for k, frame in enumerate(street_frames)]


@pytest.fixture(scope='module')
def expected(pan, weights):
    """What the learner finds with every tracker."""
    found = {}
    for name, make in TRACKERS.items():
        learner = LightweightOpenPoseLearner(device='cpu', backend='onnxruntime', threads=1, tracker=make())
        learner.load(weights / 'lwop_omz.onnx')
        found[name] = [learner.infer(frame, stamp=number / FPS) for number, frame in enumerate(pan)]
    return found


@pytest.fixture
def model(weights):
    return '--weights', weights / 'lwop_omz.onnx', '--backend', 'onnxruntime', '--threads', 1


def frames_of(path):
    return json.loads(Path(path).read_text())['frames']


def how_many(frames):
    return len({pose.id for poses in frames for pose in poses if pose.id is not None})


def assert_same(frames, expected, same_poses):
    assert len(frames) == len(expected)
    for frame, poses in zip(frames, expected, strict=True):
        assert [pose['id'] for pose in frame['poses']] == [pose.id for pose in poses]
        same_poses(frame['poses'], poses, pixels=0.02)


def test_flow_keeps_people_whom_a_turning_camera_moves(expected):
    counts = {name: how_many(frames) for name, frames in expected.items()}
    assert counts['flow'] < counts['similarity'] < counts['published'], counts
    assert counts['flow'] <= 5, counts


@pytest.mark.parametrize('name', NAMES)
def test_infer_follows_people_as_asked(cli, name, pan, expected, model, record, same_poses):
    video = record(Path('pan.avi'), pan, fps=FPS)
    outcome = cli('infer', video, *model, '--tracker', name, '--json', 'poses.json')
    assert outcome.code == 0, outcome
    assert_same(frames_of('poses.json'), expected[name], same_poses)
    assert f'{how_many(expected[name])} tracks' in outcome.out


def test_infer_follows_people_by_similarity_unless_asked(cli, pan, expected, model, record, same_poses):
    outcome = cli('infer', record(Path('pan.avi'), pan, fps=FPS), *model, '--json', 'poses.json')
    assert outcome.code == 0, outcome
    assert_same(frames_of('poses.json'), expected['similarity'], same_poses)


def picture_message(frame, stamp_ns):
    """Return a sensor_msgs/Image in CDR."""
    from pose_estimation_ros.data.bags.messages import standard_types

    types, (sec, nanosec) = standard_types().types, divmod(stamp_ns, 10**9)
    header = types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](sec, nanosec), 'camera')
    height, width = frame.shape[:2]
    image = types['sensor_msgs/msg/Image'](header, height, width, 'bgr8', 0, 3 * width, frame.ravel())
    return standard_types().serialize_cdr(image, 'sensor_msgs/msg/Image')


@pytest.mark.parametrize('name', NAMES)
def test_bag_follows_people_as_asked(cli, name, pan, expected, model, same_poses):
    pytest.importorskip('rosbags', reason='needs the extra [bag]')
    from pose_estimation_ros.data.bags.messages import Message, Topic
    from pose_estimation_ros.data.bags.writing import written_bag

    with written_bag(Path('old'), 'mcap') as writer:
        for number, frame in enumerate(pan):
            stamp = START_NS + number * 10**9 // FPS
            writer.add(Message(Topic('/camera', 'sensor_msgs/msg/Image'), stamp, picture_message(frame, stamp)))
    outcome = cli('bag', 'old', '--output', 'new', *model, '--tracker', name, '--json', 'poses.json')
    assert outcome.code == 0, outcome
    assert_same(frames_of('poses.json'), expected[name], same_poses)


@pytest.mark.parametrize('command', [('infer', 'x.avi'), ('bag', 'x', '--output', 'y')], ids=lambda each: each[0])
def test_trackers_that_there_are_not_are_refused(cli, command):
    sentence = cli(*command, '--tracker', 'sort').sentence()
    for name in NAMES:
        assert name in sentence


def test_somebody_without_a_box_in_one_frame_is_found_by_flow_alone(cli, street_frames, weights, record):
    """Boxes are the poses of a first run, out of which the tallest person is struck in one frame."""
    video = record(Path('street.avi'), street_frames, fps=FPS)
    options = ('--method', 'simple_baseline', '--weights', weights / 'simplepose_ultralight.onnx')
    options = ('infer', video, *options, '--backend', 'onnxruntime', '--threads', 1, '--no-smooth')
    assert cli(*options, '--detector', weights / 'yolox_nano.onnx', '--json', 'first.json').code == 0
    content, missed = json.loads(Path('first.json').read_text()), 4
    for number, frame in enumerate(content['frames']):
        people = sorted(frame['poses'], key=lambda pose: -pose['bbox'][3])[:3]
        frame['poses'] = people[number == missed :]
        if number == missed:
            tallest = people[0]
    Path('boxes.json').write_text(json.dumps(content))
    for name, found in (('similarity', 2), ('flow', 3)):
        outcome = cli(*options, '--boxes', 'boxes.json', '--tracker', name, '--json', f'{name}.json')
        assert outcome.code == 0, outcome
        poses = frames_of(f'{name}.json')[missed]['poses']
        assert len(poses) == found
        near = [pose for pose in poses if np.abs(np.subtract(pose['bbox'], tallest['bbox'])).max() < 20]
        assert len(near) == (name == 'flow')
