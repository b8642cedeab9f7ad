"""Targets, loss, decoding and crops of SimpleBaselines against the published ones, and round the loop."""

import numpy as np
import pytest
import torch

from pose_estimation_ros.core.boxes import Boxes, PersonCrop, after_nms, overlaps
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.methods.objective import Annotation
from pose_estimation_ros.methods.simple_baseline.decoding import highest_cells, mirror_maps, moved_by_quarter
from pose_estimation_ros.methods.simple_baseline.encoding import TargetSettings, encode
from pose_estimation_ros.methods.simple_baseline.loss import joints_mse_loss
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SIMPLE_BASELINE_MPII

CROP_HW = (256, 192)
WHOLE_CROP = Letterbox(CROP_HW, 1.0, CROP_HW, (0, 0, 0, 0))
PIXEL_STD = 200
"""The published code measures people in units of so many pixels."""


def crop_of(center, scale):
    return PersonCrop(tuple(map(float, center)), tuple(float(side) * PIXEL_STD for side in scale))


@pytest.fixture(params=['s1', 's4', 's12'])
def scene(request, golden):
    """Heatmaps of a scene's people and what the published code made of them."""
    arrays = golden('decode_simplebaselines')
    return {name.split('_', 1)[1]: arrays[name] for name in arrays if name.startswith(f'{request.param}_')}


def test_cells_and_values_are_the_golden_ones(scene):
    cells, values = highest_cells(scene['heatmaps'].astype(np.float32))
    np.testing.assert_array_equal(cells, scene['argmax'])
    np.testing.assert_array_equal(values, scene['maxvals'][..., 0])


def test_keypoints_come_back_to_the_picture_where_the_published_code_puts_them(scene):
    for person, heatmaps in enumerate(scene['heatmaps'].astype(np.float32)):
        cells, _ = highest_cells(heatmaps)
        to_picture = crop_of(scene['center'][person], scene['scale'][person]).to_network(CROP_HW).inverse()
        np.testing.assert_allclose(to_picture(4 * cells), scene['preds_noshift'][person], atol=2e-3)
        moved = moved_by_quarter(cells, heatmaps)
        np.testing.assert_allclose(to_picture(4 * moved), scene['preds'][person], atol=2e-3)


def test_a_crop_decodes_to_one_pose_in_its_own_pixels(scene):
    decoder = SIMPLE_BASELINE.decoder(**SIMPLE_BASELINE.scoring)
    heatmaps = scene['heatmaps'][0].astype(np.float32)
    (pose,) = decoder([heatmaps], WHOLE_CROP)
    values = scene['maxvals'][0, :, 0]
    np.testing.assert_array_equal(np.isnan(pose.keypoints[:, 0]), values <= 0)
    to_picture = crop_of(scene['center'][0], scene['scale'][0]).to_network(CROP_HW).inverse()
    there = values > 0
    np.testing.assert_allclose(to_picture(pose.keypoints[there, :2]), scene['preds'][0][there], atol=2e-3)
    assert pose.score == pytest.approx(values[values > 0.2].mean())
    (plain,) = SIMPLE_BASELINE.decoder(upsample_ratio=1, **SIMPLE_BASELINE.scoring)([heatmaps], WHOLE_CROP)
    np.testing.assert_allclose(plain.keypoints[there, :2], 4 * scene['argmax'][0][there])


def test_nothing_to_see_decodes_to_nobody_and_broken_values_count_as_nothing():
    empty = np.zeros((17, 64, 48), np.float32)
    assert SIMPLE_BASELINE.decoder()([empty], WHOLE_CROP) == []
    empty[3, 5, 7], empty[4, 5, 7], empty[5, 30, 20] = np.nan, np.inf, 0.5
    (pose,) = SIMPLE_BASELINE.decoder()([empty], WHOLE_CROP)
    assert np.flatnonzero(np.isfinite(pose.keypoints[:, 0])).tolist() == [5]
    assert SIMPLE_BASELINE.decoder(keypoint_threshold=0.5)([empty], WHOLE_CROP) == []


@pytest.mark.parametrize('prefix', ['', 'mpii_', 's3_'])
def test_targets_are_the_golden_ones(golden, prefix):
    arrays = golden('target_simplebaselines')
    width, height = arrays[f'{prefix}image_wh']
    settings = TargetSettings(sigma=float(arrays[f'{prefix}sigma']))
    joints, visible = arrays[f'{prefix}joints'], arrays[f'{prefix}joints_vis']
    heatmaps, weights = encode(joints[:, :2], visible[:, 0], (int(height), int(width)), settings)
    np.testing.assert_allclose(heatmaps, arrays[f'{prefix}target'], atol=1e-7)
    np.testing.assert_array_equal(weights, arrays[f'{prefix}target_weight'][:, 0])
    assert 0 < weights.sum() < len(weights), 'the case has joints that count and joints that do not'


def test_the_loss_is_the_golden_one(golden):
    arrays = golden('losses')
    output, target, weight = (torch.from_numpy(arrays[f'jmse_{name}']) for name in ('output', 'target', 'weight'))
    weights = weight[..., None]
    assert joints_mse_loss(output, target, weights).item() == pytest.approx(float(arrays['jmse_weighted']), rel=1e-6)
    every = torch.ones_like(weights)
    assert joints_mse_loss(output, target, every).item() == pytest.approx(float(arrays['jmse_unweighted']), rel=1e-6)


