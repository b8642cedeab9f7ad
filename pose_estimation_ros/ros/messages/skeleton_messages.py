"""From poses to the point clouds of `skeletons` and `skeletons_3d`, and back.

Read them with `decode_skeletons`, or by the fields' offsets; sensor_msgs_py's helpers flatten an organised cloud.
"""

import array
import json
from collections.abc import Sequence

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header, String

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import OPENPOSE_18, SKELETONS, Skeleton
from pose_estimation_ros.data.skeleton_cloud import (
    FLOAT32,
    INT32,
    BrokenSkeletonsError,
    from_points,
    identities,
    read_points,
    to_points,
    to_points_3d,
)

USUAL_SIGMA = 0.079
"""OKS sigma of a shoulder, used if a description has no sigmas."""


def encode_skeletons(poses: Sequence[Pose], header: Header, skeleton: Skeleton = OPENPOSE_18) -> PointCloud2:
    """Return people in image pixels: a row each, a column a keypoint, fields u, v, score, id (-1 untracked)."""
    return _cloud(to_points(poses, skeleton), header)


def decode_skeletons(message: PointCloud2, skeleton: Skeleton | None = None) -> list[Pose]:
    """Return the people of a message. A person's score, which it does not carry, is the mean of the keypoints'.

    Without `skeleton`, which the node publishes on `~/skeleton_description`, it is the known one with that number of
    keypoints. Raises BrokenSkeletonsError if the message is not a cloud of this skeleton or of a known one.
    """
    skeleton = skeleton or skeleton_of_width(message.width)
    return from_points(read_points(message, ('u', 'v', 'score', 'id'), skeleton), skeleton)


def encode_skeletons_3d(
    poses: Sequence[Pose], points: FloatArray, header: Header, skeleton: Skeleton = OPENPOSE_18
) -> PointCloud2:
    """Return people in metres, given the places (P, K, 3) of their keypoints: fields x, y, z, score, id.

    A keypoint without a place, found or not, is x = y = z = NaN with score 0.
    """
    return _cloud(to_points_3d(poses, points, skeleton), header)


def decode_skeletons_3d(message: PointCloud2, skeleton: Skeleton = OPENPOSE_18) -> tuple[FloatArray, list[int | None]]:
    """Return (P, K, 4) x, y, z and score, and the people's ids; raises BrokenSkeletonsError for another cloud."""
    points = read_points(message, ('x', 'y', 'z', 'score', 'id'), skeleton)
    columns = [points[name] for name in ('x', 'y', 'z', 'score')]
    return np.stack(columns, axis=2).astype(np.float32), identities(points)


def description_message(skeleton: Skeleton = OPENPOSE_18) -> String:
    """Return the names, limbs and colours of a skeleton as JSON."""
    return String(data=json.dumps(skeleton.describe()))


def read_description(message: String) -> Skeleton:
    """Return the skeleton that a description is of; how precisely people mark its keypoints is known of ours only.

    Raises BrokenSkeletonsError if the message is not a valid description.
    """
    try:
        fields = json.loads(message.data)
        known = SKELETONS.get(fields['name'])
        if known is not None and list(known.keypoints) == fields['keypoints']:
            return known
        names, limbs = tuple(fields['keypoints']), tuple((int(a), int(b)) for a, b in fields['limbs'])
        return Skeleton(fields['name'], names, tuple(fields['abbreviations']), limbs, (USUAL_SIGMA,) * len(names))
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenSkeletonsError(f'not a skeleton description: {message.data[:80]!r}') from error


def skeleton_of_width(width: int) -> Skeleton:
    """Return the known skeleton with a number of keypoints, for clouds without a description, as in some bags.

    Raises BrokenSkeletonsError if there is none.
    """
    for skeleton in SKELETONS.values():
        if len(skeleton) == width:
            return skeleton
    known = ', '.join(f'{name} ({len(skeleton)})' for name, skeleton in SKELETONS.items())
    raise BrokenSkeletonsError(f'no skeleton of {width} keypoints is known ({known}), and no other was given')


def _cloud(points: AnyArray, header: Header) -> PointCloud2:
    """Return (P, K) structured points as a message."""
    people, keypoints = points.shape
    message = PointCloud2(header=header, height=people, width=keypoints, is_bigendian=False, is_dense=False)
    message.fields = [
        PointField(name=name, offset=int(offset), datatype=INT32 if kind.kind == 'i' else FLOAT32, count=1)
        for name, (kind, offset, *_) in (points.dtype.fields or {}).items()
    ]
    message.point_step, message.row_step = points.itemsize, points.itemsize * keypoints
    message.data = array.array('B', points.tobytes())
    return message
