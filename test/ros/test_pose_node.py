"""The node in this process, with a fake learner, and a friend who talks to it over the middleware."""

import gc
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_fakes import make_image, poses_in
from ros_graph import header, now, until
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.ros.messages.image_conversion import ENCODINGS, from_bgr, to_compressed
from pose_estimation_ros.ros.messages.skeleton_messages import decode_skeletons, decode_skeletons_3d
from pose_estimation_ros.ros.nodes import inputs

ERROR, WARN = 40, 30


def raw(encoding, rows, padding=0, channels=1):
    """A message of bytes (H, bytes of a row) with rows made longer."""
    height, width = rows.shape
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=231)
    message = Image(header=header(now()), height=height, width=width // channels, encoding=encoding)
    message.step = width + padding
    message.data = padded.tobytes()
    return message


def same_people(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-3)


# --- images in, people out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('people', [0, 1, 3])
def test_people_come_out_under_the_images_header(robot, people):
    image = make_image(people, shift=5)
    message = robot.ask(image, seconds=1234.567890123, frame_id='head_camera')
    assert message.header.frame_id == 'head_camera'
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1234, 567890123)
    assert (message.height, message.width) == (people, 18)
    same_people(robot.poses, poses_in(image))
    assert {pose.id for pose in robot.poses} == set(range(people))


@pytest.mark.parametrize('smooth', [False, True])
def test_answers_are_the_learners_own(make_robot, assets, monkeypatch, smooth):
    """Three times the same photograph, and once an empty one, through the node and through the learner itself."""
    monkeypatch.undo()  # the real learner
    weights = assets / 'weights' / 'lwop_omz.onnx'
    photo = read_image(sorted((assets / 'coco').rglob('*.jpg'))[0])
    robot = make_robot(model_path=str(weights), smooth=smooth).start()
    learner = LightweightOpenPoseLearner(device='auto')
    learner.load(weights)
    seen = 0
    for number, image in enumerate([photo, photo, np.zeros_like(photo), photo]):
        expected = learner.infer(image, stamp=100 + number / 8, smooth=smooth)
        robot.ask(image, seconds=100 + number / 8)
        same_people(robot.poses, expected)
        assert [pose.id for pose in robot.poses] == [pose.id for pose in expected]
        seen += len(expected)
    assert seen
    assert robot.said('no GPU is used', WARN) == ['no GPU is used: running on the CPU']
    robot.explained('people seen')
    assert robot.value('device') == 'cpu'


def test_every_topic_carries_the_header_and_its_own_kind(make_robot):
    robot = make_robot()
    robot.listen(Image, 'image_annotated')
    robot.listen(CompressedImage, 'image_annotated/compressed')
    robot.start()
    until(lambda: all(topic.get_subscription_count() for name, topic in robot.pose._outputs._topics.items()
                      if name.startswith(('skel', 'image'))))  # fmt: skip
    sent = robot.ask(make_image(1)).header
    until(lambda: robot.heard['image_annotated'] and robot.heard['image_annotated/compressed'])
    annotated = robot.heard['image_annotated'][0]
    assert annotated.header == sent == robot.heard['image_annotated/compressed'][0].header
    assert (annotated.height, annotated.width, annotated.encoding) == (48, 64, 'bgr8')
    assert not np.array_equal(np.array(annotated.data).reshape(48, 64, 3), make_image(1))
    assert robot.set(annotate=False).successful
    robot.ask(make_image(1))
    assert len(robot.heard['image_annotated']) == 1


