"""Every encoding of the contract gives the image that went in; what contradicts itself is refused in words."""

import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.data.camera_messages import (
    ENCODINGS,
    BrokenImageError,
    UnsupportedEncodingError,
    bgr_from_compressed,
    bgr_from_raw,
    pixels,
)

EXACT = {'bgr8', '8UC3', 'rgb8', 'bgra8', 'rgba8', 'mono8', '8UC1', 'mono16'}
GREY = {'mono8', '8UC1', 'mono16'}
SIZES = [(24, 32), (24, 33), (23, 32), (23, 33), (1, 1), (2, 3), (1, 8), (8, 1)]


def frame_of(height, width):
    """A slow change of colour: what encodings leave out, neighbours tell."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([60 + 3 * x, 180 - 3 * y, 90 + x + 2 * y]).astype(np.uint8)


def rows_of(image, encoding):
    """Encode by hand: the rows of bytes that a driver would send, without padding."""
    if encoding.startswith('bayer'):
        return mosaic(image, encoding[6:10])
    if encoding in ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'):
        return pairs(image, 'u0v1' if encoding in ('yuv422', 'uyvy') else '0u1v')
    height, width = image.shape[:2]
    alpha = np.full((height, width, 1), 77, np.uint8)
    grey = image[..., 1]
    return {
        'bgr8': lambda: image,
        '8UC3': lambda: image,
        'rgb8': lambda: image[..., ::-1],
        'bgra8': lambda: np.dstack([image, alpha]),
        'rgba8': lambda: np.dstack([image[..., ::-1], alpha]),
        'mono8': lambda: grey,
        '8UC1': lambda: grey,
        'mono16': lambda: np.dstack([np.full_like(grey, 99), grey]),
        'nv12': lambda: planes(image),
    }[encoding]().reshape(-1, width * row_bytes(encoding) + (width % 2 if encoding == 'nv12' else 0))


def row_bytes(encoding):
    return {'bgr8': 3, '8UC3': 3, 'rgb8': 3, 'bgra8': 4, 'rgba8': 4, 'mono16': 2}.get(encoding, 1)


def mosaic(image, pattern):
    """Keep of each pixel the colour that the pattern has there."""
    raw = np.zeros(image.shape[:2], np.uint8)
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        raw[row::2, column::2] = image[row::2, column::2, 'bgr'.index(colour)]
    return raw


def yuv(image):
    """Planes of a whole number of pairs, in video range, by the formula rather than by OpenCV."""
    even = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), 'edge').astype(float)
    blue, green, red = np.moveaxis(even, 2, 0)
    y = 16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256
    u = 128 + (-37.945 * red - 74.494 * green + 112.439 * blue) / 256
    v = 128 + (112.439 * red - 94.154 * green - 18.285 * blue) / 256
    return (np.rint(plane).astype(np.uint8) for plane in (y, u, v))


def pairs(image, order):
    y, u, v = (plane[: image.shape[0]] for plane in yuv(image))
    letters = {'u': u[:, ::2], 'v': v[:, ::2], '0': y[:, ::2], '1': y[:, 1::2]}
    return np.stack([letters[letter] for letter in order], axis=-1).reshape(image.shape[0], -1)


def planes(image):
    y, u, v = yuv(image)
    uv = np.stack([u[::2, ::2], v[::2, ::2]], axis=-1)
    return np.vstack([y[: image.shape[0]], uv.reshape(len(uv), -1)])


def message(rows, encoding, height, width, padding=0, big=False):
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    data = array.array('B', rows.tobytes())
    return SimpleNamespace(
        encoding=encoding, height=height, width=width, step=rows.shape[1], is_bigendian=int(big), data=data
    )


def wanted(image, encoding):
    return np.repeat(image[..., 1:2], 3, axis=2) if encoding in GREY else image


@pytest.mark.parametrize('padding', [0, 7])
@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_gives_the_image(encoding, size, padding):
    image = frame_of(*size)
    converted = bgr_from_raw(message(rows_of(image, encoding), encoding, *size, padding))
    assert (converted.shape, converted.dtype) == ((*size, 3), np.uint8)
    if encoding in EXACT:
        np.testing.assert_array_equal(converted, wanted(image, encoding))
    elif not encoding.startswith('bayer'):
        np.testing.assert_allclose(converted.astype(int), image, atol=8)
    elif min(size) > 1:  # a mosaic of one row has no red, or no blue
        np.testing.assert_allclose(converted.astype(int), image, atol=12)


@pytest.mark.parametrize('colour', [(255, 0, 0), (0, 255, 0), (0, 0, 255)], ids=['blue', 'green', 'red'])
@pytest.mark.parametrize('encoding', [name for name in ENCODINGS if name not in GREY])
def test_colours_are_not_swapped(encoding, colour):
    image = np.full((8, 8, 3), colour, np.uint8)
    converted = bgr_from_raw(message(rows_of(image, encoding), encoding, 8, 8))
    np.testing.assert_allclose(converted.astype(int), image, atol=3)


def test_the_contract_is_covered():
    contract = ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8', 'mono16', '8UC1', '8UC3', 'yuv422', 'yuv422_yuy2', 'nv12']
    assert {*contract, *(f'bayer_{pattern}8' for pattern in ('rggb', 'bggr', 'gbrg', 'grbg'))} <= set(ENCODINGS)


def test_mono16_in_both_byte_orders():
    grey = np.arange(6).reshape(2, 3) * 0x1001 + 0xF0
    for order, big in (('<u2', False), ('>u2', True)):
        rows = grey.astype(order).view(np.uint8).reshape(2, 6)
        np.testing.assert_array_equal(bgr_from_raw(message(rows, 'mono16', 2, 3, big=big))[..., 1], grey >> 8)


@pytest.mark.parametrize('encoding', ['bgr8', '8UC3'])
@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    'wrap',
    [bytes, bytearray, lambda data: array.array('B', data), np.frombuffer],
    ids=['bytes', 'bytearray', 'array', 'numpy'],
)
def test_bgr_is_not_copied(encoding, padding, wrap):
    image = frame_of(24, 32)
    sent = message(rows_of(image, encoding), encoding, 24, 32, padding)
    sent.data = wrap(sent.data.tobytes(), np.uint8) if wrap is np.frombuffer else wrap(sent.data.tobytes())
    converted = bgr_from_raw(sent)
    assert np.shares_memory(converted, np.frombuffer(sent.data, np.uint8))
    np.testing.assert_array_equal(converted, image)


def test_what_follows_the_rows_does_not_matter():
    sent = message(rows_of(frame_of(24, 32), 'rgb8'), 'rgb8', 24, 32)
    sent.data.extend(b'more')
    np.testing.assert_array_equal(bgr_from_raw(sent), frame_of(24, 32))


@pytest.mark.parametrize(
    ('encoding', 'height', 'width', 'step', 'length', 'says'),
    [
        ('bgr8', 0, 4, 12, 100, '4x0 in bgr8 is empty'),
        ('bgr8', 4, 0, 12, 100, '0x4 in bgr8 is empty'),
        ('bgr8', 4, 4, 11, 100, r'rows \(step\) of at least 12 bytes, got 11'),
        ('bgr8', 4, 4, 0, 100, 'at least 12 bytes, got 0'),
        ('bgr8', 4, 4, 12, 47, 'needs 48 bytes of data, got 47'),
        ('bgr8', 4, 4, 20, 79, 'needs 80 bytes of data, got 79'),
        ('bgr8', 4, 4, 12, 0, 'needs 48 bytes of data, got 0'),
        ('mono16', 4, 4, 8, 31, 'needs 32 bytes of data, got 31'),
        ('mono8', 2**31, 2**31, 2**31, 100, 'bytes of data, got 100'),
        ('yuv422', 4, 5, 10, 100, 'at least 12 bytes, got 10'),
        ('nv12', 4, 4, 4, 23, 'needs 24 bytes of data, got 23'),
        ('nv12', 5, 4, 4, 31, 'needs 32 bytes of data, got 31'),
        ('nv12', 4, 5, 5, 100, 'at least 6 bytes, got 5'),
    ],
)
def test_sizes_that_cannot_be_are_refused(encoding, height, width, step, length, says):
    sent = SimpleNamespace(encoding=encoding, height=height, width=width, step=step, is_bigendian=0, data=bytes(length))
    with pytest.raises(BrokenImageError, match=says):
        bgr_from_raw(sent)


@pytest.mark.parametrize('encoding', ['', 'BGR8', '32FC1', '16UC1', 'bayer_rggb16', 'nv21'])
def test_other_encodings_are_named(encoding):
    sent = SimpleNamespace(encoding=encoding, height=2, width=2, step=6, is_bigendian=0, data=bytes(100))
    with pytest.raises(UnsupportedEncodingError, match=f"one of bgr8, .*, got '{encoding}'"):
        bgr_from_raw(sent)
    assert issubclass(UnsupportedEncodingError, ImageError)
    assert issubclass(BrokenImageError, ImageError)


def test_pixels_of_other_types():
    depth = np.arange(12, dtype='>u2').reshape(3, 4)
    sent = message(depth.view(np.uint8).reshape(3, 8), '16UC1', 3, 4, padding=3)
    np.testing.assert_array_equal(pixels(sent, np.dtype('>u2')), depth)


def compressed(content, name):
    return SimpleNamespace(format=name, data=array.array('B', content))


@pytest.mark.parametrize('name', ['', 'jpeg', 'jpg', 'png', 'bgr8; jpeg compressed bgr8', 'rgb8; png compressed bgr8'])
@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_compressed_images_whatever_they_are_called(suffix, name):
    content = cv2.imencode(suffix, frame_of(24, 32))[1].tobytes()
    atol = 12 if suffix == '.jpg' else 0
    np.testing.assert_allclose(bgr_from_compressed(compressed(content, name)).astype(int), frame_of(24, 32), atol=atol)


def test_compressed_as_red_green_blue():
    content = cv2.imencode('.png', frame_of(4, 4)[..., ::-1])[1].tobytes()
    sent = compressed(content, 'rgb8; png compressed rgb8')
    np.testing.assert_array_equal(bgr_from_compressed(sent), frame_of(4, 4))


def test_compressed_greys_of_16_bits():
    content = cv2.imencode('.png', np.full((4, 4), 0x7F20, np.uint16))[1].tobytes()
    np.testing.assert_array_equal(bgr_from_compressed(compressed(content, 'mono16; png')), np.full((4, 4, 3), 0x7F))


def test_broken_compressed_images():
    jpeg = cv2.imencode('.jpg', frame_of(24, 32))[1].tobytes()
    png = cv2.imencode('.png', frame_of(24, 32))[1].tobytes()
    for content in (b'', jpeg[:-40], png[:-40], jpeg[:20] + b'\xff\xd9', b'nothing like an image', bytes(1000)):
        with pytest.raises(BrokenImageError):
            bgr_from_compressed(compressed(content, 'jpeg'))


@pytest.mark.parametrize('name', ['h264', 'tiff', '', '16UC1; compressedDepth', '32FC1; compressedDepth png'])
def test_other_formats_are_named(name):
    with pytest.raises(UnsupportedEncodingError, match=f"must be a JPEG or PNG, got format '{name}'"):
        bgr_from_compressed(compressed(bytes(12) + b'\x89PNG', name))
