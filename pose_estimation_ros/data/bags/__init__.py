"""ROS 2 bags without ROS, through the `rosbags` library (the extra `[bag]`): sqlite3 and mcap, read and written.

`open_bag` reads serialised messages, `messages` reads and writes the types that this package uses, and `written_bag`
writes a bag atomically.
"""

from pose_estimation_ros.data.bags.messages import (
    ANNOTATED,
    DESCRIPTION,
    IMAGE_TYPES,
    OWN_TOPICS,
    SKELETONS,
    BagImage,
    Message,
    Storage,
    Topic,
    annotated_data,
    description_data,
    image_in,
    poses_in,
    skeletons_data,
)
from pose_estimation_ros.data.bags.reading import BagReader, open_bag
from pose_estimation_ros.data.bags.writing import BagWriter, refuse_existing, written_bag

__all__ = [
    'ANNOTATED',
    'DESCRIPTION',
    'IMAGE_TYPES',
    'OWN_TOPICS',
    'SKELETONS',
    'BagImage',
    'BagReader',
    'BagWriter',
    'Message',
    'Storage',
    'Topic',
    'annotated_data',
    'description_data',
    'image_in',
    'open_bag',
    'poses_in',
    'refuse_existing',
    'skeletons_data',
    'written_bag',
]
