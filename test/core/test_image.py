"""Images: OpenDR's Image, and files that are whole, broken, rotated or of unusual kinds."""

import base64
import re

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.core.image import Image, as_bgr, decode_image, read_image, to_bgr

BGR = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
RED = (0, 0, 255)
EXIF_TURN_RIGHT = (
    b'Exif\0\0MM\0*\0\0\0\x08\0\x01'  # big-endian TIFF with one entry,
    b'\x01\x12\0\x03\0\0\0\x01\0\x06\0\0'  # orientation: 6, to be turned clockwise for display
    b'\0\0\0\0'
)
CMYK_RED_8X8_JPEG = base64.b64decode(
    '/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgW'
    'FBgSFBUU/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABQAAQAAAAAAAAAAAAAAAAAAAAn/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0A'
    'WQBLAAA/AFTFUKoqb//Z'
)


def encoded(suffix, image, *options):
    done, content = cv2.imencode(suffix, image, options)
    assert done
    return content.tobytes()


def plain_image(height=64, width=96):
    """A smooth image that JPEG keeps well, red on the left."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = RED
    return image


def refusal(content, name='shot.jpg'):
    with pytest.raises(ImageError) as caught:
        decode_image(content, name)
    message = str(caught.value)
    assert message.startswith(name)
    assert '\n' not in message
    return message


def test_image_of_opencv_array():
    image = Image(BGR)
    assert image.shape == image.data.shape == (3, 4, 5)
    assert (image.data[0] == BGR[..., 2]).all()  # red first
    assert (image.numpy() == image.data).all()
    assert (image.opencv() == BGR).all()


def test_image_of_planes_is_rgb():
    rgb_planes = BGR[..., ::-1].transpose(2, 0, 1)
    assert (Image(rgb_planes).opencv() == BGR).all()
    assert (to_bgr(Image(rgb_planes)) == BGR).all()
    narrow = np.zeros((3, 7, 3), np.uint8)
    assert Image(narrow).shape == (3, 3, 7)
    assert Image(narrow, guess_format=False).shape == (3, 7, 3)


def test_image_of_grey_and_transparent_arrays():
    assert (Image(BGR[..., 0]).opencv() == BGR[..., :1]).all()
    assert (Image(np.dstack([BGR, BGR[..., 0]])).opencv() == BGR).all()


@pytest.mark.parametrize('order', ['rgb', 'bgr'])
@pytest.mark.parametrize('layout', ['channels_first', 'channels_last'])
def test_image_convert(layout, order):
    converted = Image(BGR).convert(layout, order)
    expected = BGR if order == 'bgr' else BGR[..., ::-1]
    assert (converted == (expected if layout == 'channels_last' else expected.transpose(2, 0, 1))).all()
    assert converted.flags.c_contiguous


def test_image_convert_refuses_other_names():
    with pytest.raises(ValueError, match="'grb'"):
        Image(BGR).convert('channels_last', 'grb')
    with pytest.raises(ValueError, match="'nchw'"):
        Image(BGR).convert('nchw')


def test_opencv_gives_a_copy_to_draw_on():
    image = Image(BGR.copy())
    image.opencv()[:] = 0
    image.convert()[:] = 0
    assert (image.opencv() == BGR).all()


def test_image_open(tmp_path):
    path = tmp_path / 'ü image.png'
    path.write_bytes(encoded('.png', BGR))
    for opened in (Image.open(path), Image.open(str(path))):
        assert (opened.opencv() == BGR).all()
    with pytest.raises(ImageError, match='got None'):
        Image()


@pytest.mark.parametrize('kind', [Image, lambda array: array, lambda array: np.asfortranarray(array)])
def test_to_bgr_takes_images_of_any_form(kind):
    assert (to_bgr(kind(BGR)) == BGR).all()


def test_to_bgr_does_not_copy_what_fits():
    assert to_bgr(BGR) is BGR


@pytest.mark.parametrize('value', [None, 3, [[1, 2], [3, 4]], b'bytes'])
def test_to_bgr_refuses_what_is_no_image(value):
    with pytest.raises(ImageError, match=f'an Image, an array or a path, got {type(value).__name__}'):
        to_bgr(value)


@pytest.mark.parametrize(
    'array',
    [
        *(BGR.astype(dtype) for dtype in (np.float32, np.float64, np.int32, bool)),
        *(np.zeros(shape, np.uint8) for shape in ((0, 5, 3), (5, 0), (4, 5, 2), (4, 5, 5), (1, 4, 5, 3), (7,), ())),
    ],
    ids=lambda array: f'{array.dtype}-{array.shape}',
)
def test_wrong_arrays_are_refused_with_what_came(array):
    with pytest.raises(ImageError, match=re.escape(f'must be HxWx3 uint8 (BGR), got {array.shape} {array.dtype}')):
        to_bgr(array)


def test_16_bit_arrays_keep_their_upper_bits():
    deep = BGR.astype(np.uint16) * 256 + 90
    assert (as_bgr(deep) == BGR).all()
    assert (Image(deep).opencv() == BGR).all()
    assert (Image(deep[..., ::-1].transpose(2, 0, 1)).opencv() == BGR).all()
    assert (as_bgr(deep[..., :1]) == BGR[..., :1]).all()


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.webp', '.tiff', '.jpg'])
def test_reads_common_formats(suffix):
    image = plain_image()
    decoded = decode_image(encoded(suffix, image), 'image')
    assert decoded.shape == image.shape
    assert abs(decoded[:, 5].astype(int) - RED).max() < 10


@pytest.mark.parametrize(
    'image', [plain_image()[..., 2], np.dstack([plain_image(), plain_image()[..., 2]])], ids=['grey', 'RGBA']
)
def test_reads_grey_and_transparent_files_as_colour(image):
    decoded = decode_image(encoded('.png', image), 'image')
    assert decoded.shape == (64, 96, 3)
    assert decoded.dtype == np.uint8
    assert (decoded[..., 2] == plain_image()[..., 2]).all()


def test_reads_16_bit_png():
    decoded = decode_image(encoded('.png', BGR.astype(np.uint16) * 257), 'deep')
    assert decoded.dtype == np.uint8
    assert abs(decoded.astype(int) - BGR).max() <= 1


def test_reads_cmyk_jpeg():
    decoded = decode_image(CMYK_RED_8X8_JPEG, 'print')
    assert decoded.shape == (8, 8, 3)
    assert abs(decoded.astype(int) - RED).max() < 10


@pytest.mark.parametrize('shape', [(1, 1, 3), (2, 20000, 3), (20000, 2, 3)])
def test_reads_extreme_sizes(shape):
    assert decode_image(encoded('.png', np.full(shape, 7, np.uint8)), 'extreme').shape == shape


def test_turns_as_the_camera_says(tmp_path):
    plain = encoded('.jpg', plain_image(), cv2.IMWRITE_JPEG_QUALITY, 95)
    segment = b'\xff\xe1' + (len(EXIF_TURN_RIGHT) + 2).to_bytes(2, 'big') + EXIF_TURN_RIGHT
    (tmp_path / 'turned.jpg').write_bytes(plain[:2] + segment + plain[2:])
    turned = read_image(tmp_path / 'turned.jpg')
    assert turned.shape == (96, 64, 3)
    assert (turned[:40, :, 2] > 200).all()  # left has become the top
    assert (turned[56:, :, 2] < 50).all()
    assert decode_image(plain, 'plain').shape == (64, 96, 3)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('share', [0.5, 0.9, 0.99])
def test_cut_off_files_are_refused(suffix, share):
    noisy = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    content = encoded(suffix, noisy)
    part = content[: int(len(content) * share)]
    assert refusal(part) == f'shot.jpg is cut off ({len(part)} bytes); copy or download it again'


def test_cut_off_progressive_jpeg_is_refused():
    noisy = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    content = encoded('.jpg', noisy, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert decode_image(content, 'whole').shape == noisy.shape
    assert 'is cut off' in refusal(content[: len(content) * 3 // 4])


def test_padding_behind_a_jpeg_does_no_harm():
    assert decode_image(encoded('.jpg', plain_image()) + bytes(4096), 'padded').shape == (64, 96, 3)


def test_a_thumbnail_does_not_make_a_cut_off_jpeg_whole():
    thumbnail, content = encoded('.jpg', plain_image(16, 16)), encoded('.jpg', plain_image())
    segment = b'\xff\xed' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = content[:2] + segment + content[2:]
    assert decode_image(whole, 'with thumbnail').shape == (64, 96, 3)
    assert 'is cut off' in refusal(whole[:-20])


@pytest.mark.parametrize('content', [b'<html>no image</html>', bytes(100), b'\xff\xd8', b'\xff\xd8\xff\xe0\0\x10JFIF'])
def test_other_content_is_refused(content):
    assert refusal(content, 'page.jpg').startswith('page.jpg')


def test_empty_files_are_refused(tmp_path):
    (tmp_path / 'empty.png').touch()
    with pytest.raises(ImageError, match=r'empty\.png is empty'):
        to_bgr(tmp_path / 'empty.png')


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(ImageError, match=r'cannot read .*missing\.png: No such file'):
        to_bgr(str(tmp_path / 'missing.png'))
    with pytest.raises(ImageError, match='Is a directory'):
        Image.open(tmp_path)
