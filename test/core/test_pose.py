"""Poses: missing keypoints, boxes, OpenDR's integer form."""

import numpy as np
import pytest

from pose_estimation_ros.core.pose import Pose, get_bbox
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18


def keypoints(**found):
    """OpenPose keypoints, all missing but those named by their abbreviations."""
    rows = np.full((18, 3), (np.nan, np.nan, 0.0))
    for name, row in found.items():
        rows[OPENPOSE_18.index(name)] = row
    return rows


@pytest.fixture
def pose():
    return Pose(keypoints(nose=(10.9, 20.2, 0.5), r_wri=(-3.7, 4.0, 0.25)), score=7.5)


def test_access(pose):
    assert pose['r_wri'].tolist() == pytest.approx([-3.7, 4.0, 0.25])
    assert (pose['right_wrist'] == pose[4]).all()
    assert np.isnan(pose['neck'][:2]).all()
    assert pose.confidence == pose.score == 7.5
    assert pose.keypoints.dtype == np.float32
    assert len(pose.found) == 2
    with pytest.raises(KeyError, match='hand'):
        pose['hand']


def test_text_lists_every_keypoint(pose):
    lines = str(pose.with_id(3)).splitlines()
    assert lines[0] == 'pose 3, score 7.50'
    assert len(lines) == 19
    assert lines[1].split() == ['nose', '10.9', '20.2', '0.50']
    assert lines[2].split() == ['neck', 'missing']
    assert 'untracked' in str(pose)


def test_boxes(pose):
    assert pose.bbox == pytest.approx((-3.7, 4.0, 14.6, 16.2), abs=1e-4)
    assert get_bbox(pose) == (-3, 4, 14, 17)  # truncated, both borders counted
    nobody = Pose(keypoints(), score=0)
    assert nobody.bbox == (0, 0, 0, 0)
    assert get_bbox(nobody) == (0, 0, 0, 0)
    assert get_bbox(Pose(keypoints(nose=(5, 6, 1)), score=1)) == (5, 6, 1, 1)


def test_integer_form_there_and_back(pose):
    data = pose.data
    assert data.dtype == np.int32
    assert data[[0, 1, 4]].tolist() == [[10, 20], [-1, -1], [-3, 4]]
    back = Pose.from_data(data, pose.score)
    assert (back.data == data).all()
    assert back['nose'].tolist() == [10, 20, 1]
    assert back['neck'][2] == 0


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('column', [0, 1])
def test_a_half_known_keypoint_is_missing(bad, column):
    rows = keypoints(nose=(1, 2, 0.9))
    rows[0, column] = bad
    pose = Pose(rows, score=1)
    assert np.isnan(pose['nose'][:2]).all()
    assert pose['nose'][2] == 0
    assert pose.data[0].tolist() == [-1, -1]


def test_given_keypoints_are_not_changed_nor_shared():
    rows = keypoints(nose=(1, np.nan, 0.9)).astype(np.float32)
    pose = Pose(rows, score=1)
    assert rows[0, 2] == np.float32(0.9)
    rows[:] = 5
    assert np.isnan(pose.keypoints[:, 0]).all()


def test_copies_keep_the_rest(pose):
    moved = pose.with_id(4).moved(pose.keypoints[:, :2] + 1)
    assert moved.id == 4
    assert moved['nose'].tolist() == pytest.approx([11.9, 21.2, 0.5])
    assert np.isnan(moved['neck'][0])
    assert pose.id is None
    assert pose['nose'][0] == np.float32(10.9)


@pytest.mark.parametrize('shape', [(17, 3), (18, 2), (0,)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r'must be \(18, 3\) x, y, score, got'):
        Pose(np.zeros(shape), score=1)


def test_ids_are_whole_numbers():
    assert Pose(np.zeros((17, 3)), 1, COCO_17, id=np.int64(2)).id == 2
    with pytest.raises(ValueError, match="an int or None, got '2'"):
        Pose(np.zeros((17, 3)), 1, COCO_17, id='2')
