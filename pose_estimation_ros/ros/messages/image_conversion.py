"""From camera messages to pixels and back."""

import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from pose_estimation_ros.core.arrays import AnyArray, ByteArray
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.core.image import as_bgr
from pose_estimation_ros.data.camera_messages import ENCODINGS, bgr_from_compressed, bgr_from_raw
from pose_estimation_ros.data.camera_messages import BrokenImageError as BrokenImage
from pose_estimation_ros.data.camera_messages import UnsupportedEncodingError as UnsupportedEncoding

__all__ = [
    'ENCODINGS',
    'BrokenImage',
    'Converter',
    'UnsupportedEncoding',
    'choose_converter',
    'from_bgr',
    'to_bgr',
    'to_compressed',
]

BRIDGED = {'rgb8': 3, 'bgra8': 4, 'rgba8': 4, 'mono8': 1} | {
    f'bayer_{pattern}8': 1 for pattern in ('rggb', 'bggr', 'gbrg', 'grbg')
}
"""Bytes per pixel of the encodings that cv_bridge converts. bgr8 is not among them: it would be copied needlessly."""


@dataclass(frozen=True)
class Converter:
    """Converts camera messages to BGR images, with cv_bridge if possible."""

    name: str
    """`cv_bridge` or `built-in`."""
    reason: str
    """Why that one, for diagnostics."""
    bridge: Callable[[Image], AnyArray] | None = None

    def to_bgr(self, message: Image | CompressedImage) -> ByteArray:
        """Return the (H, W, 3) pixels, as `to_bgr` does."""
        size = BRIDGED.get(getattr(message, 'encoding', ''))
        if self.bridge is None or size is None or message.step != message.width * size:  # compressed, or with padding
            return to_bgr(message)
        try:
            return as_bgr(self.bridge(message))
        except Exception:  # its errors are of many kinds; what is wrong with the message is said below
            return to_bgr(message)


def choose_converter() -> Converter:
    """Try cv_bridge on a tiny image and return what is to be used from now on.

    It may be absent, or installed and broken: built against another NumPy, it fails to import or to convert.
    """
    try:
        from cv_bridge import CvBridge

        imgmsg_to_cv2 = CvBridge().imgmsg_to_cv2

        def bridge(message: Image) -> AnyArray:
            return np.asarray(imgmsg_to_cv2(message, 'bgr8'))

        red = Image(width=2, height=1, encoding='rgb8', step=6, data=array.array('B', [255, 0, 0] * 2))
        pixels = bridge(red)
    except ImportError as error:
        return Converter('built-in', f'cv_bridge cannot be imported: {error}')
    except Exception as error:
        return Converter('built-in', f'cv_bridge fails: {type(error).__name__}: {error}')
    if pixels.tolist() != [[[0, 0, 255]] * 2]:
        return Converter('built-in', 'cv_bridge converts wrongly')
    return Converter('cv_bridge', 'cv_bridge works', bridge)


def to_bgr(message: Image | CompressedImage) -> ByteArray:
    """Return the (H, W, 3) uint8 pixels of a message; those of bgr8 share its memory, so do not draw on them."""
    return bgr_from_compressed(message) if hasattr(message, 'format') else bgr_from_raw(message)


def from_bgr(image: AnyArray, header: Header) -> Image:
    """Return an image as a bgr8 message."""
    pixels = np.ascontiguousarray(as_bgr(image))
    height, width = pixels.shape[:2]
    message = Image(header=header, height=height, width=width, encoding='bgr8', is_bigendian=0, step=width * 3)
    message.data = _bytes(pixels)
    return message


def to_compressed(image: AnyArray, header: Header, quality: int = 90) -> CompressedImage:
    """Return an image as a JPEG message; `quality` is 1 to 100."""
    good, jpeg = cv2.imencode('.jpg', as_bgr(image), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ImageError(f'cannot encode an image of {image.shape} as JPEG')
    message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    message.data = _bytes(jpeg)
    return message


def _bytes(pixels: Any) -> 'array.array[int]':
    """Return a copy as the kind of array that messages take without looking at each byte."""
    filled = array.array('B')
    filled.frombytes(pixels.data.cast('B'))
    return filled
