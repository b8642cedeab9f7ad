"""ROS 2 bags without ROS, through the `rosbags` library (the extra `[bag]`): sqlite3 and mcap, read and written.

`open_bag` reads messages as they are, `pictures` and `skeletons` know the few types that this package deals in, and
`written_bag` writes a bag that is there as a whole or not at all.
"""

from pose_estimation_ros.data.bags.contents import Message, Storage, Topic
from pose_estimation_ros.data.bags.pictures import IMAGE_TYPES, BagPicture, picture_in
from pose_estimation_ros.data.bags.reading import BagReader, open_bag
from pose_estimation_ros.data.bags.skeletons import (
    ANNOTATED,
    DESCRIPTION,
    OWN_TOPICS,
    SKELETONS,
    annotated_data,
    description_data,
    poses_in,
    skeletons_data,
)
from pose_estimation_ros.data.bags.writing import BagWriter, refuse_existing, written_bag

__all__ = [
    'ANNOTATED',
    'DESCRIPTION',
    'IMAGE_TYPES',
    'OWN_TOPICS',
    'SKELETONS',
    'BagPicture',
    'BagReader',
    'BagWriter',
    'Message',
    'Storage',
    'Topic',
    'annotated_data',
    'description_data',
    'open_bag',
    'picture_in',
    'poses_in',
    'refuse_existing',
    'skeletons_data',
    'written_bag',
]