def test_the_crop_is_the_golden_affine(golden):
    arrays = golden('target_simplebaselines')
    crop = crop_of(arrays['affine_center'], arrays['affine_scale'])
    np.testing.assert_allclose(crop.to_network(CROP_HW).matrix, arrays['affine_rot0'], atol=1e-5)
    np.testing.assert_allclose(crop.to_network(CROP_HW, 30).matrix, arrays['affine_rot30'], atol=1e-5)
    np.testing.assert_allclose(crop.to_network((64, 48)).inverse().matrix, arrays['affine_inv'], atol=1e-5)


def test_a_box_grows_to_the_networks_shape_and_a_quarter_more():
    assert PersonCrop.around(np.array([10, 20, 30, 80]), CROP_HW) == PersonCrop((25, 60), (75, 100))
    assert PersonCrop.around(np.array([10, 20, 90, 80]), CROP_HW, 1.0) == PersonCrop((55, 60), (90, 120))


def person(xy, flags):
    return np.column_stack([xy, flags]).astype(float)[None]


def annotation_of(joints):
    return Annotation(joints, np.ones(CROP_HW, np.uint8), np.ones(joints.shape[1], bool), np.ones(len(joints)))


def test_encoding_and_decoding_are_inverses():
    random = np.random.default_rng(0)
    xy = random.uniform((8, 8), (184, 248), (17, 2))
    objective = SIMPLE_BASELINE.objective(SIMPLE_BASELINE.options())
    heatmaps, weights = objective.encode(annotation_of(person(xy, np.full(17, 2))))
    assert weights.shape == (17, 1, 1)
    assert weights.all()
    (pose,) = SIMPLE_BASELINE.decoder()([heatmaps], WHOLE_CROP)
    assert np.abs(pose.keypoints[:, :2] - xy).max() <= 2.0, 'targets lie on whole cells of four pixels'


def test_only_the_first_person_of_a_crop_is_learnt_and_only_the_joints_that_are_labelled():
    objective = SIMPLE_BASELINE.objective(SIMPLE_BASELINE.options())
    flags = np.array([0, 1, 2] + [0] * 14)
    first = person(np.full((17, 2), 60.0), flags)
    other = person(np.full((17, 2), 120.0), np.full(17, 2))
    heatmaps, weights = objective.encode(annotation_of(np.concatenate([first, other])))
    assert np.flatnonzero(weights).tolist() == [1, 2]
    assert np.flatnonzero(heatmaps.any(axis=(1, 2))).tolist() == [1, 2]
    nobody, none = objective.encode(annotation_of(first[:0]))
    assert not nobody.any()
    assert not none.any()
    unweighted = SIMPLE_BASELINE.objective(SIMPLE_BASELINE.options(), use_target_weight=False)
    assert unweighted.encode(annotation_of(first))[1].all()


def test_sigma_follows_the_published_sizes_unless_given():
    large = SIMPLE_BASELINE.options({'input_height': 384, 'input_width': 288})
    assert SIMPLE_BASELINE.objective(large).settings.sigma == 3
    assert SIMPLE_BASELINE.objective(SIMPLE_BASELINE.options()).settings.sigma == 2
    assert SIMPLE_BASELINE_MPII.objective(SIMPLE_BASELINE_MPII.options(), sigma=1).settings.sigma == 1
    with pytest.raises(SettingsError, match='targets have no setting radius'):
        SIMPLE_BASELINE.objective(large, radius=3)


def test_a_mirrored_crop_comes_back_within_a_quarter_of_a_cell():
    xy = np.full((17, 2), 100.0)
    xy[:, 0] = 4 * np.arange(10, 27)
    flags = np.full(17, 2)
    objective = SIMPLE_BASELINE.objective(SIMPLE_BASELINE.options())
    mirrored = np.column_stack([191 - xy[list(COCO_17.flip), 0], xy[list(COCO_17.flip), 1]])
    there, back = (objective.encode(annotation_of(person(each, flags)))[0] for each in (xy, mirrored))
    (returned,) = mirror_maps([back], SIMPLE_BASELINE.skeleton)
    np.testing.assert_array_equal(highest_cells(returned)[0], highest_cells(there)[0])
    assert returned.shape == back.shape


def test_settings_of_decoding_are_checked():
    for wrong, words in (
        ({'keypoint_threshold': 2}, 'from 0 to 1, got 2'),
        ({'upsample_ratio': 0}, 'whole number from 1 to 16, got 0'),
        ({'min_keypoints': 3}, 'settings are .*, got min_keypoints'),
    ):
        with pytest.raises(SettingsError, match=words):
            SIMPLE_BASELINE.decoder(**wrong)
    with pytest.raises(SettingsError, match="decode must be one of published, got 'fast'"):
        SIMPLE_BASELINE.decoder('fast')


def test_overlaps_and_suppression_of_boxes():
    xywh = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [100, 0, 10, 10], [0, 0, 0, 0]], float)
    shares = overlaps(xywh, xywh)
    assert shares[0, 1] == pytest.approx(1 / 3)
    assert shares[0, 2] == shares[3, 3] == 0
    boxes = Boxes(xywh[:3], np.array([0.5, 0.9, 0.2]))
    assert after_nms(boxes, 0.3).xywh[:, 0].tolist() == [5, 100]
    assert after_nms(boxes, 0.4).xywh[:, 0].tolist() == [5, 0, 100]
    odd = Boxes(np.array([[0, 0, 0, 5], [np.nan, 0, 1, 1], [1, 1, 2, 2]], float), np.array([1, 1, 0.5]))
    assert odd.usable().xywh.tolist() == [[1, 1, 2, 2]]
    with pytest.raises(ValueError, match='each box needs a score, got 1 boxes and 2 scores'):
        Boxes(np.zeros((1, 4)), np.zeros(2))
