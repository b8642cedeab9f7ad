"""Images: OpenDR's `Image`, and a reader that rejects truncated files."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import DTypeLike

from pose_estimation_ros.core.arrays import AnyArray, ByteArray
from pose_estimation_ros.core.errors import ImageError, OutputError
from pose_estimation_ros.core.files import atomic_write

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm', '.jp2'})


class Image:
    """A colour image with the interface of OpenDR's `engine.data.Image`.

    An array (H, W, 3) is BGR as in OpenCV, (3, H, W) is RGB, (H, W) is grey. `data` is (3, H, W) RGB, `opencv()` a
    (H, W, 3) BGR copy that may be drawn on.
    """

    def __init__(self, data: AnyArray | None = None, dtype: DTypeLike = np.uint8, guess_format: bool = True) -> None:
        if data is None:
            raise ImageError('Image needs an array, got None; use Image.open(path) for a file')
        array = np.asarray(data)
        if array.dtype.kind == 'f':
            raise ImageError(f'an image must be uint8, got {array.dtype}; scale it to 0..255 and convert it')
        if array.dtype != np.uint16:  # which a cast would wrap around
            array = array.astype(dtype, copy=False)
        planes_first = array.ndim == 3 and array.shape[0] == 3 and (not guess_format or array.shape[2] not in (3, 4))
        self._bgr: AnyArray = as_bgr(array.transpose(1, 2, 0)[..., ::-1] if planes_first else array)

    @classmethod
    def open(cls, path: str | Path) -> 'Image':
        """Read an image file; raises ImageError if it is invalid or truncated."""
        return cls(read_image(Path(path)))

    @property
    def data(self) -> AnyArray:
        """(3, H, W) RGB view."""
        return self._bgr[..., ::-1].transpose(2, 0, 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `data`: (3, H, W)."""
        return self.data.shape

    def numpy(self) -> AnyArray:
        return self.data

    def opencv(self) -> AnyArray:
        """Return a (H, W, 3) BGR copy."""
        return self.convert('channels_last', 'bgr')

    def convert(self, format: str = 'channels_first', channel_order: str = 'rgb') -> AnyArray:
        """Return a copy as 'channels_first' or 'channels_last', 'rgb' or 'bgr'."""
        if format not in ('channels_first', 'channels_last') or channel_order not in ('rgb', 'bgr'):
            raise ValueError(
                f"expected 'channels_first' or 'channels_last' and 'rgb' or 'bgr', got {format!r}, {channel_order!r}"
            )
        array = self._bgr if channel_order == 'bgr' else self._bgr[..., ::-1]
        return np.ascontiguousarray(array.transpose(2, 0, 1) if format == 'channels_first' else array).copy()


def as_bgr(array: AnyArray) -> ByteArray:
    """Return an (H, W, 3) uint8 image from BGR, BGRA or grey, 8 or 16 bits; raises ImageError for others."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    good_shape = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not good_shape or array.dtype != np.uint8 or array.size == 0:
        raise ImageError(f'an image must be HxWx3 uint8 (BGR), got {array.shape} {array.dtype}')
    if array.ndim == 2:
        return cv2.cvtColor(array, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
    if array.shape[2] == 4:
        return cv2.cvtColor(array, cv2.COLOR_BGRA2BGR).astype(np.uint8, copy=False)
    return array


def to_bgr(image: 'Image | AnyArray | str | Path') -> ByteArray:
    """Return the (H, W, 3) uint8 BGR pixels of an Image, array or file, without copying if possible."""
    if isinstance(image, str | Path):
        return read_image(Path(image))
    if isinstance(image, Image):
        return as_bgr(image._bgr)
    if isinstance(image, np.ndarray):
        return as_bgr(image)
    raise ImageError(f'an image must be an Image, an array or a path, got {type(image).__name__}')


def read_image(path: Path) -> ByteArray:
    """Read a file as (H, W, 3) uint8 BGR, rotated by its EXIF; 16-bit, grey and CMYK files are converted."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f'cannot read {path}: {error.strerror}') from error
    return decode_image(content, str(path))


def write_image(path: Path, image: ByteArray) -> None:
    """Write a BGR image atomically, in the format of the name's suffix; raises OutputError if that fails."""
    done, content = cv2.imencode(path.suffix, image)
    if not done:
        raise OutputError(f'cannot encode {path} ({image.shape[1]}x{image.shape[0]}) as {path.suffix}')
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.tobytes())


def decode_image(content: bytes, name: str) -> ByteArray:
    """Decode the bytes of an image file; errors use `name`."""
    if not content:
        raise ImageError(f'{name} is empty')
    if _is_cut_off(content):
        raise ImageError(f'{name} is cut off ({len(content)} bytes); copy or download it again')
    try:
        image: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f'{name} cannot be decoded: {error.err or error}') from error
    if image is None:
        raise ImageError(f'{name} is not an image that OpenCV can read')
    return as_bgr(image)


def _is_cut_off(content: bytes) -> bool:
    """Whether a JPEG or PNG has no end mark (OpenCV silently fills the rest with grey)."""
    if content.startswith(b'\xff\xd8'):
        return content.find(b'\xff\xd9', _start_of_scan(content)) == -1
    if content.startswith(b'\x89PNG'):
        return b'IEND' not in content[-64:] and b'IEND' not in content
    return False


def _start_of_scan(jpeg: bytes) -> int:
    """Return the offset of a JPEG's pixels; an EXIF thumbnail before them may have end marks of its own."""
    offset = 2
    while offset + 4 <= len(jpeg) and jpeg[offset] == 0xFF and jpeg[offset + 1] != 0xDA:
        offset += 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], 'big')
    return offset


ImageLike = Image | AnyArray | str | Path  # An Image, an array in OpenCV's BGR order, or the path of a file
