"""Pictures in messages."""

from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import ImageError
from pose_estimation_ros.data.bags.contents import Message, standard_types
from pose_estimation_ros.data.camera_messages import BrokenImageError, bgr_from_compressed, bgr_from_raw, seconds

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = frozenset({IMAGE, COMPRESSED_IMAGE})


@dataclass(frozen=True, eq=False)
class BagPicture:
    """A picture, the header of its message, and the header's time in seconds: None where the driver set none."""

    image: ByteArray
    header: Any
    stamp: float | None


def picture_in(message: Message) -> BagPicture:
    """Return the picture of an Image or CompressedImage message; raises ImageError where it holds none."""
    content = _deserialized(message)
    image = bgr_from_raw(content) if message.topic.msgtype == IMAGE else bgr_from_compressed(content)
    return BagPicture(image, content.header, seconds(content.header.stamp) or None)


def _deserialized(message: Message) -> Any:
    if message.topic.msgtype not in IMAGE_TYPES:
        raise ImageError(f'pictures are in {" and ".join(sorted(IMAGE_TYPES))}, not in {message.topic.msgtype}')
    try:
        return standard_types().deserialize_cdr(message.data, message.topic.msgtype)
    except Exception as error:  # whatever the bytes make of NumPy, struct and the text decoder
        raise BrokenImageError(f'the message is no {message.topic.msgtype}: {error}') from error
