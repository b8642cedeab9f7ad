import signal

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

import rclpy
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_fakes import make_image
from ros_graph import REPOSITORY, Spinner, header, until
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError
from pose_estimation_ros.ros.messages.image_conversion import to_bgr
from pose_estimation_ros.ros.nodes.camera_node import CameraNode, camera_info
from pose_estimation_ros.ros.parameters.camera_settings import CAMERA_PARAMETERS, CameraSettings
from pose_estimation_ros.ros.parameters.declare import descriptor
from pose_estimation_ros.synthetic import SceneSettings, SyntheticVideo

MODULE = ('-m', 'pose_estimation_ros.ros.nodes.camera_node')


class Viewer:
    """Sees what a camera publishes."""

    def __init__(self, policy=ReliabilityPolicy.RELIABLE):
        self.images, self.compressed, self.infos = [], [], []
        self.node = rclpy.create_node('viewer')
        profile = QoSProfile(depth=100, reliability=policy)
        self.node.create_subscription(Image, 'image', self.images.append, profile)
        self.node.create_subscription(CompressedImage, 'image/compressed', self.compressed.append, profile)
        self.node.create_subscription(CameraInfo, 'camera_info', self.infos.append, profile)
        self.spinner = Spinner(self.node)


@pytest.fixture
def viewer(ros):
    viewer = Viewer()
    yield viewer
    viewer.spinner.stop()


@pytest.fixture
def make_camera(ros):
    cameras = []

    def make(**values):
        given = {'reliable': True, 'wait_for_subscriber': True, 'loop': False, 'rate': 200.0, **values}
        cameras.append(CameraNode(parameter_overrides=[Parameter(name, value=each) for name, each in given.items()]))
        return cameras[-1]

    yield make
    for camera in cameras:
        camera.destroy_node()


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        cv2.imwrite(str(tmp_path / f'{number}.png'), make_image(number))
    return tmp_path


def test_images_of_a_folder_once(make_camera, viewer, folder):
    camera = make_camera(source=str(folder), frame_id='front')
    camera.run()
    assert camera.published == 4
    until(lambda: len(viewer.images) == len(viewer.infos) == 4)
    for number, (message, info) in enumerate(zip(viewer.images, viewer.infos, strict=True)):
        np.testing.assert_array_equal(to_bgr(message), make_image(number))
        assert message.header == info.header
        assert message.header.frame_id == 'front'
        assert (info.width, info.height) == (64, 48)
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in viewer.images]
    assert stamps == sorted(set(stamps))
    assert stamps[0] > 10**18


def test_compressed(make_camera, viewer, folder):
    make_camera(source=str(folder), image_transport='compressed', jpeg_quality=100).run()
    until(lambda: len(viewer.compressed) == len(viewer.infos) == 4)
    assert viewer.images == []
    assert to_bgr(viewer.compressed[0]).shape == (48, 64, 3)
    assert viewer.compressed[0].header == viewer.infos[0].header


def test_synthetic_people(make_camera, viewer):
    make_camera(width=96, height=64, people=1, frames=2, seed=3).run()
    until(lambda: len(viewer.images) == 2)
    expected = SyntheticVideo(3, SceneSettings(width=96, height=64, people=1), frames=2)
    for message, frame in zip(viewer.images, expected, strict=True):
        np.testing.assert_array_equal(to_bgr(message), frame.image)


def test_video(make_camera, viewer, tmp_path):
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 25, (64, 48))
    for _ in range(5):
        writer.write(make_image(0))
    writer.release()
    camera = make_camera(source=str(path), rate=0.0)
    assert camera._frames()[1] == 25
    camera.run()
    assert camera.published == 5
    until(lambda: len(viewer.images) == 5)


def test_it_ends_after_so_many(make_camera, viewer, folder):
    camera = make_camera(source=str(folder), loop=True, max_images=6)
    camera.run()
    assert camera.published == 6
    until(lambda: len(viewer.images) == 6)


def test_loop(make_camera, folder):
    frames, rate = make_camera(source=str(folder), loop=True)._frames()
    assert [int(next(frames)[0, 0, 0]) for _ in range(9)] == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert rate == 200


def test_synthetic_people_go_to_and_fro(make_camera):
    frames, _ = make_camera(width=64, height=48, people=1, frames=3, loop=True)._frames()
    seen = [next(frames) for _ in range(9)]
    order = [next(place for place, first in enumerate(seen[:3]) if first is each) for each in seen]
    assert order == [0, 1, 2, 2, 1, 0, 0, 1, 2]


