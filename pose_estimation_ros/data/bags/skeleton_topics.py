"""The topics that `bag` writes: skeletons, their description and annotated images, and their serialised messages."""

import json
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.data.bags.messages import COMPRESSED_IMAGE, Message, Topic, standard_types
from pose_estimation_ros.data.skeleton_cloud import FLOAT32, INT32, POINT, from_points, read_points, to_points

JPEG_QUALITY = 90
JPEG_FORMAT = 'bgr8; jpeg compressed bgr8'  # As image_transport writes it
FOREVER = QosTime(9223372036, 854775807)  # rosbag2's value for no limit


def _offered(depth: int, durability: QosDurability = QosDurability.VOLATILE) -> tuple[Qos, ...]:
    return (
        Qos(
            history=QosHistory.KEEP_LAST,
            depth=depth,
            reliability=QosReliability.RELIABLE,
            durability=durability,
            deadline=FOREVER,
            lifespan=FOREVER,
            liveliness=QosLiveliness.AUTOMATIC,
            liveliness_lease_duration=FOREVER,
            avoid_ros_namespace_conventions=False,
        ),
    )


SKELETONS = Topic('/pose_estimation/skeletons', 'sensor_msgs/msg/PointCloud2', qos=_offered(10))
DESCRIPTION = Topic(
    '/pose_estimation/skeleton_description', 'std_msgs/msg/String', qos=_offered(1, QosDurability.TRANSIENT_LOCAL)
)
ANNOTATED = Topic('/pose_estimation/image_annotated/compressed', COMPRESSED_IMAGE, qos=_offered(1))
OWN_TOPICS = frozenset({SKELETONS.name, DESCRIPTION.name, ANNOTATED.name})


def serialize_skeletons(poses: list[Pose], header: Any, skeleton: Skeleton) -> memoryview:
    points = to_points(poses, skeleton)  # (P, K)
    kinds = {'f': FLOAT32, 'i': INT32}
    fields = [
        _new('sensor_msgs/msg/PointField', name=name, offset=int(offset), datatype=kinds[kind.kind], count=1)
        for name, (kind, offset, *_) in (POINT.fields or {}).items()
    ]
    return _serialized(
        SKELETONS,
        header=header,
        height=points.shape[0],
        width=points.shape[1],
        fields=fields,
        is_bigendian=False,
        point_step=points.itemsize,
        row_step=points.itemsize * points.shape[1],
        data=np.frombuffer(points.tobytes(), np.uint8),
        is_dense=False,
    )


def poses_in(message: Message, skeleton: Skeleton) -> list[Pose]:
    """Return the poses of a message of SKELETONS; raises BrokenSkeletonsError for another skeleton."""
    cloud: Any = standard_types().deserialize_cdr(message.data, SKELETONS.msgtype)
    return from_points(read_points(cloud, POINT.names or (), skeleton), skeleton)


def serialize_description(skeleton: Skeleton) -> memoryview:
    return _serialized(DESCRIPTION, data=json.dumps(skeleton.describe()))


def serialize_annotated_image(image: ByteArray, header: Any) -> memoryview:
    _, content = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    data = np.frombuffer(content.tobytes(), np.uint8)
    return _serialized(ANNOTATED, header=header, format=JPEG_FORMAT, data=data)


def _new(msgtype: str, **fields: Any) -> Any:
    return standard_types().types[msgtype](**fields)


def _serialized(topic: Topic, **fields: Any) -> memoryview:
    """Return a message of a topic, serialised."""
    return standard_types().serialize_cdr(_new(topic.msgtype, **fields), topic.msgtype)
