"""Pixels of sensor_msgs Image and CompressedImage, as objects of any library.

ROS is not imported, so that bags can be read without it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, ByteArray
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.core.image import decode_image


class UnsupportedEncodingError(ImageError):
    """The encoding of a camera's images is not supported."""


class BrokenImageError(ImageError):
    """A message does not contain the image that its fields describe; the next one may."""


class RawImage(Protocol):
    """Fields of sensor_msgs/Image; `data` is any object with a buffer of bytes."""

    encoding: str
    width: int
    height: int
    step: int
    is_bigendian: Any
    data: Any


class EncodedImage(Protocol):
    """Fields of sensor_msgs/CompressedImage; `data` is any object with a buffer of bytes."""

    format: str
    data: Any


Reader = Callable[[RawImage], ByteArray]
BYTE = np.dtype(np.uint8)


def seconds(stamp: Any) -> float:
    """Return the seconds of a builtin_interfaces/Time; 0 if the driver set no stamp."""
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9


def bgr_from_raw(message: RawImage) -> ByteArray:
    """Return the (H, W, 3) pixels of an Image; bgr8 and 8UC3 share the memory of `message.data`.

    Rows may be padded (`step`), 16-bit grey loses its low byte. Raises UnsupportedEncodingError or BrokenImageError.
    """
    reader = READERS.get(message.encoding)
    if reader is None:
        raise UnsupportedEncodingError(
            f'an image must be encoded as one of {", ".join(ENCODINGS)}, got {message.encoding!r}; '
            'set the camera driver to one of them'
        )
    try:
        return reader(message)
    except cv2.error as error:
        raise BrokenImageError(f'{_title(message)} cannot be converted: {error.err or error}') from error


def bgr_from_compressed(message: EncodedImage) -> ByteArray:
    """Return the (H, W, 3) pixels of a CompressedImage with a JPEG or PNG.

    Raises UnsupportedEncodingError or BrokenImageError, the latter also for truncated files.
    """
    content, name = bytes(message.data), message.format.lower()
    # Drivers write the format in many ways or leave it empty.
    claimed = any(word in name for word in ('jpeg', 'jpg', 'png')) and 'compresseddepth' not in name
    if not claimed and content and not content.startswith((b'\xff\xd8', b'\x89PNG')):
        raise UnsupportedEncodingError(f'a compressed image must be a JPEG or PNG, got format {message.format!r}')
    try:
        bgr = decode_image(content, f'the compressed image ({message.format})')
    except ImageError as error:
        raise BrokenImageError(str(error)) from error
    # image_transport states the channel order before encoding after the word `compressed`.
    return _converted(bgr, cv2.COLOR_RGB2BGR) if 'compressed rgb' in message.format else bgr


def pixels(message: RawImage, kind: 'np.dtype[Any]', channels: int = 1) -> AnyArray:
    """Return an (H, W, C) view of `message.data`, (H, W) for one channel; raises BrokenImageError for wrong sizes."""
    size = channels * kind.itemsize
    check_size(message, message.width * size, message.height)
    shape = message.height, message.width, channels
    view = _view(message, shape, (message.step, size, kind.itemsize), kind)
    return view[..., 0] if channels == 1 else view


def check_size(message: RawImage, row: int, rows: int) -> None:
    """Raise BrokenImageError unless the message has `rows` rows of `step` bytes, of which `row` are pixels."""
    if not (message.width and message.height):
        raise BrokenImageError(f'{_title(message)} is empty')
    if message.step < row:
        raise BrokenImageError(f'{_title(message)} needs rows (step) of at least {row} bytes, got {message.step}')
    if len(message.data) < message.step * rows:
        raise BrokenImageError(f'{_title(message)} needs {message.step * rows} bytes of data, got {len(message.data)}')


def _view(
    message: RawImage, shape: tuple[int, ...], strides: tuple[int, ...], kind: 'np.dtype[Any]' = BYTE, offset: int = 0
) -> AnyArray:
    return np.ndarray(shape, kind, message.data, offset, strides)