def test_description_is_there_for_those_who_come_late(robot):
    robot.listen(String, 'skeleton_description', QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    until(lambda: robot.heard['skeleton_description'])
    assert '"right_wrist"' in robot.heard['skeleton_description'][0].data


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8', 'bgra8', 'mono8', 'yuv422_yuy2', 'bayer_rggb8'])
def test_encodings(robot, workshop, encoding, padding):
    """All of them are converted rightly elsewhere; here a few are seen by the learner."""
    grey = np.full((48, 64), 2, np.uint8)
    rows, channels = {
        'bgr8': (make_image(2).reshape(48, -1), 3),
        'rgb8': (make_image(2)[..., ::-1].reshape(48, -1), 3),
        'bgra8': (np.dstack([make_image(2), grey]).reshape(48, -1), 4),
        'mono8': (grey, 1),
        'yuv422_yuy2': (np.tile(np.array([200, 128], np.uint8), (48, 64)), 2),
        'bayer_rggb8': (grey, 1),
    }[encoding]
    seen = []
    workshop.hurdle = lambda image: seen.append(image.copy())
    message = raw(encoding, np.ascontiguousarray(rows), padding, channels)
    robot.ask(message)
    assert seen[0].shape == (48, 64, 3)
    if channels in (3, 4):
        np.testing.assert_array_equal(seen[0], make_image(2))
    else:
        assert seen[0].std() == 0


@pytest.mark.parametrize('ending', ['.jpg', '.png'])
def test_compressed_images(make_robot, workshop, ending):
    import cv2

    seen = []
    robot = make_robot(image_transport='compressed').start_compressed()
    workshop.hurdle = seen.append
    blue = np.full((48, 64, 3), (250, 0, 0), np.uint8)
    message = to_compressed(blue, header(5.0))
    if ending == '.png':
        message.data, message.format = cv2.imencode(ending, blue)[1].tobytes(), 'png'
    assert robot.ask(message).header == header(5.0)
    assert abs(seen[0].astype(int) - blue).max() < 4


@pytest.mark.parametrize('reliable', [True, False])
def test_reliable_and_best_effort_cameras(make_robot, reliable):
    robot = make_robot(friend={'reliable': reliable}).start()
    end = time.monotonic() + 30
    while not robot.skeletons and time.monotonic() < end:  # best effort may lose some
        robot.send(make_image(1))
        time.sleep(0.05)
    assert robot.skeletons


# --- lifecycle -----------------------------------------------------------------------------------------------------


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name == 'pose_worker']


def entities(node):
    return len(list(node.publishers)), len(list(node.subscriptions)), len(list(node.timers)), len(list(node.services))


def test_lifecycle_twice_over(make_robot, workshop):
    robot = make_robot()
    assert robot.state() == 'unconfigured'
    bare = entities(robot.pose)
    for turn in (1, 2):
        assert robot.change('configure')
        assert robot.state() == 'inactive'
        assert len(workshop.learners) == turn
        assert not robot.camera.get_subscription_count() or turn == 2
        for _ in range(2):  # the model stays from activation to activation
            assert robot.change('activate')
            assert robot.state() == 'active'
            robot.connected().ask(make_image(1))
            assert threads() == ['pose_worker']
            assert robot.change('deactivate')
            assert robot.state() == 'inactive'
            assert threads() == []
        assert len(workshop.learners) == turn
        assert robot.change('cleanup')
        assert robot.state() == 'unconfigured'
        assert entities(robot.pose) == bare
        assert robot.pose._learner is None


def test_wrong_transitions_are_refused(make_robot):
    robot = make_robot()
    assert not robot.change('activate')
    assert robot.change('configure')
    assert not robot.change('configure')
    assert not robot.change('deactivate')
    assert robot.state() == 'inactive'


def test_shutdown(make_robot):
    robot = make_robot()
    assert robot.change('unconfigured_shutdown')
    assert robot.state() == 'finalized'
    robot.explained('finalized')


def test_deactivating_ends_the_frame_in_work_and_drops_the_one_that_waits(robot, workshop):
    robot.ask(make_image(1))
    workshop.gate.clear()
    robot.send(make_image(2))
    until(lambda: robot.counts()['received'] == 2)
    robot.send(make_image(3))
    until(lambda: robot.counts()['received'] == 3)
    threading.Timer(0.3, workshop.gate.set).start()
    assert robot.change('deactivate')
    assert threads() == []
    assert workshop.learner.seen == 3  # the warm-up and two images
    assert workshop.learner.resets == 1
    assert robot.pose._learner is workshop.learner
    until(lambda: len(robot.skeletons) == 2)


