"""Messages to pixels and back, and who does it; the encodings themselves are tested in test/data."""

import sys
from types import ModuleType

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.ros.messages.image_conversion import (
    ENCODINGS,
    BrokenImage,
    UnsupportedEncoding,
    choose_converter,
    from_bgr,
    to_bgr,
    to_compressed,
)


@pytest.fixture
def header():
    made = Header(frame_id='camera')
    made.stamp.sec, made.stamp.nanosec = 12, 34
    return made


def make_image():
    return np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)


def raw(array, encoding, padding=0):
    rows = np.pad(array.reshape(len(array), -1), ((0, 0), (0, padding)))
    message = Image(height=array.shape[0], width=array.shape[1], encoding=encoding, step=rows.shape[1])
    message.data.frombytes(rows.tobytes())
    return message


def fake_bridge(monkeypatch, convert):
    """Install a cv_bridge whose conversion is `convert`; returns the encodings that it was asked for."""
    asked = []

    class CvBridge:
        def imgmsg_to_cv2(self, message, desired_encoding='passthrough'):
            assert desired_encoding == 'bgr8'
            asked.append(message.encoding)
            return convert(message)

    module = ModuleType('cv_bridge')
    module.CvBridge = CvBridge
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)
    return asked


def red_and_blue_swapped(message):
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, -1)[..., 2::-1]


def test_images_go_round(header):
    message = from_bgr(make_image(), header)
    assert (message.encoding, message.step, message.height, message.width) == ('bgr8', 24, 6, 8)
    assert message.header == header
    np.testing.assert_array_equal(to_bgr(message), make_image())


def test_bgr_shares_the_memory_of_the_message(header):
    message = from_bgr(make_image(), header)
    assert np.shares_memory(to_bgr(message), np.frombuffer(message.data, np.uint8))
    assert np.shares_memory(choose_converter().to_bgr(message), np.frombuffer(message.data, np.uint8))


def test_images_that_are_views_or_grey(header):
    wide = make_image()
    np.testing.assert_array_equal(to_bgr(from_bgr(wide[::2, 1:5, ::-1], header)), wide[::2, 1:5, ::-1])
    np.testing.assert_array_equal(to_bgr(from_bgr(wide[..., 0], header)), np.repeat(wide[..., :1], 3, axis=2))
    with pytest.raises(ImageError):
        from_bgr(np.empty((0, 4, 3), np.uint8), header)


def test_compressed_images_go_round(header):
    smooth = cv2.resize(make_image(), (160, 120), interpolation=cv2.INTER_CUBIC)
    message = to_compressed(smooth, header, quality=95)
    assert message.format == 'bgr8; jpeg compressed bgr8'
    assert message.header == header
    assert abs(to_bgr(message).astype(int) - smooth).mean() < 4
    assert len(to_compressed(smooth, header, quality=30).data) < len(message.data)


def test_real_messages_that_are_wrong():
    with pytest.raises(UnsupportedEncoding, match="got '32FC1'"):
        to_bgr(Image(height=1, width=1, encoding='32FC1', step=4, data=[0] * 4))
    for message in (Image(encoding='bgr8'), Image(height=2, width=2, encoding='bgr8', step=6, data=[0] * 11)):
        with pytest.raises(BrokenImage):
            to_bgr(message)
    with pytest.raises(BrokenImage):
        to_bgr(CompressedImage(format='jpeg', data=[1, 2, 3]))


def test_without_cv_bridge(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    converter = choose_converter()
    assert converter.name == 'built-in'
    assert 'cannot be imported' in converter.reason
    np.testing.assert_array_equal(converter.to_bgr(raw(make_image(), 'rgb8')), make_image()[..., ::-1])


def test_with_a_cv_bridge_that_works(monkeypatch):
    asked = fake_bridge(monkeypatch, red_and_blue_swapped)
    converter = choose_converter()
    assert converter.name == 'cv_bridge'
    np.testing.assert_array_equal(converter.to_bgr(raw(make_image(), 'rgb8')), make_image()[..., ::-1])
    assert asked == ['rgb8', 'rgb8']  # once to try it


def test_cv_bridge_is_spared_what_it_cannot_or_need_not_do(monkeypatch):
    asked = fake_bridge(monkeypatch, red_and_blue_swapped)
    converter = choose_converter()
    np.testing.assert_array_equal(converter.to_bgr(raw(make_image(), 'rgb8', padding=5)), make_image()[..., ::-1])
    np.testing.assert_array_equal(converter.to_bgr(raw(make_image(), 'bgr8')), make_image())
    assert converter.to_bgr(raw(make_image()[..., :2], 'yuv422')).shape == (6, 8, 3)
    jpeg = to_compressed(make_image(), Header())
    np.testing.assert_array_equal(converter.to_bgr(jpeg), to_bgr(jpeg))
    assert asked == ['rgb8']


def test_an_image_that_cv_bridge_refuses_is_converted_all_the_same(monkeypatch):
    def only_colours(message):
        if message.encoding != 'rgb8':
            raise RuntimeError('not for me')
        return red_and_blue_swapped(message)

    asked = fake_bridge(monkeypatch, only_colours)
    converter = choose_converter()
    np.testing.assert_array_equal(converter.to_bgr(raw(make_image()[..., :1], 'mono8'))[..., 1], make_image()[..., 0])
    with pytest.raises(BrokenImage):
        converter.to_bgr(Image(height=2, width=2, encoding='mono8', step=2, data=[0]))
    assert asked == ['rgb8', 'mono8', 'mono8']


def broken(kind):
    def convert(message):
        raise kind('built against another NumPy')

    return convert


@pytest.mark.parametrize(
    ('convert', 'says'),
    [
        (broken(AttributeError), 'AttributeError: built against another NumPy'),
        (broken(ImportError), 'cannot be imported: built against another NumPy'),
        (lambda message: np.zeros((1, 2, 3), np.uint8), 'converts wrongly'),
        (lambda message: None, 'converts wrongly'),
    ],
)
def test_with_a_cv_bridge_that_is_broken(monkeypatch, convert, says):
    fake_bridge(monkeypatch, convert)
    converter = choose_converter()
    assert converter.name == 'built-in'
    assert says in converter.reason


def test_the_choice_is_made_once(monkeypatch):
    asked = fake_bridge(monkeypatch, broken(RuntimeError))
    converter = choose_converter()
    for _ in range(3):
        converter.to_bgr(raw(make_image(), 'rgb8'))
    assert asked == ['rgb8']


def test_every_encoding_of_the_contract_passes_through_a_converter():
    converter = choose_converter()
    for encoding in ENCODINGS:
        message = raw(np.zeros((6, 4, 4), np.uint8), encoding)
        message.height = 4  # nv12 has its colours below
        assert converter.to_bgr(message).shape == (4, 4, 3)