def _packed(channels: int, code: int | None = None) -> Reader:
    """Return a reader of bytes per pixel, converted to BGR by OpenCV's `code`."""

    def read(message: RawImage) -> ByteArray:
        view = pixels(message, BYTE, channels)
        return view if code is None else _converted(view, code)

    return read


def _mono16(message: RawImage) -> ByteArray:
    high_byte = 0 if message.is_bigendian else 1
    return _converted(np.ascontiguousarray(pixels(message, BYTE, 2)[..., high_byte]), cv2.COLOR_GRAY2BGR)


def _yuv422(code: int) -> Reader:
    """Return a reader of YUV 4:2:2: four bytes per two pixels, which share their chroma."""

    def read(message: RawImage) -> ByteArray:
        even = message.width + message.width % 2
        check_size(message, even * 2, message.height)
        pairs = _view(message, (message.height, even, 2), (message.step, 2, 1))
        return _converted(pairs, code)[:, : message.width]

    return read


def _nv12(message: RawImage) -> ByteArray:
    """Read NV12: a luma plane, then a chroma plane of half the height and width."""
    width, height, step = message.width, message.height, message.step
    columns, rows = (width + 1) // 2, (height + 1) // 2
    check_size(message, columns * 2, height + rows)
    y = _view(message, (height, width), (step, 1))
    uv = _view(message, (rows, columns, 2), (step, 2, 1), offset=step * height)
    if width % 2 or height % 2:
        y = cv2.copyMakeBorder(y, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    bgr = cv2.cvtColorTwoPlane(y, uv, cv2.COLOR_YUV2BGR_NV12).astype(np.uint8, copy=False)
    return bgr[:height, :width]


def _bayer(code: int) -> Reader:
    """Return a reader of Bayer mosaics (one colour per pixel)."""

    def read(message: RawImage) -> ByteArray:
        mosaic = pixels(message, BYTE)
        if min(mosaic.shape) > 2:
            return _converted(mosaic, code)
        larger = cv2.copyMakeBorder(mosaic, 2, 2, 2, 2, cv2.BORDER_REFLECT_101)  # OpenCV returns black for tiny mosaics
        return _converted(larger, code)[2:-2, 2:-2]

    return read


def _converted(view: AnyArray, code: int) -> ByteArray:
    return cv2.cvtColor(view, code).astype(np.uint8, copy=False)


def _title(message: RawImage) -> str:
    return f'an image of {message.width}x{message.height} in {message.encoding}'


READERS: dict[str, Reader] = {
    'bgr8': _packed(3),
    'rgb8': _packed(3, cv2.COLOR_RGB2BGR),
    'bgra8': _packed(4, cv2.COLOR_BGRA2BGR),
    'rgba8': _packed(4, cv2.COLOR_RGBA2BGR),
    'mono8': _packed(1, cv2.COLOR_GRAY2BGR),
    'mono16': _mono16,
    '8UC1': _packed(1, cv2.COLOR_GRAY2BGR),
    '8UC3': _packed(3),
    'yuv422': _yuv422(cv2.COLOR_YUV2BGR_UYVY),
    'uyvy': _yuv422(cv2.COLOR_YUV2BGR_UYVY),
    'yuv422_yuy2': _yuv422(cv2.COLOR_YUV2BGR_YUY2),
    'yuyv': _yuv422(cv2.COLOR_YUV2BGR_YUY2),
    'nv12': _nv12,
    # ROS names a mosaic by its top-left 2x2 pixels, OpenCV by the second and third pixel of the second row.
    'bayer_rggb8': _bayer(cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGB2BGR),
}
ENCODINGS = tuple(READERS)
"""Supported encodings of sensor_msgs/Image; uyvy and yuyv are the newer names of yuv422 and yuv422_yuy2."""