def test_nothing_is_looked_at_while_inactive(robot, workshop):
    robot.ask(make_image(1))
    assert robot.change('deactivate')
    until(lambda: not robot.camera.get_subscription_count())
    robot.send(make_image(1))
    robot.explained('inactive')
    assert workshop.learner.seen == 2
    assert robot.value('state') == 'inactive'


@pytest.mark.slow
def test_fifty_cycles_leak_nothing(make_robot, workshop):
    robot = make_robot()

    def cycle():
        for transition in ('configure', 'activate'):
            assert robot.change(transition)
        robot.connected().ask(make_image(1))
        for transition in ('deactivate', 'cleanup'):
            assert robot.change(transition)
        workshop.learners.clear()
        robot.skeletons.clear()

    for _ in range(10):
        cycle()
    before = threading.active_count(), entities(robot.pose), objects(), resident()
    for _ in range(40):
        cycle()
    after = threading.active_count(), entities(robot.pose), objects(), resident()
    assert after[:2] == before[:2]
    assert len(robot.pose._managed_entities) == 0
    assert after[2] - before[2] < 40  # not one of ours a cycle
    assert after[3] - before[3] < 30e6


def objects():
    gc.collect()
    ours = ('pose_estimation_ros', 'rclpy', 'ros_fakes')
    return sum(1 for each in gc.get_objects() if str(type(each).__module__).startswith(ours))


