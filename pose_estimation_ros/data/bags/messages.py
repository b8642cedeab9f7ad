"""Messages of a bag, and the images in them. `skeleton_topics` has what is written."""

import functools
from dataclasses import dataclass
from typing import Any, Literal

from rosbags.interfaces import Qos
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.data.camera_messages import BrokenImageError, bgr_from_compressed, bgr_from_raw, seconds

Storage = Literal['mcap', 'sqlite3']


@dataclass(frozen=True)
class Topic:
    """A topic with the QoS of one publisher. `definition` and `digest` of the type are '' if the bag has none."""

    name: str
    msgtype: str
    definition: str = ''
    digest: str = ''
    qos: tuple[Qos, ...] = ()


@dataclass(frozen=True, eq=False)
class Message:
    """A serialised message and its time of recording in nanoseconds."""

    topic: Topic
    stamp_ns: int
    data: bytes | memoryview


@functools.cache
def standard_types() -> Typestore:
    """Return the types of the oldest supported distribution; those used here are the same in all."""
    return get_typestore(Stores.ROS2_HUMBLE)


IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = frozenset({IMAGE, COMPRESSED_IMAGE})


@dataclass(frozen=True, eq=False)
class BagImage:
    """An image, the header of its message, and the header's stamp in seconds; None if the driver set none."""

    image: ByteArray
    header: Any
    stamp: float | None


def image_in(message: Message) -> BagImage:
    """Return the image of an Image or CompressedImage message; raises ImageError."""
    msgtype = message.topic.msgtype
    if msgtype not in IMAGE_TYPES:
        raise ImageError(f'images are in {" and ".join(sorted(IMAGE_TYPES))}, not in {msgtype}')
    try:
        content: Any = standard_types().deserialize_cdr(message.data, msgtype)
    except Exception as error:  # of NumPy, struct or the text decoder
        raise BrokenImageError(f'the message is no {msgtype}: {error}') from error
    image = bgr_from_raw(content) if msgtype == IMAGE else bgr_from_compressed(content)
    return BagImage(image, content.header, seconds(content.header.stamp) or None)
