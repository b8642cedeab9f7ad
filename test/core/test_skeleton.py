"""Skeletons: orders, mirror images, and mapping from one to another."""

import json

import numpy as np
import pytest

from pose_estimation_ros.core.skeleton import COCO_17, MPII_16, OPENPOSE_18, SKELETONS, Skeleton

ALL = [pytest.param(skeleton, id=name) for name, skeleton in SKELETONS.items()]


def numbered(skeleton):
    """Keypoints (K, 3) that tell where they come from: x is the index."""
    return np.column_stack([np.arange(len(skeleton)), np.zeros(len(skeleton)), np.ones(len(skeleton))])


def test_published_orders():
    abbreviations = 'nose neck r_sho r_elb r_wri l_sho l_elb l_wri r_hip r_knee r_ank l_hip l_knee l_ank'
    assert OPENPOSE_18.abbreviations == (*abbreviations.split(), 'r_eye', 'l_eye', 'r_ear', 'l_ear')
    coco = 'nose l_eye r_eye l_ear r_ear l_sho r_sho l_elb r_elb l_wri r_wri l_hip r_hip l_knee r_knee l_ank r_ank'
    assert COCO_17.abbreviations == tuple(coco.split())
    assert COCO_17.flip == (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
    assert COCO_17.sigmas == (
        *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
        *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
    )


@pytest.mark.parametrize('skeleton', ALL)
def test_is_consistent(skeleton):
    count = len(skeleton)
    assert len(skeleton.keypoints) == len(skeleton.abbreviations) == len(skeleton.sigmas) == count
    assert len(set(skeleton.keypoints)) == len(set(skeleton.abbreviations)) == count
    assert len(skeleton.limbs) == len(set(map(frozenset, skeleton.limbs))) == len(skeleton.limb_colours)
    assert {index for limb in skeleton.limbs for index in limb} == set(range(count))
    assert len(skeleton.keypoint_colours) == count
    assert all(0 < sigma < 0.2 for sigma in skeleton.sigmas)


@pytest.mark.parametrize('skeleton', ALL)
def test_flip_swaps_left_and_right_and_back(skeleton):
    flip = np.array(skeleton.flip)
    assert (flip[flip] == np.arange(len(skeleton))).all()
    for name, other in zip(skeleton.keypoints, flip, strict=True):
        mirrored = skeleton.keypoints[other]
        if name.startswith(('left_', 'right_')):
            assert mirrored != name
            assert mirrored.partition('_')[2] == name.partition('_')[2]
        else:
            assert mirrored == name
    # Mirroring a skeleton mirrors its limbs, and with them the falloffs.
    limbs = set(map(frozenset, skeleton.limbs))
    assert {frozenset((skeleton.flip[a], skeleton.flip[b])) for a, b in skeleton.limbs} == limbs
    assert tuple(skeleton.sigmas[other] for other in flip) == skeleton.sigmas


@pytest.mark.parametrize('skeleton', ALL)
def test_sides_have_their_own_colours(skeleton):
    by_side = {'left': set(), 'right': set(), 'middle': set()}
    for name, colour in zip(skeleton.keypoints, skeleton.keypoint_colours, strict=True):
        side = name.partition('_')[0]
        by_side[side if side in by_side else 'middle'].add(colour)
    assert [len(colours) for colours in by_side.values()] == [1, 1, 1]
    assert len(set.union(*by_side.values())) == 3


def test_index_takes_names_and_abbreviations():
    assert OPENPOSE_18.index('r_wri') == OPENPOSE_18.index('right_wrist') == 4
    with pytest.raises(KeyError, match=r"openpose_18 has no keypoint 'r_wrist'; it has nose, neck, r_sho"):
        OPENPOSE_18.index('r_wrist')


def test_mapping_goes_by_name():
    mapping = OPENPOSE_18.mapping_to(COCO_17)
    assert [OPENPOSE_18.keypoints[index] for index in mapping] == list(COCO_17.keypoints)
    back = COCO_17.mapping_to(OPENPOSE_18)
    assert [index for index, place in enumerate(back) if place == -1] == [OPENPOSE_18.index('neck')]
    assert (MPII_16.mapping_to(COCO_17)[:5] == -1).all()  # MPII marks no face


@pytest.mark.parametrize('source', ALL)
@pytest.mark.parametrize('target', ALL)
def test_convert_carries_each_keypoint_to_its_name(source, target):
    converted = source.convert(numbered(source), target)
    assert converted.shape == (len(target), 3)
    for name, (x, y, score) in zip(target.keypoints, converted, strict=True):
        if name in source.keypoints:
            assert (x, y, score) == (source.keypoints.index(name), 0, 1)
        else:
            assert np.isnan([x, y]).all()
            assert score == 0


def test_convert_there_and_back_loses_the_neck_only():
    keypoints = numbered(OPENPOSE_18)
    back = COCO_17.convert(OPENPOSE_18.convert(keypoints, COCO_17), OPENPOSE_18)
    lost = ~np.isfinite(back[:, 0])
    assert np.flatnonzero(lost).tolist() == [OPENPOSE_18.index('neck')]
    assert (back[~lost] == keypoints[~lost]).all()


@pytest.mark.parametrize('skeleton', ALL)
def test_description_is_json_that_rebuilds_the_skeleton(skeleton):
    described = json.loads(json.dumps(skeleton.describe()))
    limbs = tuple(tuple(limb) for limb in described['limbs'])
    rebuilt = Skeleton(
        described['name'], tuple(described['keypoints']), tuple(described['abbreviations']), limbs, skeleton.sigmas
    )
    assert rebuilt == skeleton
    assert len(described['limb_colours_bgr']) == len(limbs)