def resident():
    """Bytes of memory that this process occupies."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096


# --- parameters ----------------------------------------------------------------------------------------------------


def test_it_warms_up_at_configure_with_a_grey_image(make_robot, workshop):
    seen = []
    workshop.hurdle = lambda image: seen.append(image.copy())
    assert make_robot().change('configure')
    assert (workshop.learner.seen, seen) == (1, []), 'the hurdle is for all but the warm-up (see is_warm_up)'


def test_parameters_set_live(robot, workshop):
    robot.ask(make_image(3))
    assert robot.set(base_height=368, keypoint_threshold=0.3, max_persons=2).successful
    robot.ask(make_image(3))
    assert workshop.learner.tunings[-1] == {
        'base_height': 368,
        'keypoint_threshold': 0.3,
        'min_mean_score': 0.2,
        'min_keypoints': 3,
        'max_persons': 2,
        'upsample_ratio': 4,
    }
    assert len(workshop.learner.tunings) == 3, 'at configure, at activation and at the change'


def test_refused_live_and_whole(robot):
    result = robot.set(base_height=368, model_path='other.onnx')
    assert not result.successful
    assert 'model_path cannot change' in result.reason
    result = robot.set(base_height=368, keypoint_threshold=7.0)
    assert 'keypoint_threshold' in result.reason
    assert robot.pose.settings['base_height'] == 256
    assert robot.pose.get_parameter('base_height').value == 256


def test_heights_that_the_method_lacks_are_refused_live(robot):
    result = robot.set(first_pass_height=200)
    assert not result.successful
    assert result.reason == (
        'lightweight_openpose has no first_pass_height (it has base_height); leave it out, or choose another method'
    )
    assert robot.pose.get_parameter('first_pass_height').value == 360
    robot.ask(make_image(1))


def test_fixed_parameters_change_after_cleanup(robot, workshop):
    for transition in ('deactivate', 'cleanup'):
        assert robot.change(transition)
    assert robot.set(model_path='other.onnx').successful
    robot.start().ask(make_image(1))
    assert workshop.learner.loaded == 'other.onnx'


def test_track_off_and_on_again_forgets_everybody(robot, workshop):
    robot.ask(make_image(2), seconds=10.0)
    assert robot.set(track=False).successful
    robot.ask(make_image(2), seconds=10.1)
    assert [pose.id for pose in robot.poses] == [None, None]
    assert robot.set(track=True).successful
    robot.ask(make_image(2), seconds=10.2)
    assert sorted(pose.id for pose in robot.poses) == [0, 1]
    assert workshop.learner.resets == 2


def test_tracks_are_reset_on_demand(robot):
    robot.ask(make_image(1), seconds=10.0)
    robot.ask(make_image(1, shift=250), seconds=10.1)
    assert robot.poses[0].id == 1
    assert robot.reset_tracks().success
    robot.ask(make_image(1, shift=250), seconds=10.2)
    assert robot.poses[0].id == 0
    assert robot.change('deactivate')
    answer = robot.reset_tracks()
    assert not answer.success
    assert 'inactive' in answer.message


# --- time, load and who listens ------------------------------------------------------------------------------------


def test_time_jumping_back_resets_tracks(robot, workshop):
    for number in range(3):
        robot.ask(make_image(1, shift=100 * number), seconds=50 + number)
    assert robot.poses[0].id == 2
    assert robot.said('time jumped back') == []
    robot.ask(make_image(1), seconds=20.0)
    assert robot.poses[0].id == 0
    until(lambda: robot.said('time jumped back by 32.000 s'))
    assert workshop.learner.resets == 1


def test_pause_and_resume(make_robot, workshop):
    robot = make_robot(friend={'listen': False}).start()
    robot.send(make_image(1))
    until(lambda: robot.counts().get('paused') == 1)
    robot.explained('no subscribers, paused')
    assert workshop.learner.seen == 1  # the warm-up
    robot.listen(PointCloud2, 'skeletons')
    robot.connected().ask(make_image(1))
    assert workshop.learner.seen == 2
    robot.ignore('skeletons')
    until(lambda: not robot.pose._outputs.wanted())
    robot.send(make_image(1))
    until(lambda: robot.counts().get('paused') == 2)
    assert robot.set(lazy=False).successful
    robot.send(make_image(1))
    until(lambda: workshop.learner.seen == 3)


def test_five_times_too_many_images(robot, workshop):
    """The newest is taken each time, the others are counted: nobody waits in a queue."""
    robot.ask(make_image(0))
    answered = []
    workshop.hurdle = lambda image: answered.append(int(image[0, 0, 1])) or time.sleep(0.1)
    for number in range(1, 101):
        robot.send(make_image(1, shift=number))
        time.sleep(0.02)
    until(lambda: answered[-1] == 100)
    until(lambda: len(robot.skeletons) == 1 + len(answered))
    assert answered == sorted(answered)
    counts = robot.counts()
    assert counts['processed'] == 1 + len(answered)
    assert counts['busy'] == counts['received'] - counts['processed'] > len(answered)
    until(lambda: robot.statuses and int(robot.value('processed')) == counts['processed'])
    assert int(robot.value('dropped, busy')) == counts['busy']
    assert 100 <= float(robot.value('age p50 ms')) < 1000


def test_max_rate(make_robot):
    robot = make_robot(max_rate=2.0).start()
    for _ in range(20):
        robot.send(make_image(1))
        time.sleep(0.02)
    until(lambda: robot.counts().get('rate', 0) > robot.counts().get('processed', 0))
    assert robot.set(max_rate=0.0).successful
    robot.ask(make_image(1))


def test_old_frames_are_left_out(make_robot):
    robot = make_robot(max_frame_age=5.0).start()
    robot.send(make_image(1), seconds=now() - 60)
    until(lambda: robot.counts().get('stale') == 1)
    robot.ask(make_image(1))
    assert robot.counts()['processed'] == 1


def test_diagnostics_without_a_clock(make_robot):
    """Simulated time stands still until a bag is played."""
    robot = make_robot(use_sim_time=True)
    robot.explained('unconfigured')
    answer = robot.start().ask(make_image(1), seconds=77.0)
    assert answer.height == 1
    assert robot.explained('1 person seen').level == DiagnosticStatus.OK


# --- failures ------------------------------------------------------------------------------------------------------


def test_unsupported_encoding(robot):
    for number in (1, 2):
        robot.send(raw('bayer_rggb16', np.zeros((48, 128), np.uint8), channels=2))
        until(lambda number=number: robot.counts().get('unsupported') == number)
    status = robot.explained('bayer_rggb16')
    assert status.level == DiagnosticStatus.ERROR
    assert 'bgr8' in status.message
    (text,) = until(lambda: robot.said('bayer_rggb16', ERROR))
    assert all(name in text for name in ENCODINGS)
    robot.ask(make_image(1))
    assert robot.explained('1 person seen').level == DiagnosticStatus.OK


def test_unsupported_encoding_without_a_stamp(robot):
    """A warning and an error about the same image."""
    message = raw('wrong', np.zeros((48, 64), np.uint8))
    message.header = header(0.0)
    robot.send(message)
    robot.explained('wrong')
    robot.ask(make_image(1))
    assert robot.said('no time stamp', WARN)
    assert robot.said("'wrong'", ERROR)


@pytest.mark.parametrize('fault', ['empty', 'short', 'narrow', 'no data'])
def test_broken_images(robot, fault):
    message = from_bgr(make_image(1), header(now()))
    if fault == 'empty':
        message.width = message.height = message.step = 0
    if fault in ('empty', 'no data'):
        message.data = []
    if fault == 'short':
        message.data = message.data[:-1]
    if fault == 'narrow':
        message.step = 64 * 3 - 1
    for number in range(3):
        robot.send(message)
        until(lambda number=number: robot.counts().get('broken') == number + 1)
    until(lambda: len(robot.said('image dropped', WARN)) == 1)  # throttled
    robot.explained('frames arrive, none is published; dropped lately: 3 broken')
    assert robot.value('dropped, broken') == '3'
    robot.ask(make_image(1))


def test_corrupt_jpeg(make_robot):
    robot = make_robot(image_transport='compressed').start_compressed()
    whole = to_compressed(make_image(0, 480, 640), header(9.0))
    cut = to_compressed(make_image(0, 480, 640), header(8.0))
    cut.data = whole.data[: len(whole.data) // 2]
    robot.send(cut)
    until(lambda: robot.counts().get('broken') == 1)
    until(lambda: robot.said('image dropped', WARN))
    robot.ask(whole)
    assert robot.counts()['processed'] == 1
    assert robot.counts()['broken'] == 1


def test_without_a_path_the_embedded_model_is_taken(make_robot, workshop):
    robot = make_robot(model_path='')
    assert robot.change('configure')
    assert workshop.learner.loaded is None


def test_configure_fails_without_a_model(make_robot):
    path = 'missing.onnx'
    robot = make_robot(model_path=path)
    bare = entities(robot.pose)
    assert not robot.change('configure')
    assert robot.state() == 'unconfigured'
    until(lambda: robot.said(path, ERROR))
    assert robot.explained(path).level == DiagnosticStatus.ERROR
    assert entities(robot.pose) == bare
    assert robot.set(model_path='there.onnx').successful
    robot.start().ask(make_image(1))
    robot.explained('1 person seen')


def test_configure_fails_when_warming_up_does(make_robot, workshop, monkeypatch):
    def out_of_memory(path):
        raise RuntimeError('CUDA out of memory')

    monkeypatch.setattr('ros_fakes.FakeLearner.load', lambda self, path: out_of_memory(path))
    robot = make_robot()
    assert not robot.change('configure')
    assert robot.state() == 'unconfigured'
    until(lambda: robot.said('cannot be configured: RuntimeError: CUDA out of memory', ERROR))


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'model_path': '/nowhere/model.onnx'}, '/nowhere/model.onnx'),
        ({'model_path': 'README.md'}, 'README.md'),
        ({'device': 'cuda'}, 'cuda'),
        ({'backend': 'torch'}, 'torch'),
    ],
)
def test_real_learners_refuse(make_robot, monkeypatch, request, parameters, reason):
    """A wrong file, a GPU that is not there, a backend that cannot take the file."""
    monkeypatch.undo()
    if 'model_path' not in parameters:
        parameters['model_path'] = str(request.getfixturevalue('assets') / 'weights' / 'lwop_omz.onnx')
    if 'device' in parameters and has_cuda():
        pytest.skip('there is a GPU')
    robot = make_robot(**parameters)
    assert not robot.change('configure')
    until(lambda: robot.said('cannot be configured', ERROR))
    assert reason in robot.said('cannot be configured')[0]


def has_cuda():
    import onnxruntime

    return 'CUDAExecutionProvider' in onnxruntime.get_available_providers()


def test_activation_that_fails(make_robot, workshop, monkeypatch):
    robot = make_robot()
    assert robot.change('configure')
    monkeypatch.setattr('pose_estimation_ros.ros.nodes.pose_node.Inputs', lambda *arguments: 1 / 0)
    assert not robot.change('activate')
    assert robot.state() == 'inactive'
    assert threads() == []
    until(lambda: robot.said('cannot be activated: ZeroDivisionError', ERROR))
    assert robot.explained('cannot be activated').level == DiagnosticStatus.ERROR
    monkeypatch.undo()
    assert robot.change('activate')
    robot.connected().ask(make_image(1))
    robot.explained('1 person seen')


def test_inference_that_fails_now_and_then(robot, workshop):
    def fail_on_two(image):
        if image[0, 0, 0] == 2:
            raise MemoryError('out of memory')

    workshop.hurdle = fail_on_two
    for _ in range(2):
        for number in range(1, 5):
            robot.send(make_image(2))
            until(lambda number=number: robot.pose._processor._failures == number)
        robot.ask(make_image(1))
    until(lambda: len(robot.said('inference failed: MemoryError: out of memory', ERROR)) == 8)
    assert robot.state() == 'active'
    robot.explained('1 person seen')


def test_five_failures_in_a_row_deactivate(robot, workshop):
    def fail(image):
        raise RuntimeError('the GPU has left')

    workshop.hurdle = fail
    for number in range(1, 6):
        robot.send(make_image(1))
        until(lambda number=number: robot.counts().get('failed') == number)
    until(lambda: robot.state() == 'inactive')
    status = robot.explained('deactivated after 5 failures in a row')
    assert 'the GPU has left' in status.message
    assert status.level == DiagnosticStatus.ERROR
    assert threads() == []
    workshop.hurdle = lambda image: None
    assert robot.change('activate')
    robot.connected().ask(make_image(1))
    assert robot.explained('1 person seen').level == DiagnosticStatus.OK


def test_stall(make_robot):
    robot = make_robot(stall_timeout=0.5).start()
    robot.explained('though it has 1 publisher')
    until(lambda: robot.said('no image on', WARN))
    assert 'it has 1 publisher' in robot.said('no image on')[0]
    robot.ask(make_image(0))
    until(lambda: robot.said('arrive on'))
    until(lambda: len(robot.said('no image on', WARN)) == 2)
    robot.ask(make_image(0))
    assert robot.state() == 'active'


def test_no_publisher(make_robot):
    robot = make_robot(image_transport='raw', friend={'compressed': True})  # it publishes on another topic
    assert robot.change('configure')
    assert robot.change('activate')
    assert robot.explained('no publisher on').level == DiagnosticStatus.WARN
    assert f'{robot.namespace}/image' in robot.statuses[-1].message


def test_incompatible_qos(make_robot, monkeypatch):
    """Our own profile takes everything; with another one the event arrives and is told."""
    profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    monkeypatch.setattr(inputs, 'sensor_profile', lambda depth: profile)
    robot = make_robot(friend={'reliable': False}, stall_timeout=1.0)
    assert robot.change('configure')
    assert robot.change('activate')
    assert robot.explained('incompatible QoS').level == DiagnosticStatus.ERROR
    assert 'RELIABILITY' in robot.statuses[-1].message
    assert until(lambda: robot.said('RELIABILITY', ERROR))
    until(lambda: robot.said('incompatible QoS: RELIABILITY', WARN))


def test_subscribers_whose_qos_does_not_fit(make_robot):
    robot = make_robot(friend={'listen': False}).start()
    robot.listen(PointCloud2, 'skeletons', QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    until(lambda: robot.pose.count_subscribers(f'{robot.target}/skeletons'))
    robot.send(make_image(1))
    status = robot.explained(f'incompatible QoS or type of the subscribers of {robot.target}/skeletons')
    assert status.level == DiagnosticStatus.WARN
    robot.ignore('skeletons')
    robot.explained('no subscribers, paused')
    robot.listen(PointCloud2, 'skeletons')
    until(robot.pose._outputs.wanted)
    robot.ask(make_image(1))
    robot.explained('1 person seen')


def test_what_was_wrong_is_not_told_for_ever(robot):
    robot.send(raw('bayer_rggb16', np.zeros((48, 128), np.uint8), channels=2))
    robot.explained('bayer_rggb16')
    broken = from_bgr(make_image(1), header(now()))
    broken.data = broken.data[:-1]
    robot.send(broken)
    robot.explained('frames arrive, none is published; dropped lately: 1 broken')
    robot.node.destroy_publisher(robot.camera)
    status = robot.explained('no publisher on')
    assert 'bayer' not in status.message
    assert 'broken' not in status.message


def test_zero_stamp(make_robot):
    robot = make_robot(max_frame_age=0.5).start()
    for _ in range(3):
        assert robot.ask(make_image(1), seconds=0.0).height == 1
    until(lambda: robot.said('no time stamp', WARN))
    assert len(robot.said('no time stamp')) == 1
    robot.explained('1 person seen')
    assert robot.value('age p50 ms') == 'unknown'


def test_hri_without_its_messages(make_robot):
    robot = make_robot(**{'hri.enabled': True})
    bare = entities(robot.pose)
    assert not robot.change('configure')
    until(lambda: robot.said('apt install ros-', ERROR))
    assert entities(robot.pose) == bare
    assert robot.set(**{'hri.enabled': False}).successful
    robot.start().ask(make_image(1))
    assert robot.said('vision_msgs is not installed')


# --- 3D ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def deep(make_robot):
    robot = make_robot(**{'depth.enabled': True})
    robot.listen(PointCloud2, 'skeletons_3d')
    robot.listen(MarkerArray, 'markers')
    robot.depth = robot.node.create_publisher(Image, 'depth/image', 10)
    robot.info = robot.node.create_publisher(CameraInfo, 'depth/camera_info', 10)
    robot.start()
    until(lambda: robot.depth.get_subscription_count() and robot.info.get_subscription_count())
    until(lambda: robot.pose._outputs._topics['skeletons_3d'].get_subscription_count())
    return robot


def send_depth(robot, seconds, shape=(48, 64), metres=2.0):
    rows = np.full(shape, metres * 1000, np.uint16)
    message = Image(header=header(seconds), height=shape[0], width=shape[1], encoding='16UC1', step=shape[1] * 2)
    message.data = rows.tobytes()
    info = CameraInfo(header=header(seconds), height=shape[0], width=shape[1])
    info.k = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
    robot.info.publish(info)
    robot.depth.publish(message)
    buffer = robot.pose._processor._context.depth
    until(lambda: buffer._camera_info and any(each.header == message.header for each in list(buffer._images)))


def test_people_in_metres(deep):
    send_depth(deep, 10.0)
    deep.ask(make_image(1), seconds=10.01)
    until(lambda: deep.heard['skeletons_3d'] and deep.heard['markers'])
    points, identities = decode_skeletons_3d(deep.heard['skeletons_3d'][0])
    assert deep.heard['skeletons_3d'][0].header == header(10.01)
    assert identities == [0]
    np.testing.assert_allclose(points[0, 3, :3], [(3 - 32) / 50 * 2, (6 - 24) / 50 * 2, 2.0], rtol=1e-5)
    assert np.isnan(points[0, -1, :3]).all()


@pytest.mark.parametrize(
    ('fault', 'sentence'),
    [
        ('none', 'no depth image has arrived on depth/image'),
        ('late', 'the nearest depth image is 1.010 s from the image, and depth.slop allows 0.05 s'),
        ('of another size', 'the depth image is 32x24 and the image 64x48: depth/image must be depth that is'),
    ],
)
def test_depth_that_is_missing_or_of_another_size(deep, fault, sentence):
    if fault != 'none':
        send_depth(deep, 10.0 if fault == 'of another size' else 9.0, (24, 32) if 'size' in fault else (48, 64))
    for _ in range(3):
        deep.ask(make_image(1), seconds=10.01)
    assert len(deep.poses) == 1
    until(lambda: len(deep.heard['skeletons_3d']) == 3)
    points, _ = decode_skeletons_3d(deep.heard['skeletons_3d'][0])
    assert points.shape[:2] == (1, 18)
    assert np.isnan(points[..., :3]).all()
    (text,) = until(lambda: deep.said('no 3D', WARN))  # throttled
    assert sentence in text
    assert deep.explained(f'1 person seen, none in 3D: {sentence}').level == DiagnosticStatus.WARN


# --- the rest ------------------------------------------------------------------------------------------------------


def test_diagnostics_say_how_it_goes(robot):
    robot.ask(make_image(2))
    status = robot.explained('2 people seen')
    values = {each.key: each.value for each in status.values}
    assert values.items() >= {
        'state': 'active', 'method': 'lightweight_openpose', 'device': 'cpu', 'backend': 'fake fp32',
        'received': '1', 'processed': '1', 'dropped': '0', 'people': '2', 'forward ms': '2.0', 'total ms': '6.0',
    }.items()  # fmt: skip
    assert values['image conversion'] in ('built-in', 'cv_bridge')
    robot.ask(make_image(0))
    robot.explained('frames arrive, no people detected')


def test_rep_155_bodies(installed, make_robot):
    from hri_msgs.msg import IdsList, Skeleton2D

    from pose_estimation_ros.ros.messages.hri import body_id

    robot = make_robot(friend={'listen': False}, **{'hri.enabled': True})
    robot.listen(IdsList, '/humans/bodies/tracked')
    robot.listen(Skeleton2D, f'/humans/bodies/{body_id(0)}/skeleton2d')
    robot.start()
    until(robot.pose._outputs.wanted, 'a subscription to bodies')  # which alone wakes the node
    sent = []
    body = robot.heard[f'/humans/bodies/{body_id(0)}/skeleton2d']
    while not body:  # its topic is there from the first image on
        sent.append(robot.send(make_image(1)))
        assert len(sent) < 200
        time.sleep(0.05)
    assert body[0].header in sent
    assert robot.heard['/humans/bodies/tracked'][-1].ids == [body_id(0)]
    assert robot.change('deactivate')
    until(lambda: robot.heard['/humans/bodies/tracked'][-1].ids == [])
    assert robot.change('cleanup')
    robot.heard['/humans/bodies/tracked'].clear()
    robot.listen(PointCloud2, 'skeletons')
    robot.start().ask(make_image(1))
    assert robot.poses[0].id == 0
    until(lambda: robot.heard['/humans/bodies/tracked'])
    assert robot.heard['/humans/bodies/tracked'][-1].ids == [body_id(1)]  # names are not given twice


def test_detections(installed, make_robot):
    from vision_msgs.msg import Detection2DArray

    robot = make_robot()
    robot.listen(Detection2DArray, 'detections')
    robot.start()
    until(lambda: robot.pose._outputs._topics['detections'].get_subscription_count())
    sent = robot.ask(make_image(2)).header
    until(lambda: robot.heard['detections'])
    assert robot.heard['detections'][0].header == sent
    assert [each.id for each in robot.heard['detections'][0].detections] == [str(pose.id) for pose in robot.poses]


def test_decoding_of_the_last_message(robot):
    robot.ask(make_image(3))
    assert len(decode_skeletons(robot.skeletons[-1])) == 3
