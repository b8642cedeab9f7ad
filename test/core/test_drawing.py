"""Drawing: pixels change where limbs are, and nowhere else."""

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.drawing import PUBLISHED_COLOUR, TRACK_COLOURS, draw, draw_poses
from pose_estimation_ros.core.pose import Pose, get_bbox
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18

GREY = 90


def grey_image(height=240, width=320):
    return np.full((height, width, 3), GREY, np.uint8)


def person(skeleton=OPENPOSE_18, seed=2, missing=()):
    rng = np.random.default_rng(seed)
    xy = rng.uniform((60, 60), (260, 200), (len(skeleton), 2))
    xy[list(missing)] = np.nan
    return Pose(np.column_stack([xy, np.ones(len(skeleton))]), 5.0, skeleton)


def changed(image):
    return (image != GREY).any(axis=2)


def near_limbs(image, pose, distance):
    """Mask of the pixels within `distance` of a limb or keypoint of the pose, drawn here by simple means."""
    mask = np.zeros(image.shape[:2], np.uint8)
    xy = pose.keypoints[:, :2].round()
    for a, b in (*pose.skeleton.limbs, *((index, index) for index in range(len(xy)))):
        if np.isfinite(xy[[a, b]]).all():
            cv2.line(mask, xy[a].astype(int).tolist(), xy[b].astype(int).tolist(), 1)
    return cv2.dilate(mask, np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)) > 0


@pytest.mark.parametrize('skeleton', [OPENPOSE_18, COCO_17], ids=lambda skeleton: skeleton.name)
def test_draw_marks_limbs_in_place(skeleton):
    image, pose = grey_image(), person(skeleton)
    draw(image, pose)
    assert changed(image)[near_limbs(image, pose, 0)].mean() > 0.98
    assert not changed(image)[~near_limbs(image, pose, 6)].any()
    x, y = pose.keypoints[:, :2].round().astype(int).T
    assert (image[y, x] == PUBLISHED_COLOUR).all()


def test_draw_poses_leaves_the_image_alone():
    image, pose = grey_image(), person()
    annotated = draw_poses(image, [pose])
    assert not changed(image).any()
    assert changed(annotated)[near_limbs(image, pose, 0)].mean() > 0.98
    assert not changed(annotated)[~near_limbs(image, pose, 9)].any()


def test_draw_poses_colours_the_sides_differently():
    annotated = draw_poses(grey_image(), [person()])
    colours = {tuple(colour) for colour in annotated[changed(annotated)].tolist()}
    assert set(OPENPOSE_18.keypoint_colours) <= colours


@pytest.mark.parametrize('drawing', [draw, lambda image, pose: image.__setitem__(..., draw_poses(image, [pose]))])
def test_limbs_of_missing_keypoints_are_not_drawn(drawing):
    whole, part = grey_image(), grey_image()
    missing = person(missing=[OPENPOSE_18.index('r_elb')])
    drawing(whole, person())
    drawing(part, missing)
    assert changed(part).sum() < changed(whole).sum()
    assert not changed(part)[~near_limbs(part, missing, 9)].any()


@pytest.mark.parametrize('boxes', [False, True])
def test_ids_and_boxes_are_drawn_for_tracked_people_only(boxes):
    image, pose = grey_image(), person()
    plain = draw_poses(image, [pose], boxes)
    tracked = draw_poses(image, [pose.with_id(1)], boxes)
    differs = (plain != tracked).any(axis=2)
    x, y, width, height = get_bbox(pose)
    assert differs[:y].any()  # the label, above
    assert differs[y + height, x : x + width].any() == boxes
    assert (tracked[differs] == TRACK_COLOURS[1]).all(axis=1).any()


@pytest.mark.parametrize('identity', [0, 11, 12, 10**9])
def test_any_id_has_a_colour(identity):
    assert changed(draw_poses(grey_image(), [person().with_id(identity)])).any()


@pytest.mark.parametrize('hw', [(1, 1), (2, 3), (1, 2000), (2160, 16)])
def test_any_size_of_image_can_be_drawn_on(hw):
    annotated = draw_poses(grey_image(*hw), [person().with_id(3)], boxes=True)
    assert annotated.shape == (*hw, 3)
    draw(annotated, person())


def test_people_far_outside_do_no_harm():
    pose = person()
    far = pose.moved(pose.keypoints[:, :2] * 1000 - 50000)
    assert draw_poses(grey_image(), [far.with_id(0)], boxes=True).shape == (240, 320, 3)


def test_nobody_and_people_without_keypoints():
    nobody = Pose(np.full((18, 3), np.nan), 0.0)
    assert not changed(draw_poses(grey_image(), [])).any()
    assert not changed(draw_poses(grey_image(), [nobody])).any()
    image = grey_image()
    draw(image, nobody)
    assert not changed(image).any()


def test_draw_poses_takes_images_that_do_not_lie_in_one_piece():
    mirrored = grey_image()[:, ::-1]
    readonly = grey_image()
    readonly.flags.writeable = False
    expected = draw_poses(grey_image(), [person()])
    assert (draw_poses(mirrored, [person()]) == expected).all()
    assert (draw_poses(readonly, [person()]) == expected).all()
