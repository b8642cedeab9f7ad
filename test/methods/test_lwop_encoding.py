"""Training targets of Lightweight OpenPose against golden vectors and on scenes made by hand."""

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Affine
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.data.datasets.wrappers import convert_keypoints
from pose_estimation_ros.methods.lightweight_openpose.encoding import (
    ABSENT,
    FLAG_OF_COCO,
    OCCLUDED,
    VISIBLE,
    TargetSettings,
    absent_outside,
    encode,
    shrink_mask,
)
from pose_estimation_ros.methods.lightweight_openpose.limbs import field_limbs
from pose_estimation_ros.methods.lightweight_openpose.objective import LightweightOpenPoseObjective
from pose_estimation_ros.methods.objective import Annotation

HW = (368, 368)


@pytest.fixture(scope='module')
def target(golden):
    return golden('target_lwop')


def people(*found):
    """People (P, 18, 3) with the keypoints given as {abbreviation: (x, y)}."""
    rows = np.full((len(found), 18, 3), (0.0, 0.0, ABSENT))
    for person, keypoints in enumerate(found):
        for name, xy in keypoints.items():
            rows[person, OPENPOSE_18.index(name)] = (*xy, VISIBLE)
    return rows


def field_of(pafs, first, second):
    """The two maps of the limb between two keypoints."""
    index = field_limbs().index((OPENPOSE_18.index(first), OPENPOSE_18.index(second)))
    return pafs[2 * index : 2 * index + 2]


def as_trained(coco, network_hw=HW):
    """COCO people (P, 17, 3) with this method's flags on the way that training takes, as people (P, 18, 3)."""
    labelled = coco.copy()
    labelled[..., 2] = np.argsort(FLAG_OF_COCO)[coco[..., 2].astype(int)]
    converted = convert_keypoints(labelled, COCO_17, OPENPOSE_18)
    converted[..., 2] = FLAG_OF_COCO[converted[..., 2].astype(int)]
    return absent_outside(converted, network_hw)


def test_golden_conversion(target):
    converted, expected = as_trained(target['coco_keypoints_in']), target['keypoints18']
    assert (converted[..., 2] == expected[..., 2]).all()
    counts = expected[..., 2] != ABSENT
    assert 10 < counts.sum() < counts.size
    assert (converted[counts] == expected[counts]).all()


def test_golden_maps(target):
    settings = TargetSettings(int(target['stride']), float(target['sigma']), float(target['paf_thickness']))
    assert settings == TargetSettings()
    heatmaps, pafs = encode(target['keypoints18'], HW)
    assert heatmaps.dtype == pafs.dtype == np.float32
    assert heatmaps.shape == target['heatmaps'].shape
    assert pafs.shape == target['pafs'].shape
    assert abs(heatmaps - target['heatmaps']).max() < 1e-6
    assert abs(pafs - target['pafs']).max() < 1e-6


def test_golden_mask(target):
    counts = target['crowd_rle_counts']
    crowd = np.repeat(np.arange(len(counts)) % 2, counts).reshape(HW, order='F')  # runs of 0 and 1 in turn
    mask = 1 - crowd
    assert (mask == target['mask_full']).all()
    shrunk = shrink_mask(mask, 8)
    assert shrunk.dtype == np.float32
    assert abs(shrunk - target['mask_stride8']).max() < 1e-6
    assert (shrink_mask(mask > 0, 8) == shrunk).all()


def test_a_mask_keeps_its_area():
    mask = np.ones((48, 64))
    mask[:, 20:] = 0
    assert shrink_mask(mask, 16).tolist() == [[1, 0.25, 0, 0]] * 3


@pytest.mark.parametrize('stride', [8, 16])
@pytest.mark.parametrize('xy', [(100, 60), (101.25, 63.5), (131.9, 70.1)])
def test_a_keypoint_lands_where_its_pixel_lands(xy, stride):
    """The Gaussian's centre of mass is the place of the keypoint in the map, by the package's rule of pixel centres."""
    heatmaps, _ = encode(people({'l_wri': xy}), (160, 240), TargetSettings(stride=stride, sigma=stride))
    heatmap = heatmaps[OPENPOSE_18.index('l_wri')]
    rows, columns = np.indices(heatmap.shape)
    centroid = np.array([(columns * heatmap).sum(), (rows * heatmap).sum()]) / heatmap.sum()
    assert centroid == pytest.approx(Affine.scaling(1 / stride)(np.array(xy)), abs=0.03)
    assert (np.delete(heatmaps[:-1], OPENPOSE_18.index('l_wri'), axis=0) == 0).all()


