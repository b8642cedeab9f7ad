"""From depth images to metres."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.data.camera_messages import BrokenImageError, UnsupportedEncodingError
from pose_estimation_ros.ros.messages.depth import (
    Intrinsics,
    depth_in_metres,
    intrinsics,
    markers,
    median_depth,
    points_3d,
)
from pose_estimation_ros.ros.nodes.depth_buffer import DepthBuffer
from pose_estimation_ros.ros.parameters.node_settings import settings_from

CAMERA = Intrinsics(fx=500, fy=400, cx=31.5, cy=23.5, width=64, height=48)


def message(values, encoding, padding=0, big=False):
    kind = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}[encoding]
    rows = values.astype(('>' if big else '<') + kind).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    sent = Image(height=values.shape[0], width=values.shape[1], encoding=encoding, is_bigendian=int(big))
    sent.step = rows.shape[1]
    sent.data.frombytes(rows.tobytes())
    return sent


def someone(uv, skeleton=OPENPOSE_18, identity=None):
    """A pose of which the first keypoints are at `uv`."""
    keypoints = np.full((len(skeleton), 3), np.nan)
    for keypoint, (u, v) in zip(keypoints, uv, strict=False):
        keypoint[:] = u, v, 0.9
    return Pose(keypoints, 1.0, skeleton, identity)


@pytest.mark.parametrize('padding', [0, 3, 4])
@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('encoding', ['16UC1', 'mono16', '32FC1'])
def test_all_encodings_give_metres(encoding, big, padding):
    metres = np.linspace(0, 8, 12).reshape(3, 4).round(3)
    values = metres if encoding == '32FC1' else (metres * 1000).round()
    depth = depth_in_metres(message(values, encoding, padding, big))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, metres, rtol=1e-6)


def test_wrong_depth_images_are_refused():
    good = message(np.ones((3, 4)), '16UC1')
    good.data = good.data[:-1]
    with pytest.raises(BrokenImageError, match='needs 24 bytes of data, got 23'):
        depth_in_metres(good)
    with pytest.raises(UnsupportedEncodingError, match="16UC1, mono16, 32FC1, got 'bgr8'"):
        depth_in_metres(Image(encoding='bgr8'))


def test_a_plane_is_a_plane():
    """A wall two metres ahead: back through the camera the points are where they were seen."""
    uv = [(0.0, 0.0), (31.5, 23.5), (63.0, 47.0), (20.25, 30.75)]
    points = points_3d([someone(uv)], np.full((48, 64), 2, np.float32), CAMERA, 3)
    assert points.shape == (1, 18, 3)
    assert points.dtype == np.float32
    x, y, z = points[0, :4].T
    np.testing.assert_allclose(z, 2)
    np.testing.assert_allclose(x / z * CAMERA.fx + CAMERA.cx, np.array(uv)[:, 0], atol=1e-4)
    np.testing.assert_allclose(y / z * CAMERA.fy + CAMERA.cy, np.array(uv)[:, 1], atol=1e-4)
    assert x[0] < 0 < x[2]  # x to the right
    assert y[0] < 0 < y[2]  # y down
    assert np.isnan(points[0, 4:]).all()


def test_one_pixel_and_one_keypoint_meet():
    """Pixels count from their centre: of a single measured pixel, all of its area has the depth, and no more."""
    depth = np.zeros((48, 64), np.float32)
    depth[10, 20] = 3
    inside = [(20, 10), (19.51, 9.51), (20.49, 10.49)]
    outside = [(19.49, 10), (20.51, 10), (20, 9.49), (20, 10.51)]
    z = points_3d([someone(inside + outside)], depth, CAMERA, 1)[0, :, 2]
    np.testing.assert_array_equal(z[:7], [3, 3, 3, *[np.nan] * 4])


def test_median_of_what_was_measured():
    depth = np.zeros((9, 9), np.float32)
    depth[3:6, 3:6] = [[1, 2, 9], [0, np.nan, 9], [-1, np.inf, 3]]
    assert median_depth(depth, np.array([[4.0, 4.0]]), 3).tolist() == [3]  # of 1 2 3 9 9
    depth[3, 3] = 0
    assert median_depth(depth, np.array([[4.0, 4.0]]), 3).tolist() == [3]  # of 2 3 9 9: nobody stands at 6 m
    assert np.isnan(median_depth(depth, np.array([[0.0, 0.0], [4.0, 4.0]]), 1)).all()


@pytest.mark.parametrize('window', [1, 3, 15])
def test_median_is_the_plain_one(window):
    random = np.random.default_rng(0)
    depth = np.where(random.uniform(size=(30, 40)) < 0.3, 0, random.uniform(1, 5, (30, 40))).astype(np.float32)
    uv = random.uniform([0, 0], [39, 29], (50, 2))
    reach = window // 2
    for (u, v), found in zip(uv, median_depth(depth, uv, window), strict=True):
        column, row = round(u), round(v)
        part = depth[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        measured = np.sort(part[part > 0])
        if len(measured):
            assert found == measured[(len(measured) - 1) // 2]
        else:
            assert np.isnan(found)


def test_keypoints_beyond_the_image_have_no_depth():
    points = points_3d(
        [someone([(-0.6, 5), (63.6, 5), (5, -0.6), (5, 47.6)])], np.ones((48, 64), np.float32), CAMERA, 5
    )
    assert np.isnan(points).all()


def test_unknown_where_anything_is_missing_or_of_another_size():
    poses, depth = [someone([(5, 5)]), someone([(6, 6)])], np.ones((48, 64), np.float32)
    assert not np.isnan(points_3d(poses, depth, CAMERA, 3, image_size=(64, 48))[:, 0]).any()
    for points in (
        points_3d(poses, None, CAMERA, 3),
        points_3d(poses, depth, None, 3),
        points_3d(poses, depth[:24], CAMERA, 3),
        points_3d(poses, depth, CAMERA, 3, image_size=(128, 96)),
    ):
        assert points.shape == (2, 18, 3)
        assert np.isnan(points).all()
    assert points_3d([], depth, CAMERA, 3).shape == (0, 0, 3)
    assert np.isnan(points_3d([someone([])], depth, CAMERA, 3)).all()


def test_intrinsics_are_those_of_rectified_images():
    info = CameraInfo(width=64, height=48)
    assert intrinsics(info) is None
    info.k = [500.0, 0.0, 31.5, 0.0, 400.0, 23.5, 0.0, 0.0, 1.0]
    assert intrinsics(info) == CAMERA
    info.p = [450.0, 0.0, 30.0, 0.0, 0.0, 350.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert intrinsics(info) == Intrinsics(450, 350, 30, 20, 64, 48)


def test_markers_hold_the_limbs_and_joints_that_are_known():
    points = np.full((2, 17, 3), np.nan, np.float32)
    points[0] = np.arange(51).reshape(17, 3)
    points[1, [5, 6]] = 1
    header = Header(frame_id='camera')
    limbs, joints = markers(points, header, COCO_17, lifetime=1.5).markers
    assert [limbs.type, joints.type] == [Marker.LINE_LIST, Marker.SPHERE_LIST]
    assert len(limbs.points) == 2 * (len(COCO_17.limbs) + 1)
    assert len(joints.points) == 17 + 2
    for marker in (limbs, joints):
        assert (marker.header, marker.action, marker.pose.orientation.w) == (header, Marker.ADD, 1)
        assert len(marker.colors) == len(marker.points)
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 500000000)
        serialize_message(marker)
    a, b = COCO_17.limbs[0]
    assert [limbs.points[0].x, limbs.points[1].y] == [points[0, a, 0], points[0, b, 1]]
    blue, green, red = COCO_17.limb_colours[0]
    assert [limbs.colors[0].r, limbs.colors[0].g, limbs.colors[0].b] == pytest.approx(
        [red / 255, green / 255, blue / 255], abs=1e-6
    )
    assert (limbs.ns, limbs.id) != (joints.ns, joints.id)


def test_markers_of_nobody_remove_the_last():
    for points in (np.empty((0, 0, 3)), np.full((1, 18, 3), np.nan)):
        assert [(marker.action, len(marker.points)) for marker in markers(points, Header()).markers] == [
            (Marker.DELETE, 0)
        ] * 2


def info(width=64, height=48, focal=500.0):
    constants = CameraInfo(width=width, height=height)
    constants.k = [focal, 0.0, 31.5, 0.0, focal, 23.5, 0.0, 0.0, 1.0]
    return constants


@pytest.mark.parametrize(
    ('encoding', 'constants', 'sentence'),
    [
        ('16UC1', info(), ''),
        ('bgr8', info(), 'depth must be one of 16UC1'),
        ('16UC1', None, 'no CameraInfo has arrived on depth/camera_info'),
        ('16UC1', info(focal=0.0), 'the camera is not calibrated'),
        ('16UC1', info(32, 24), 'the depth image is 64x48 and depth/camera_info of 32x24: give both from the same'),
    ],
)
def test_what_keeps_depth_from_being_used_is_told(encoding, constants, sentence):
    warnings = []
    logger = SimpleNamespace(warning=lambda text, throttle_duration_sec: warnings.append(text))
    buffer = DepthBuffer(logger)
    depth_image = message(np.full((48, 64), 2000), '16UC1')
    depth_image.encoding = encoding
    buffer.add_image(depth_image)
    if constants:
        buffer.add_camera_info(constants)
    image = np.zeros((48, 64, 3), np.uint8)
    points = buffer.points([someone([(32, 24)])], Header(), image, settings_from({}))
    assert np.isnan(points[0, 0]).any() == bool(sentence)
    assert len(warnings) == bool(sentence) == bool(buffer.fault)
    assert sentence in ''.join(warnings)
