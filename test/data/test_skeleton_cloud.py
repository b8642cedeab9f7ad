"""Skeletons as points: what goes in comes out, bit for bit, and the bytes are those of the contract."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest

from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18, SKELETONS
from pose_estimation_ros.data.skeleton_cloud import (
    POINT,
    BrokenSkeletonsError,
    from_points,
    identities,
    mean_score,
    read_points,
    to_points,
    to_points_3d,
)

NAMES = ('u', 'v', 'score', 'id')


def made_up(skeleton, identity, seed=0):
    keypoints = np.random.default_rng(seed).uniform(0, 1, (len(skeleton), 3)) * [640, 480, 1]
    keypoints[3] = np.nan
    return Pose(keypoints, 0.5, skeleton, identity)


def cloud(points, **changes):
    fields = [
        SimpleNamespace(name=name, offset=offset, datatype=5 if name == 'id' else 7)
        for name, (_, offset) in points.dtype.fields.items()
    ]
    height, width = points.shape
    step = points.itemsize
    values = {'height': height, 'width': width, 'fields': fields, 'is_bigendian': False, 'point_step': step}
    return SimpleNamespace(**values | {'row_step': step * width, 'data': points.tobytes()} | changes)


@pytest.mark.parametrize('skeleton', SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_poses_go_round(skeleton):
    poses = [made_up(skeleton, identity, seed) for seed, identity in enumerate([None, 0, 2**31 - 1])]
    points = to_points(poses, skeleton)
    assert points.shape == (3, len(skeleton))
    read = from_points(read_points(cloud(points), NAMES, skeleton), skeleton)
    assert [pose.id for pose in read] == [None, 0, 2**31 - 1]
    for pose, original in zip(read, poses, strict=True):
        np.testing.assert_array_equal(pose.keypoints, original.keypoints)
        assert pose.score == pytest.approx(original.found[:, 2].mean(), rel=1e-6)


def test_bytes_are_those_of_the_contract():
    keypoints = np.full((18, 3), np.nan)
    keypoints[1] = (12.5, 7.25, 0.75)
    content = to_points([Pose(keypoints, 0.9, id=4)], OPENPOSE_18).tobytes()
    assert len(content) == 18 * 16
    assert struct.unpack_from('<fffi', content, 16) == (12.5, 7.25, 0.75, 4)
    u, v, score, identity = struct.unpack_from('<fffi', content, 0)
    assert np.isnan([u, v]).all()
    assert (score, identity) == (0, 4)


def test_nobody_and_nothing_found():
    assert to_points([], COCO_17).shape == (0, 17)
    assert from_points(read_points(cloud(to_points([], COCO_17)), NAMES, COCO_17), COCO_17) == []
    nothing = Pose(np.full((18, 3), np.nan), 0.5)
    [pose] = from_points(to_points([nothing], OPENPOSE_18), OPENPOSE_18)
    assert (pose.score, pose.id, len(pose.found)) == (0, None, 0)


def test_places_in_metres():
    pose = made_up(OPENPOSE_18, 7)
    xyz = np.random.default_rng(1).uniform(-1, 4, (1, 18, 3)).astype(np.float32)
    xyz[0, 5, 2] = np.nan
    points = to_points_3d([pose], xyz, OPENPOSE_18)
    missing = np.isnan(points['x'][0])
    assert np.flatnonzero(missing).tolist() == [5]
    np.testing.assert_array_equal(points['score'][0], np.where(missing, 0, pose.keypoints[:, 2]))
    np.testing.assert_array_equal(np.stack([points[name] for name in 'xyz'], 2)[0, ~missing], xyz[0, ~missing])
    assert identities(points) == [7]
    assert to_points_3d([], np.empty((0, 0, 3)), OPENPOSE_18).shape == (0, 18)


def test_mean_score_is_a_confidence():
    keypoints = np.full((18, 3), np.nan)
    keypoints[:2] = [(1, 1, 0.5), (2, 2, 0.7)]
    assert mean_score(Pose(keypoints, 12.0)) == pytest.approx(0.6)
    keypoints[:2, 2] = 1.2
    assert mean_score(Pose(keypoints, 12.0)) == 1


@pytest.mark.parametrize('big', [False, True])
def test_other_layouts_of_the_same_fields_are_read(big):
    order = '>' if big else '<'
    layout = np.dtype(
        {
            'names': ['id', 'score', 'v', 'u'],
            'formats': [order + kind for kind in ('i4', 'f4', 'f4', 'f4')],
            'offsets': [0, 8, 12, 16],
            'itemsize': 32,
        }
    )
    poses = [made_up(COCO_17, 1), made_up(COCO_17, None, 1)]
    original = to_points(poses, COCO_17)
    points = np.zeros(original.shape, layout)
    for name in NAMES:
        points[name] = original[name]
    padded = np.pad(points.view(np.uint8).reshape(2, -1), ((0, 0), (0, 11)))
    sent = cloud(points, is_bigendian=big, row_step=padded.shape[1], data=padded.tobytes())
    read = from_points(read_points(sent, NAMES, COCO_17), COCO_17)
    for pose, one in zip(read, poses, strict=True):
        np.testing.assert_array_equal(pose.keypoints, one.keypoints)


def test_other_clouds_are_refused():
    points = to_points([made_up(OPENPOSE_18, 1)], OPENPOSE_18)
    good = cloud(points)
    with pytest.raises(BrokenSkeletonsError, match='coco_17 has 17 keypoints, the cloud 18'):
        read_points(good, NAMES, COCO_17)
    with pytest.raises(BrokenSkeletonsError, match='this one lacks u, v'):
        read_points(cloud(points, fields=good.fields[2:]), NAMES, OPENPOSE_18)
    with pytest.raises(BrokenSkeletonsError, match='got 287 bytes'):
        read_points(cloud(points, data=bytes(287)), NAMES, OPENPOSE_18)
    with pytest.raises(BrokenSkeletonsError, match='in rows of 100'):
        read_points(cloud(points, row_step=100), NAMES, OPENPOSE_18)
    with pytest.raises(BrokenSkeletonsError, match='do not fit into points of 12 bytes'):
        read_points(cloud(points, point_step=12), NAMES, OPENPOSE_18)
    with pytest.raises(ValueError, match='must be coco_17, got openpose_18'):
        to_points([made_up(OPENPOSE_18, 1)], COCO_17)
    assert POINT.itemsize == 16