def test_heatmaps_add_up_to_at_most_one():
    xy = (103.5, 59.5)  # in the middle of a cell
    heatmaps, _ = encode(people({'nose': xy}, {'nose': xy}, {'neck': (20, 20)}), (160, 240))
    assert heatmaps[0, 7, 12] == 1
    single, _ = encode(people({'nose': xy}), (160, 240))
    assert heatmaps[0, 7, 13] == pytest.approx(min(1, 2 * single[0, 7, 13]))
    assert heatmaps[-1] == pytest.approx(1 - heatmaps[:-1].max(axis=0))
    assert (heatmaps[0][heatmaps[0] > 0] > 0.01).all()  # cut off there


def test_fields_point_along_limbs_and_the_last_person_stays():
    down, right = {'neck': (80, 40), 'r_hip': (80, 120)}, {'neck': (40, 80), 'r_hip': (120, 80)}
    _, pafs = encode(people(down, right), (160, 240))
    x, y = field_of(pafs, 'neck', 'r_hip')
    assert (x[7, 10], y[7, 10]) == (0, 1)
    assert (x[10, 7], y[10, 7]) == (1, 0)
    assert (x[10, 10], y[10, 10]) == (1, 0)
    _, pafs = encode(people(right, down), (160, 240))
    assert field_of(pafs, 'neck', 'r_hip')[:, 10, 10].tolist() == [0, 1]
    assert np.count_nonzero(pafs.any(axis=(1, 2))) == 2  # no other limb has both ends


def test_limbs_without_length_and_keypoints_far_outside():
    far = {'neck': (-900.0, -900.0), 'r_hip': (-500.0, -700.0), 'l_hip': (5000.0, 4000.0), 'r_sho': (50.0, 1e6)}
    heatmaps, pafs = encode(people({'neck': (50, 50), 'r_hip': (50, 50)}, far), (160, 240))
    assert (pafs[:, :, :6] == 0).all()
    assert np.isfinite(pafs).all()
    assert heatmaps[1].max() > 0.8


def test_absent_keypoints_may_hold_anything():
    rows = people({'neck': (50, 50), 'r_hip': (90, 90)})
    expected = encode(rows, (160, 240))
    rows[rows[..., 2] == ABSENT, :2] = np.nan
    assert all((a == b).all() for a, b in zip(encode(rows, (160, 240)), expected, strict=True))


def test_nobody():
    heatmaps, pafs = encode(np.empty((0, 18, 3)), (160, 248), TargetSettings(stride=16))
    assert heatmaps.shape == (19, 10, 15)
    assert (heatmaps[-1] == 1).all()
    assert (heatmaps[:-1] == 0).all()
    assert pafs.shape == (38, 10, 15)
    assert not pafs.any()
    assert as_trained(np.empty((0, 17, 3))).shape == (0, 18, 3)


@pytest.mark.parametrize(
    ('left', 'right', 'neck'),
    [
        (VISIBLE, VISIBLE, VISIBLE),
        (VISIBLE, OCCLUDED, OCCLUDED),
        (OCCLUDED, OCCLUDED, OCCLUDED),
        (VISIBLE, ABSENT, ABSENT),
        (ABSENT, OCCLUDED, ABSENT),
    ],
)
def test_the_neck_is_as_visible_as_the_shoulders(left, right, neck):
    coco = np.full((1, 17, 3), (0.0, 0.0, ABSENT))
    coco[0, COCO_17.index('l_sho')] = (120, 50, left)
    coco[0, COCO_17.index('r_sho')] = (100, 60, right)
    converted = as_trained(coco)[0]
    x, y, flag = converted[OPENPOSE_18.index('neck')]
    assert flag == neck
    assert flag == ABSENT or (x, y) == (110, 55)
    assert converted[OPENPOSE_18.index('r_sho')].tolist() == [100, 60, right]


@pytest.mark.parametrize(
    ('xy', 'flag'),
    [((0, 0), VISIBLE), ((239.9, 159.9), VISIBLE), ((240, 5), ABSENT), ((5, 160), ABSENT), ((-0.1, 5), ABSENT)],
)
def test_keypoints_outside_are_absent(xy, flag):
    coco = np.full((1, 17, 3), (0.0, 0.0, ABSENT))
    coco[0, 0] = (*xy, VISIBLE)
    assert as_trained(coco, (160, 240))[0, 0].tolist() == [*xy, flag]


def test_flags_of_coco_annotations():
    assert FLAG_OF_COCO[[0, 1, 2]].tolist() == [ABSENT, OCCLUDED, VISIBLE]


def test_an_input_that_is_no_whole_number_of_cells_is_refused():
    objective = LightweightOpenPoseObjective(TargetSettings())
    nobody = Annotation(np.zeros((0, 18, 3)), np.ones((96, 100), np.uint8), np.ones(18, bool), np.zeros(0))
    with pytest.raises(SettingsError, match='multiples of 8 pixels, got 100x96'):
        objective.encode(nobody)


@pytest.mark.parametrize('wrong', [{'stride': 0}, {'sigma': 0}, {'sigma': float('nan')}, {'paf_thickness': -1}])
def test_settings_that_make_no_maps_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        TargetSettings(**wrong)
