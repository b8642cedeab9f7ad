"""ROS 2 bags without ROS, through the `rosbags` library (the extra `[bag]`): sqlite3 and mcap, read and written.

`open_bag` reads messages as they are, `images` and `skeletons` know the few types that this package deals in, and
`written_bag` writes a bag that is there as a whole or not at all.
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
