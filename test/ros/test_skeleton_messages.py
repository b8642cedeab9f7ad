"""The messages on `skeletons` and `skeletons_3d`, byte by byte and through the middleware's own serialisation."""

import json
import struct

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18, SKELETONS
from pose_estimation_ros.data.skeleton_cloud import BrokenSkeletonsError
from pose_estimation_ros.ros.messages.skeleton_messages import (
    decode_skeletons,
    decode_skeletons_3d,
    description_message,
    encode_skeletons,
    encode_skeletons_3d,
)

HEADER = Header(frame_id='camera_optical')
HEADER.stamp.sec, HEADER.stamp.nanosec = 7, 8


def someone(skeleton=OPENPOSE_18, identity=None, seed=0):
    keypoints = np.random.default_rng(seed).uniform(0, 1, (len(skeleton), 3)) * [640, 480, 1]
    keypoints[2] = np.nan
    return Pose(keypoints, 3.5, skeleton, identity)


def through_the_middleware(message):
    return deserialize_message(serialize_message(message), type(message))


def test_layout_is_that_of_the_contract():
    poses = [someone(identity=5), someone(seed=1)]
    message = encode_skeletons(poses, HEADER)
    assert (message.height, message.width, message.point_step, message.row_step) == (2, 18, 16, 288)
    assert (message.is_bigendian, message.is_dense) == (False, False)
    assert message.header == HEADER
    fields = [(field.name, field.offset, field.datatype, field.count) for field in message.fields]
    assert fields == [('u', 0, 7, 1), ('v', 4, 7, 1), ('score', 8, 7, 1), ('id', 12, 5, 1)]
    content = bytes(message.data)
    assert len(content) == 2 * 18 * 16
    for person, pose in enumerate(poses):
        for place, keypoint in enumerate(pose.keypoints):
            values = struct.unpack_from('<fffi', content, (person * 18 + place) * 16)
            np.testing.assert_array_equal(values[:3], keypoint)
            assert values[3] == (5, -1)[person]
    u, v, score = struct.unpack_from('<fff', content, 2 * 16)
    assert np.isnan([u, v]).all()
    assert score == 0


@pytest.mark.parametrize('skeleton', SKELETONS.values(), ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize('people', [0, 1, 15])
def test_people_go_round(people, skeleton):
    poses = [someone(skeleton, seed if seed % 2 else None, seed) for seed in range(people)]
    read = decode_skeletons(through_the_middleware(encode_skeletons(poses, HEADER, skeleton)), skeleton)
    assert [pose.id for pose in read] == [pose.id for pose in poses]
    for pose, original in zip(read, poses, strict=True):
        np.testing.assert_array_equal(pose.keypoints, original.keypoints)


def test_nobody_is_a_cloud_of_no_rows():
    for message in (encode_skeletons([], HEADER), encode_skeletons_3d([], np.empty((0, 18, 3)), HEADER)):
        assert (message.height, message.width, len(message.data)) == (0, 18, 0)
        assert message.row_step == 18 * message.point_step
        assert message.header == HEADER
        assert len(message.fields) in (4, 5)


def test_a_cloud_of_something_else_is_refused():
    with pytest.raises(BrokenSkeletonsError, match='coco_17 has 17 keypoints'):
        decode_skeletons(encode_skeletons([someone()], HEADER), COCO_17)
    with pytest.raises(BrokenSkeletonsError):
        decode_skeletons(PointCloud2())
    in_3d = encode_skeletons_3d([someone()], np.zeros((1, 18, 3)), HEADER)
    with pytest.raises(BrokenSkeletonsError, match='lacks u, v'):
        decode_skeletons(in_3d)


def test_metres_go_round():
    poses = [someone(identity=3), someone(seed=1)]
    xyz = np.random.default_rng(2).uniform(-2, 5, (2, 18, 3)).astype(np.float32)
    xyz[0, 4] = np.nan
    message = through_the_middleware(encode_skeletons_3d(poses, xyz, HEADER))
    assert [(field.name, field.offset) for field in message.fields] == [
        *(('x', 0), ('y', 4), ('z', 8), ('score', 12), ('id', 16)),
    ]
    assert (message.point_step, message.row_step, message.is_dense) == (20, 360, False)
    values = struct.unpack_from('<ffffi', bytes(message.data), 18 * 20)
    np.testing.assert_array_equal(values, [*xyz[1, 0], poses[1].keypoints[0, 2], -1])
    points, ids = decode_skeletons_3d(message)
    assert ids == [3, None]
    np.testing.assert_array_equal(points[..., :3], xyz)
    assert points[0, 4, 3] == 0
    assert points[0, 5, 3] == poses[0].keypoints[5, 2]


def test_description_says_what_a_reader_needs():
    described = json.loads(description_message(COCO_17).data)
    assert described['keypoints'] == list(COCO_17.keypoints)
    assert [tuple(limb) for limb in described['limbs']] == list(COCO_17.limbs)
    assert len(described['limb_colours_bgr']) == len(COCO_17.limbs)