def test_numbers_may_lose_their_point_and_cameras_are_numbers(make_camera):
    camera = make_camera(rate=5, source=0)
    assert camera.settings.rate == 5.0
    assert type(camera.settings.rate) is float
    assert camera.settings.source == '0'


@pytest.mark.parametrize(
    ('name', 'value'),
    [('rate', 'fast'), ('loop', 'yes'), ('width', 1.5), ('image_transport', 'theora'), ('jpeg_quality', 0),
     ('jpeg_quality', 101), ('rate', -1.0), ('width', 5), ('frames', 0), ('people', -1), ('seed', -1),
     ('source', '/nowhere.mp4'), ('frame_id', True)],
)  # fmt: skip
def test_wrong_values_are_told_before_anything_is_sent(make_camera, name, value):
    with pytest.raises(PoseEstimationError) as error:
        make_camera(**{name: value}).run()
    if name != 'source':
        assert name in str(error.value)
        assert isinstance(error.value, SettingsError)


def test_camera_info_is_that_of_a_pinhole():
    info = camera_info(header(1.0), 640, 480)
    assert (info.k[2], info.k[5]) == (319.5, 239.5)
    assert info.k[0] == info.k[4] == info.p[0] == 768.0
    assert list(info.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]


def test_wrong_source_exits_1(run):
    process = run(*MODULE, '--ros-args', '-p', 'source:=/nowhere.mp4')
    assert process.code() == 1
    assert '/nowhere.mp4' in process.output
    assert 'Traceback' not in process.output


def test_source_that_ends(run, folder):
    process = run(*MODULE, '--ros-args', '-p', f'source:={folder}', '-p', 'loop:=false', '-p', 'rate:=100')
    assert process.code() == 0
    assert 'has ended after 4 images' in process.output


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('rate', [20, 100000])
def test_signals(run, viewer, folder, number, rate):
    process = run(*MODULE, '--ros-args', '-p', f'source:={folder}', '-p', f'rate:={rate}', '-p', 'reliable:=true')
    until(lambda: len(viewer.images) > 2)
    process.signal(number)
    assert process.code() == 0, process.output
    assert 'Traceback' not in process.output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_while_nobody_looks(run, folder, number):
    process = run(*MODULE, '--ros-args', '-p', f'source:={folder}', '-p', 'wait_for_subscriber:=true',
                  '--log-level', 'camera_node:=debug')  # fmt: skip
    node = rclpy.create_node('watch')
    try:
        until(lambda: node.count_publishers('/image'))
        process.signal(number)
        assert process.code() == 0, process.output
        assert 'Traceback' not in process.output
    finally:
        node.destroy_node()


def test_parameters_are_those_of_the_table(make_camera):
    camera = make_camera(reliable=False, wait_for_subscriber=False, loop=True, rate=0.0)
    assert camera.settings == CameraSettings()
    for name, each in CAMERA_PARAMETERS.items():
        assert type(getattr(camera.settings, name)) is type(each.default) is each.kind
        assert camera.describe_parameter(name) == descriptor(each, 'read at start')
        assert each.text.endswith('.')


def test_the_parameter_file_is_read_by_ros(ros):
    camera = CameraNode(cli_args=['--ros-args', '--params-file', str(REPOSITORY / 'config' / 'camera_node.yaml')])
    assert camera.settings == CameraSettings()
    camera.destroy_node()


def test_an_earlier_name_counts_and_warns(make_camera, capfd):
    camera = make_camera(most_pictures=3)
    assert camera.settings.max_images == 3
    error = capfd.readouterr().err
    assert 'the parameter most_pictures is now max_images; use the new name' in error
    assert 'there is no parameter' not in error


def test_live_parameters_change_and_the_others_are_refused(make_camera, viewer, folder):
    camera = make_camera(source=str(folder), loop=True, max_images=2)
    first, second = camera.set_parameters([Parameter('frame_id', value='rear'), Parameter('jpeg_quality', value=0)])
    assert first.successful
    assert 'jpeg_quality out of range. Min: 1, Max: 100, value: 0' in second.reason
    fixed = camera.set_parameters([Parameter('width', value=640)])[0]
    assert 'width cannot change while the node runs' in fixed.reason
    assert (camera.settings.frame_id, camera.settings.jpeg_quality, camera.settings.width) == ('rear', 90, 1280)
    camera.run()
    until(lambda: len(viewer.images) == 2)
    assert {message.header.frame_id for message in viewer.images} == {'rear'}
