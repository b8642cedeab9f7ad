"""The command `bag`, through the command line, with real networks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rosbags', reason='needs the extra [bag]')

from pose_estimation_ros.apps.cli import main
from pose_estimation_ros.apps.commands import bag as command
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.data.bags.messages import Message, Topic, image_in, standard_types
from pose_estimation_ros.data.bags.reading import open_bag
from pose_estimation_ros.data.bags.skeleton_topics import poses_in
from pose_estimation_ros.data.bags.writing import written_bag
from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGE, COMPRESSED, TEXT = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage', 'std_msgs/msg/String'
CAMERA, PACKED, CHATTER = Topic('/camera/image_raw', IMAGE), Topic('/camera/compressed', COMPRESSED), Topic('/a', TEXT)
SKELETONS, DESCRIPTION = '/pose_estimation/skeletons', '/pose_estimation/skeleton_description'
ANNOTATED = '/pose_estimation/image_annotated/compressed'
START, STEP = 1_700_000_000_000_000_000, 66_666_667
HEIGHT = 128


def left_in(folder):
    """Names in a folder; `here` is the working directory that every test of the command line gets."""
    return sorted(path.name for path in folder.iterdir() if path.name != 'here')


@pytest.fixture(scope='session')
def random_weights(tmp_path_factory):
    """A network that finds nobody in particular."""
    pytest.importorskip('torch')
    learner = create_learner('lightweight_openpose', device='cpu', num_refinement_stages=0)
    learner.init_model()
    folder = tmp_path_factory.mktemp('weights') / 'random'
    learner.save(folder)
    return folder


@pytest.fixture(scope='session')
def random_model(random_weights):
    return ['--weights', str(random_weights), '--height', '64', '--device', 'cpu']


@pytest.fixture(scope='session')
def real_model(assets):
    return ['--weights', str(assets / 'weights' / 'lwop_omz.onnx'), '--height', str(HEIGHT), '--device', 'cpu']


def make(kind, **fields):
    return standard_types().types[kind](**fields)


def header(stamp_ns, frame='camera'):
    sec, nanosec = divmod(stamp_ns, 10**9)
    return make(
        'std_msgs/msg/Header', stamp=make('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec), frame_id=frame
    )


def raw(stamp_ns, picture, encoding='bgr8'):
    height, width = picture.shape[:2]
    message = make(
        IMAGE, header=header(stamp_ns), height=height, width=width, encoding=encoding, is_bigendian=0,
        step=3 * width, data=np.ascontiguousarray(picture).ravel(),
    )  # fmt: skip
    return standard_types().serialize_cdr(message, IMAGE)


def jpeg(stamp_ns, picture):
    content = cv2.imencode('.jpg', picture)[1].ravel()
    message = make(COMPRESSED, header=header(stamp_ns), format='jpeg', data=content)
    return standard_types().serialize_cdr(message, COMPRESSED)


def text(words):
    return standard_types().serialize_cdr(make(TEXT, data=words), TEXT)


def record(path, messages, storage='mcap'):
    with written_bag(path, storage) as writer:
        for topic, stamp, data in messages:
            writer.add(Message(topic, stamp, data))
    return path


def tiny(count=5, topic=CAMERA):
    """Pictures of noise, and something else between them. What is recorded is recorded 5 ms after its stamp."""
    pictures = np.random.default_rng(0).integers(0, 256, (count, 48, 64, 3), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        stamp = START + number * STEP
        yield topic, stamp + 5_000_000, (raw if topic.msgtype == IMAGE else jpeg)(stamp, picture)
        yield CHATTER, stamp + 6_000_000, text(f'number {number}')


@pytest.fixture(scope='session')
def walk():
    """A second of people walking."""
    video = SyntheticVideo(4, SceneSettings(width=320, height=240, people=2, fps=15), frames=12)
    return [frame.image for frame in video]


def messages_of(path):
    with open_bag(path) as bag:
        return [(message.topic.name, message.stamp_ns, bytes(message.data)) for message in bag.messages()]


def on(path, name):
    with open_bag(path) as bag:
        return [message for message in bag.messages() if message.topic.name == name]


def run(*arguments):
    return main(['bag', *map(str, arguments)])


def refusal(capsys, *arguments):
    """Run what must be refused and return the sentence."""
    try:
        code = run(*arguments)
    except SystemExit as leaving:
        code = leaving.code
    error = capsys.readouterr().err
    assert code == 2
    assert error.count('\n') == 1
    assert 'Traceback' not in error
    return error


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_the_messages_of_the_old_bag_are_all_in_the_new_one(tmp_path, storage, random_model, capsys):
    old = record(tmp_path / 'old', tiny(), storage)
    assert run(old, '--output', tmp_path / 'new', *random_model) == 0
    added = {SKELETONS, DESCRIPTION}
    found = messages_of(tmp_path / 'new')
    assert [each for each in found if each[0] not in added] == messages_of(old)
    assert {each[0] for each in found} == {CAMERA.name, CHATTER.name} | added
    with open_bag(old) as before, open_bag(tmp_path / 'new') as after:
        assert after.storage == before.storage == storage
        assert set(before.topics) <= set(after.topics)
    assert f'wrote {tmp_path / "new"}' in capsys.readouterr().out
    assert left_in(tmp_path) == ['new', 'old']


@pytest.mark.parametrize('topic', [CAMERA, PACKED], ids=lambda topic: topic.msgtype)
def test_every_picture_gets_its_skeletons_even_without_people(tmp_path, topic, random_model):
    old = record(tmp_path / 'old', tiny(topic=topic))
    assert run(old, '--output', tmp_path / 'new', *random_model, '--max-persons', 1, '--min-keypoints', 18) == 0
    pictures, clouds = on(old, topic.name), on(tmp_path / 'new', SKELETONS)
    assert [each.stamp_ns for each in clouds] == [each.stamp_ns for each in pictures]
    for picture, cloud in zip(pictures, clouds, strict=True):
        content = standard_types().deserialize_cdr(cloud.data, cloud.topic.msgtype)
        assert content.header == image_in(picture).header
        assert (content.height, content.width, content.is_dense) == (0, 18, False)
    [description] = on(tmp_path / 'new', DESCRIPTION)
    described = standard_types().deserialize_cdr(description.data, TEXT).data
    assert json.loads(described) == json.loads(json.dumps(OPENPOSE_18.describe()))
    assert description.stamp_ns == pictures[0].stamp_ns


def test_people_are_found_and_tracked_as_by_the_learner(tmp_path, walk, real_model, assets, capsys):
    messages = [(CAMERA, START + number * STEP, raw(START + number * STEP, each)) for number, each in enumerate(walk)]
    old = record(tmp_path / 'old', messages)
    poses_file = tmp_path / 'poses.json'
    assert run(old, '--output', tmp_path / 'new', '--annotate', '--json', poses_file, *real_model) == 0
    learner = create_learner('lightweight_openpose', device='cpu', base_height=HEIGHT)
    learner.load(assets / 'weights' / 'lwop_omz.onnx')
    frames = json.loads(poses_file.read_text())['frames']
    clouds, annotated = on(tmp_path / 'new', SKELETONS), on(tmp_path / 'new', ANNOTATED)
    assert len(frames) == len(clouds) == len(annotated) == len(walk)
    count = 0
    for number, picture in enumerate(walk):
        stamp = (START + number * STEP) * 1e-9
        expected = learner.infer(picture, stamp=stamp)
        poses = poses_in(clouds[number], OPENPOSE_18)
        assert [pose.id for pose in poses] == [pose.id for pose in expected]
        for pose, wanted in zip(poses, expected, strict=True):
            np.testing.assert_allclose(pose.keypoints, wanted.keypoints, atol=1e-3)
        assert frames[number]['stamp'] == pytest.approx(stamp, abs=1e-5)
        assert [pose['id'] for pose in frames[number]['poses']] == [pose.id for pose in expected]
        shown = image_in(annotated[number])
        assert shown.header == image_in(Message(*messages[number][:1], 0, messages[number][2])).header
        assert (np.abs(shown.image.astype(int) - picture).max() > 60) == bool(poses)
        count += len(poses)
    assert count >= len(walk)
    assert f'{len(walk)} frames, {count} poses' in capsys.readouterr().out


def test_running_again_replaces_what_is_there(tmp_path, random_model, capsys):
    old = record(tmp_path / 'old', tiny())
    assert run(old, '--output', tmp_path / 'new', '--annotate', *random_model) == 0
    assert run(tmp_path / 'new', '--output', tmp_path / 'newer', *random_model) == 0
    assert 'already contains skeletons; they are replaced' in capsys.readouterr().err
    assert messages_of(tmp_path / 'newer') == [each for each in messages_of(tmp_path / 'new') if each[0] != ANNOTATED]


class FakeLearner:
    """Notes when pictures were taken; fails where told to."""

    def __init__(self, failure=None):
        self.stamps, self.failure = [], failure
        self.method = create_learner('lightweight_openpose', device='cpu').method

    def pipeline(self):
        return None

    def infer(self, picture, *, smooth, stamp, track=True):
        assert track
        self.stamps.append(stamp)
        if self.failure and len(self.stamps) == 3:
            raise self.failure
        return []


@pytest.fixture
def fake(monkeypatch):
    def use(failure=None):
        learner = FakeLearner(failure)
        monkeypatch.setattr(command, 'make_learner', lambda settings: learner)
        return learner

    return use


def test_stamps_are_those_of_the_headers_or_else_of_the_recording(tmp_path, fake, capsys):
    learner = fake()
    picture = np.zeros((8, 8, 3), np.uint8)
    stamps = [START, 0, START + 2 * STEP, 0]
    messages = [(CAMERA, START + 100 + number * STEP, raw(each, picture)) for number, each in enumerate(stamps)]
    assert run(record(tmp_path / 'old', messages), '--output', tmp_path / 'new') == 0
    expected = [START, START + STEP + 100, START + 2 * STEP, START + 3 * STEP + 100]
    assert learner.stamps == pytest.approx([each * 1e-9 for each in expected], abs=1e-6)
    assert capsys.readouterr().err.count('have no stamp; the time of recording is used') == 1
    clouds = on(tmp_path / 'new', SKELETONS)
    headers = [standard_types().deserialize_cdr(each.data, each.topic.msgtype).header for each in clouds]
    assert [each.stamp.sec for each in headers] == [each // 10**9 for each in stamps]  # copied as they are


def test_pictures_that_cannot_be_read_are_left_out_with_one_warning(tmp_path, fake, capsys):
    learner = fake()
    messages = list(tiny(6))
    for number in (2, 4, 6):
        messages[number] = (CAMERA, messages[number][1], raw(START, np.zeros((8, 8, 3), np.uint8), 'bayer_rggb12'))
    old = record(tmp_path / 'old', messages)
    assert run(old, '--output', tmp_path / 'new') == 0
    output = capsys.readouterr()
    assert output.err.count("got 'bayer_rggb12'") == 1
    assert '3 frames, 0 poses, 0 tracks, 3 unreadable and skipped' in output.out
    assert len(learner.stamps) == len(on(tmp_path / 'new', SKELETONS)) == 3
    assert len(on(tmp_path / 'new', CAMERA.name)) == 6


def test_a_bag_that_is_cut_off_yields_what_it_holds(tmp_path, fake, capsys):
    learner = fake()
    for storage in ('mcap', 'sqlite3'):
        learner.stamps.clear()
        old = record(tmp_path / f'old_{storage}', list(tiny(300)), storage)
        [file] = [path for path in old.iterdir() if path.suffix != '.yaml']
        os.truncate(file, file.stat().st_size // 2)
        new = tmp_path / f'new_{storage}'
        assert run(old, '--output', new) == 0
        assert capsys.readouterr().err.count('is damaged') == 1
        assert 100 < len(learner.stamps) == len(on(new, SKELETONS)) < 160
        assert (new / 'metadata.yaml').exists()
        assert len(messages_of(new)) > 300
        assert 'damaged' not in capsys.readouterr().err


# --- what is refused: one sentence, exit code 2, nothing written ---


def test_a_topic_must_be_chosen_among_several(tmp_path, fake, capsys):
    fake()
    old = record(tmp_path / 'old', [*tiny(2), *tiny(3, PACKED)])
    assert f'choose a --topic: {CAMERA.name}, {PACKED.name}' in refusal(capsys, old, '--output', tmp_path / 'new')
    assert '--topic /b is not there' in refusal(capsys, old, '--output', tmp_path / 'new', '--topic', 'b')
    assert '--topic /a holds no images' in refusal(capsys, old, '--output', tmp_path / 'new', '--topic', '/a')
    assert left_in(tmp_path) == ['old']
    assert run(old, '--output', tmp_path / 'new', '--topic', PACKED.name) == 0
    assert len(on(tmp_path / 'new', SKELETONS)) == 3


def no_images(path):
    record(path, [(CHATTER, 1, text('x'))])


def no_pictures(path):
    with written_bag(path, 'mcap') as writer:
        writer.add_topic(CAMERA)
        writer.add(Message(CHATTER, 1, text('x')))


def bad_pictures(path):
    record(path, [(PACKED, 1, jpeg(1, np.zeros((8, 8, 3), np.uint8))[:-30]) for _ in range(3)])


@pytest.mark.parametrize(
    ('prepare', 'says'),
    [
        (lambda path: None, 'there is no file or folder'),
        (lambda path: path.mkdir(), 'holds no bag'),
        (lambda path: path.write_text('x'), 'is not a bag'),
        (no_images, 'has no image topic, only /a'),
        (no_pictures, 'no image on /camera/image_raw: the topic has no messages'),
        (bad_pictures, 'no image on /camera/compressed: none of 3 messages can be read'),
    ],
)
def test_what_holds_no_pictures_is_refused(tmp_path, fake, capsys, prepare, says):
    fake()
    prepare(tmp_path / 'old')
    before = sorted(path.name for path in tmp_path.iterdir())
    if prepare is bad_pictures:
        assert run(tmp_path / 'old', '--output', tmp_path / 'new') == 2
        assert says in capsys.readouterr().err
    else:
        assert says in refusal(capsys, tmp_path / 'old', '--output', tmp_path / 'new')
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_outputs_that_cannot_be_are_refused(tmp_path, fake, capsys):
    fake()
    old = record(tmp_path / 'old', tiny())
    assert 'already exists' in refusal(capsys, old, '--output', old)
    new = tmp_path / 'new'
    assert 'must not lie in --output' in refusal(capsys, old, '--output', new, '--json', new / 'poses.json')
    assert 'output' in refusal(capsys, old)
    assert left_in(tmp_path) == ['old']


def test_nothing_but_json_on_stdout(tmp_path, fake, capsys):
    fake()
    old = record(tmp_path / 'old', tiny(count=1))
    assert run(old, '--output', tmp_path / 'new', '--json', '-') == 0
    told = capsys.readouterr()
    assert [frame['width'] for frame in json.loads(told.out)['frames']] == [64]
    assert f'wrote {tmp_path / "new"}' in told.err
    assert not Path('-').exists()


def test_weights_and_backends_are_tried_before_anything_is_written(tmp_path, capsys):
    old = record(tmp_path / 'old', tiny())
    refusal(capsys, old, '--output', tmp_path / 'new', '--weights', tmp_path / 'none.onnx')
    assert left_in(tmp_path) == ['old']


@pytest.mark.parametrize('package', ['rosbags', 'mcap'])
def test_without_a_package_the_cure_is_told(package, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    error = refusal(capsys, tmp_path, '--output', tmp_path / 'new')
    assert f"needs the package {package}, which is not installed: pip install 'pose_estimation_ros[bag]'" in error


# --- interrupted ---


def test_an_interrupt_leaves_nothing(tmp_path, fake, capsys):
    fake(KeyboardInterrupt())
    old = record(tmp_path / 'old', tiny())
    assert run(old, '--output', tmp_path / 'new', '--json', tmp_path / 'poses.json') == 130
    assert 'interrupted' in capsys.readouterr().err
    assert left_in(tmp_path) == ['old']


def have_grown(files):
    return sum(path.stat().st_size for path in files) > 1_000_000


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
@pytest.mark.slow
def test_a_process_that_is_ended_leaves_no_bag(tmp_path, number, random_model, start):
    late = START + 20 * STEP  # when rosbags has compiled its code, in which an interrupt changes Python's exit code
    large = [(CHATTER, late, text('x' * 500_000))] * 3  # which makes the new file grow in front of our eyes
    old = record(tmp_path / 'old', [*tiny(2000), *large])
    process = start('bag', old, '--output', tmp_path / 'new', *random_model, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not have_grown(tmp_path.glob('.new-*/new/*')):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[number]
    assert 'Traceback' not in error
    assert not (tmp_path / 'new').exists()
    assert len(list(tmp_path.glob('.new-*'))) == (number == signal.SIGKILL)
