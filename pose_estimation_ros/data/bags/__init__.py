"""ROS 2 bags without ROS, through the `rosbags` library (the extra `[bag]`): sqlite3 and mcap, read and written.

`open_bag` reads serialised messages, `image_in` reads images, `skeleton_topics` defines and serialises what
is written, and `written_bag` writes a bag atomically.
"""

from pose_estimation_ros.data.bags.messages import IMAGE_TYPES, BagImage, Message, Storage, Topic, image_in
from pose_estimation_ros.data.bags.reading import BagReader, open_bag
from pose_estimation_ros.data.bags.skeleton_topics import (
    ANNOTATED,
    DESCRIPTION,
    OWN_TOPICS,
    SKELETONS,
    poses_in,
    serialize_annotated_image,
    serialize_description,
    serialize_skeletons,
)
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
    'image_in',
    'open_bag',
    'poses_in',
    'refuse_existing',
    'serialize_annotated_image',
    'serialize_description',
    'serialize_skeletons',
    'written_bag',
]
