"""Skeletons as the bytes of an organised point cloud: one row per person, one column per keypoint.

The layout of the topics `skeletons` and `skeletons_3d`, shared by ROS and the bag writer.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import AnyArray, FloatArray
from pose_estimation_ros.core.errors import PoseEstimationError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import Skeleton

UNTRACKED = -1  # Id of a person without a track
POINT = np.dtype([('u', '<f4'), ('v', '<f4'), ('score', '<f4'), ('id', '<i4')])
"""Pixels are called u and v so that viewers do not interpret them as metres."""
POINT_3D = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('score', '<f4'), ('id', '<i4')])

INT32, FLOAT32, FLOAT64 = 5, 7, 8  # `datatype` of sensor_msgs/PointField
NUMBERS = {INT32: 'i4', FLOAT32: 'f4', FLOAT64: 'f8'}  # Supported types and their NumPy names


class BrokenSkeletonsError(PoseEstimationError):
    """A point cloud does not contain skeletons, or of another type."""


class Cloud(Protocol):
    """Fields of sensor_msgs/PointCloud2."""

    height: int
    width: int
    fields: Any
    is_bigendian: Any
    point_step: int
    row_step: int
    data: Any


def to_points(poses: Sequence[Pose], skeleton: Skeleton) -> AnyArray:
    """Return (P, K) points u, v, score and id; a missing keypoint is NaN, NaN, 0."""
    points = np.empty((len(poses), len(skeleton)), POINT)
    for row, pose in zip(points, poses, strict=True):
        if pose.skeleton != skeleton:
            raise ValueError(f'all poses of a cloud must be {skeleton.name}, got {pose.skeleton.name}')
        row['u'], row['v'], row['score'] = pose.keypoints.T
        row['id'] = UNTRACKED if pose.id is None else pose.id
    return points


def to_points_3d(poses: Sequence[Pose], xyz: FloatArray, skeleton: Skeleton) -> AnyArray:
    """Return (P, K) points x, y, z, score and id from positions (P, K, 3); the score is 0 without a position."""
    flat = to_points(poses, skeleton)
    positions = np.reshape(xyz, (*flat.shape, 3))  # without people the shape may be (0, 0, 3)
    known = np.asarray(np.isfinite(positions).all(axis=2))  # (P, K)
    points = np.empty(flat.shape, POINT_3D)
    points['x'], points['y'], points['z'] = np.moveaxis(np.where(known[..., None], positions, np.nan), 2, 0)
    points['score'], points['id'] = np.where(known, flat['score'], 0), flat['id']
    return points


def from_points(points: AnyArray, skeleton: Skeleton) -> list[Pose]:
    """Return the poses of (P, K) points. The cloud has no score of persons; they get `mean_score`."""
    keypoints = np.stack([points['u'], points['v'], points['score']], axis=2)  # (P, K, 3)
    poses = [Pose(one, 0, skeleton, identity) for one, identity in zip(keypoints, identities(points), strict=True)]
    return [Pose(pose.keypoints, mean_score(pose), skeleton, pose.id) for pose in poses]


def read_points(cloud: Cloud, names: Sequence[str], skeleton: Skeleton) -> AnyArray:
    """Return the (P, K) points of a cloud with the fields `names`, in any order, byte order and padding.

    Raises BrokenSkeletonsError if it is not a cloud of this skeleton.
    """
    if cloud.width != len(skeleton):
        raise BrokenSkeletonsError(f'{skeleton.name} has {len(skeleton)} keypoints, the cloud {cloud.width} columns')
    if min(len(cloud.data) - cloud.row_step * cloud.height, cloud.row_step - cloud.width * cloud.point_step) < 0:
        raise BrokenSkeletonsError(
            f'{cloud.height} rows of {cloud.width} points of {cloud.point_step} bytes are announced, '
            f'got {len(cloud.data)} bytes in rows of {cloud.row_step}'
        )
    layout = _layout(cloud, names)
    if not cloud.height:
        return np.empty((0, cloud.width), layout)
    return np.ndarray((cloud.height, cloud.width), layout, cloud.data, strides=(cloud.row_step, cloud.point_step))


def identities(points: AnyArray) -> list[int | None]:
    """Return the ids of the people of (P, K) points."""
    return [None if identity == UNTRACKED else identity for identity in points['id'][:, 0].tolist()]


def mean_score(pose: Pose) -> float:
    """Return the mean score of the found keypoints, from 0 to 1: a confidence that is comparable between methods."""
    found = pose.found
    return float(min(1.0, max(0.0, found[:, 2].mean()))) if len(found) else 0.0


def _layout(cloud: Cloud, names: Sequence[str]) -> 'np.dtype[Any]':
    """Return the layout of the fields `names` in a point."""
    fields = {field.name: field for field in cloud.fields if field.datatype in NUMBERS}
    if missing := [name for name in names if name not in fields]:
        raise BrokenSkeletonsError(f'a cloud of skeletons has {", ".join(names)}; this one lacks {", ".join(missing)}')
    formats = [('>' if cloud.is_bigendian else '<') + NUMBERS[fields[name].datatype] for name in names]
    offsets = [int(fields[name].offset) for name in names]
    layout: Any = {'names': list(names), 'formats': formats, 'offsets': offsets, 'itemsize': int(cloud.point_step)}
    try:
        dtype: np.dtype[Any] = np.dtype(layout)
    except ValueError as error:
        raise BrokenSkeletonsError(f'the fields do not fit into points of {cloud.point_step} bytes') from error
    return dtype
