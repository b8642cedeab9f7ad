"""Decoding of Lightweight OpenPose: golden vectors, maps that no network should give, and back from encoded people."""

import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Letterbox
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.methods.lightweight_openpose import fast, reference
from pose_estimation_ros.methods.lightweight_openpose.decoding import (
    DECODERS,
    EvaluationDecoder,
    FastDecoder,
    ReferenceDecoder,
)
from pose_estimation_ros.methods.lightweight_openpose.encoding import VISIBLE, TargetSettings, encode
from pose_estimation_ros.methods.lightweight_openpose.grouping import Peaks
from pose_estimation_ros.methods.lightweight_openpose.options import DecodingSettings, GroupingSettings
from pose_estimation_ros.methods.merging import enlarge
from pose_estimation_ros.methods.systems import find_method

METHOD = find_method('lightweight_openpose')
ALL = [pytest.param(decoder, id=name) for name, decoder in DECODERS.items()]
STANDING = {
    'nose': (0, 0.06), 'neck': (0, 0.18),
    'r_sho': (-0.11, 0.18), 'r_elb': (-0.15, 0.35), 'r_wri': (-0.17, 0.5),
    'l_sho': (0.11, 0.18), 'l_elb': (0.15, 0.35), 'l_wri': (0.17, 0.5),
    'r_hip': (-0.07, 0.5), 'r_knee': (-0.08, 0.74), 'r_ank': (-0.08, 0.96),
    'l_hip': (0.07, 0.5), 'l_knee': (0.08, 0.74), 'l_ank': (0.08, 0.96),
    'r_eye': (-0.04, 0.04), 'l_eye': (0.04, 0.04), 'r_ear': (-0.08, 0.06), 'l_ear': (0.08, 0.06),
}  # fmt: skip
"""A person of height 1 whose top is at 0, 0."""


class Scene:
    """Golden maps of one scene, and what the reference implementation made of them."""

    def __init__(self, arrays, name):
        self._arrays, self._name = arrays, name
        self.maps = [self['heatmaps'].astype(np.float32), self['pafs'].astype(np.float32)]
        self.letterbox = Letterbox.fit(tuple(self['image_hw'].tolist()), 256, 8)

    def __getitem__(self, name):
        return self._arrays[f'{self._name}_{name}']


@pytest.fixture(scope='module')
def scenes(golden):
    arrays = golden('decode_lwop')
    return {name: Scene(arrays, name) for name in ('s1', 's4', 's12')}


@pytest.fixture(params=['s1', 's4', 's12'])
def scene(request, scenes):
    return scenes[request.param]


def standing(tops, height):
    """People (P, 18, 3) whose tops are at the places given."""
    body = np.array([STANDING[name] for name in OPENPOSE_18.abbreviations]) * height
    xy = np.asarray(tops, dtype=float)[:, None] + body
    return np.dstack([xy, np.full(xy.shape[:2], VISIBLE)])


def crowd(columns, rows, height=150, step=100):
    """Separate people, and the size of the network's input that holds them.

    Not in straight rows: there the samples between two people far apart may all fall on people between them.
    """
    line, column = np.divmod(np.arange(rows * columns), columns)
    tops = np.column_stack([100 + column * step, 40 + line * (height + 50)])
    tops = tops + np.random.default_rng(3).uniform(-20, 20, tops.shape)
    width, total = 200 + columns * step, 60 + rows * (height + 50)
    return standing(tops, height), (total // 16 * 16 + 16, width // 16 * 16 + 16)


def unscaled(network_hw):
    return Letterbox(network_hw, 1.0, network_hw, (0, 0, 0, 0))


def xy_of(poses):
    return np.stack([pose.keypoints[:, :2] for pose in poses])


def paired(poses, people):
    """The number of the person that each pose shows, by the neck; everybody must be shown once."""
    neck = OPENPOSE_18.index('neck')
    distance = np.linalg.norm(xy_of(poses)[:, None, neck] - people[None, :, neck, :2], axis=2)
    nearest = distance.argmin(axis=1)
    assert sorted(nearest) == list(range(len(people)))
    return nearest


def errors(poses, people):
    """Distance (P, 18) of each keypoint from the one meant; NaN where missing."""
    return np.linalg.norm(xy_of(poses) - people[paired(poses, people), :, :2], axis=2)


def coco_rows(poses):
    """(P, 51) as the reference writes them: x and y half a pixel on, flag 1, zeros where missing."""
    rows = np.stack([pose.skeleton.convert(pose.keypoints, COCO_17) for pose in poses])
    found = np.isfinite(rows[..., :1])
    return np.where(found, np.dstack([rows[..., :2] + 0.5, np.ones(rows.shape[:2])]), 0).reshape(len(rows), 51)


def test_golden_enlarging(scene):
    """Every third row and column; the peaks below depend on all of them."""
    heatmaps, pafs = (enlarge(maps, 4)[::3, ::3] for maps in scene.maps)
    assert abs(heatmaps[..., 0] - scene['up_heatmap_nose_every3']).max() < 1e-6
    assert abs(pafs[..., 12:14] - scene['up_paf_12_13_every3']).max() < 1e-6


def test_golden_peaks_and_entries(scene):
    enlarged = [enlarge(maps, 4) for maps in scene.maps]
    peaks, people = reference.decode_enlarged(*enlarged, GroupingSettings())
    assert (peaks.counts == scene['peaks_per_joint']).all()
    assert (np.column_stack([peaks.xy, np.arange(len(peaks.xy))]) == scene['peaks'][:, [0, 1, 3]]).all()
    assert abs(peaks.score - scene['peaks'][:, 2]).max() < 1e-6
    assert people.shape == scene['pose_entries'].shape
    assert (people[:, :18] == scene['pose_entries'][:, :18]).all()
    assert people[:, 18:] == pytest.approx(scene['pose_entries'][:, 18:], abs=1e-5)
    # What the reference hands to COCO are these peaks, in coordinates of the enlarged map.
    in_map = np.vstack([peaks.xy + 0.5, [0, 0]])[people[:, :18].astype(int)]
    coco = in_map[:, OPENPOSE_18.mapping_to(COCO_17)]
    assert (coco == scene['coco_keypoints'].reshape(-1, 17, 3)[..., :2]).all()


def test_golden_demo(scene):
    assert scene.letterbox.scale == scene['scale']
    assert scene.letterbox.pad == tuple(scene['pad'])
    poses = ReferenceDecoder()(scene.maps, scene.letterbox)
    assert (np.stack([pose.data for pose in poses]) == scene['pose_keypoints_int']).all()
    assert [pose.score for pose in poses] == pytest.approx(scene['pose_confidence'])
    assert [pose.ranking for pose in poses] == pytest.approx(scene['coco_scores'])


def test_golden_evaluation(scene):
    poses = EvaluationDecoder()(scene.maps, scene.letterbox)
    assert coco_rows(poses) == pytest.approx(scene['eval_coco_keypoints'], abs=1e-3)
    assert [pose.ranking for pose in poses] == pytest.approx(scene['eval_coco_scores'])
    entries = scene['eval_pose_entries']
    assert [pose.score for pose in poses] == pytest.approx(entries[:, 18])
    assert [len(pose.found) for pose in poses] == (entries[:, :18] >= 0).sum(axis=1).tolist()
    scores = np.append(scene['eval_peaks'][:, 2], 0)[entries[:, :18].astype(int)]
    assert np.stack([pose.keypoints[:, 2] for pose in poses]) == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(('prefix', 'ratio'), [('', 4), ('coarse_', 1)])
@pytest.mark.parametrize('name', ['s1', 's4', 's12'])
def test_fast_answers_stay_as_they_are(scenes, golden, name, prefix, ratio):
    """Answers of the version that reproduced the published accuracy; new ones need a new measurement on COCO."""
    scene, expected = scenes[name], golden('decode_lwop_fast')
    poses = FastDecoder(DecodingSettings(upsample_ratio=ratio))(scene.maps, scene.letterbox)
    found = {
        'keypoints': np.stack([pose.keypoints for pose in poses]),
        'scores': np.array([pose.score for pose in poses]),
        'rankings': np.array([pose.ranking for pose in poses]),
    }
    for what, values in found.items():
        np.testing.assert_allclose(values, expected[f'{name}_{prefix}{what}'], rtol=0, atol=1e-4, err_msg=what)


@pytest.mark.parametrize(('name', 'tolerated'), [('s1', 0), ('s4', 0), ('s12', 0.05)])
def test_fast_finds_the_people_of_the_reference(scenes, name, tolerated):
    """Where people hide each other a few keypoints may go to the other; everywhere else they agree."""
    scene = scenes[name]
    to_network, published_to_network = (scene.letterbox.image_to_network(centres) for centres in (True, False))
    found = to_network(xy_of(FastDecoder()(scene.maps, scene.letterbox)))
    # A pixel of the map enlarged x4 covers two by two pixels of the network, of which published code takes the first.
    expected = published_to_network(xy_of(ReferenceDecoder()(scene.maps, scene.letterbox))) + 0.5
    assert len(found) == len(expected)
    distance = np.linalg.norm(found[:, None] - expected[None], axis=-1)  # (F, R, 18)
    missing = np.isnan(found[:, None, :, 0]) & np.isnan(expected[None, :, :, 0])
    agree = ((distance < 2) | missing).mean(axis=-1)  # within a quarter of a cell, half as much on average
    assert agree.max(axis=1).mean() >= 1 - tolerated
    assert agree.max(axis=0).mean() >= 1 - tolerated
    assert np.nanmedian(distance[agree > 0.9]) < 1


@pytest.mark.parametrize('settings', [TargetSettings(), TargetSettings(stride=16, sigma=14)], ids=['8', '16'])
@pytest.mark.parametrize('height', [150, 240])
def test_fast_decoding_inverts_encoding(settings, height):
    people, network_hw = crowd(3, 2, height, step=height)
    stride, maps = settings.stride, encode(people, network_hw, settings)
    found = errors(FastDecoder()(maps, unscaled(network_hw)), people)
    assert np.isfinite(found).mean() > (0.99 if stride == 8 else 0.7)  # a stride of 16 merges eyes and ears
    assert np.nanmax(found) < stride / 8
    assert np.nanmedian(found) < stride / 16


@pytest.mark.parametrize(('decoder', 'tolerance'), [(ReferenceDecoder, 2.5), (EvaluationDecoder, 1.5)])
def test_published_decodings_invert_encoding(decoder, tolerance):
    people, network_hw = crowd(3, 2, height=240, step=240)
    maps = encode(people, network_hw)
    found = errors(decoder()(maps, unscaled(network_hw)), people)
    assert np.isfinite(found).all()
    assert found.max() < tolerance


def test_fast_decoding_has_no_bias_and_the_published_one_half_a_pixel():
    people, network_hw = crowd(4, 3, height=240, step=201)
    maps = encode(people, network_hw)
    for decoder, bias in ((FastDecoder, 0), (ReferenceDecoder, -0.5)):
        poses = decoder()(maps, unscaled(network_hw))
        assert len(poses) == len(people)
        difference = xy_of(poses) - people[paired(poses, people), :, :2]
        assert np.nanmean(difference, axis=(0, 1)) == pytest.approx([bias, bias], abs=0.15)


def test_poses_come_out_in_image_pixels():
    letterbox = Letterbox.fit((720, 1100), 368, 8)
    people = standing([(300, 60), (900, 200)], height=420)  # in the image
    in_network = people.copy()
    in_network[..., :2] = letterbox.image_to_network()(people[..., :2])
    poses = FastDecoder()(encode(in_network, letterbox.network_hw), letterbox)
    assert np.nanmax(errors(poses, people)) < 1 / letterbox.scale


def test_two_hundred_people():
    people, network_hw = crowd(20, 10, height=100, step=80)
    maps = encode(people, network_hw)
    poses = FastDecoder()(maps, unscaled(network_hw))
    assert len(poses) == 200
    assert np.nanmax(errors(poses, people)) < 1


@pytest.mark.parametrize('decoder', ALL)
def test_nobody(decoder):
    letterbox = Letterbox.fit((480, 640), 256, 8)
    height, width = (side // 8 for side in letterbox.network_hw)
    empty = [np.zeros((channels, height, width), np.float32) for channels in METHOD.output_channels]
    assert decoder()(empty, letterbox) == []
    assert decoder()([maps - 1 for maps in empty], letterbox) == []


@pytest.mark.parametrize('decoder', ALL)
@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_count_as_nothing(decoder, bad, scenes):
    scene = scenes['s4']
    assert decoder()([np.full_like(maps, bad) for maps in scene.maps], scene.letterbox) == []
    damaged, silenced = ([maps.copy() for maps in scene.maps] for _ in range(2))
    for maps, value in ((damaged, bad), (silenced, 0)):
        for each in maps:
            each[:, 3:9, 4:20] = value
    poses = decoder()(damaged, scene.letterbox)
    assert len(poses) > 0
    expected = decoder()(silenced, scene.letterbox)
    assert np.array_equal(xy_of(poses), xy_of(expected), equal_nan=True)
    assert all(np.isfinite(each).all() for each in scene.maps)


@pytest.mark.parametrize('decoder', ALL)
def test_maps_are_not_changed(decoder, scenes):
    scene = scenes['s1']
    before = [maps.copy() for maps in scene.maps]
    decoder()(scene.maps, scene.letterbox)
    assert all((a == b).all() for a, b in zip(before, scene.maps, strict=True))


@pytest.mark.parametrize('dtype', [np.float16, np.float64])
def test_maps_of_other_precision(dtype, scenes):
    scene = scenes['s1']
    poses = FastDecoder()([maps.astype(dtype) for maps in scene.maps], scene.letterbox)
    rounded = [maps.astype(dtype).astype(np.float32) for maps in scene.maps]
    assert np.array_equal(xy_of(poses), xy_of(FastDecoder()(rounded, scene.letterbox)), equal_nan=True)


def test_noise_stays_bounded():
    random = np.random.default_rng(5)
    heatmaps, pafs = (random.uniform(-1, 1, (channels, 128, 160)).astype(np.float32) for channels in (19, 38))
    peaks = fast.find_peaks(heatmaps, fast.PeakSettings())
    assert (peaks.counts <= fast.MAX_PEAKS_PER_KIND).all()
    assert (peaks.counts > 0.9 * fast.MAX_PEAKS_PER_KIND).all()
    strongest = np.sort(fast.find_peaks(heatmaps[:, :40, :40], fast.PeakSettings()).score)
    assert peaks.score.min() > np.median(strongest)  # the weak ones went
    limbs = fast.find_limbs(peaks, pafs, GroupingSettings())
    assert np.bincount(limbs.limb).max() <= fast.MAX_PEAKS_PER_KIND
    poses = FastDecoder()([heatmaps, pafs], unscaled((1024, 1280)))
    assert len(poses) <= 19 * fast.MAX_PEAKS_PER_KIND


@pytest.mark.parametrize('decoder', ALL)
def test_small_noise_decodes(decoder):
    random = np.random.default_rng(6)
    maps = [random.uniform(-1, 1, (channels, 6, 7)).astype(np.float32) for channels in (19, 38)]
    for pose in decoder()(maps, unscaled((48, 56))):
        assert np.isfinite(pose.score)
        assert (abs(pose.found[:, :2]) < 100).all()


@pytest.mark.parametrize('hw', [(1, 1), (1, 40), (2, 3)])
@pytest.mark.parametrize('decoder', ALL)
def test_maps_of_few_cells(decoder, hw):
    maps = [np.ones((channels, *hw), np.float32) for channels in (19, 38)]
    assert isinstance(decoder()(maps, unscaled((hw[0] * 8, hw[1] * 8))), list)


@pytest.mark.parametrize(('rows', 'columns'), [(1, 2), (2, 1), (2, 2)])
def test_cells_of_equal_height_are_one_peak(rows, columns):
    """Maps of few bits (bf16, int8) have them often."""
    heatmaps = np.zeros((19, 12, 12), np.float32)
    heatmaps[0, 4 : 4 + rows, 6 : 6 + columns] = 0.8
    peaks = fast.find_peaks(heatmaps, fast.PeakSettings())
    assert peaks.counts[0] == 1
    assert peaks.xy[0] == pytest.approx([5.5 + columns / 2, 3.5 + rows / 2], abs=0.1)


def test_bf16_maps_show_nobody_twice():
    people, network_hw = crowd(6, 3)
    rounded = [(maps.view(np.uint32) & 0xFFFF0000).view(np.float32) for maps in encode(people, network_hw)]
    assert len(FastDecoder()(rounded, unscaled(network_hw))) == len(people)


@pytest.mark.parametrize('decoder', ALL)
def test_max_persons_keeps_the_best_in_their_order(decoder, scenes):
    scene = scenes['s12']
    everybody = decoder()(scene.maps, scene.letterbox)
    for count in (1, 3, 100):
        kept = decoder(DecodingSettings(max_persons=count))(scene.maps, scene.letterbox)
        best = sorted(sorted((pose.score for pose in everybody), reverse=True)[:count])
        assert sorted(pose.score for pose in kept) == best
        order = [pose.score for pose in everybody if pose.score in best]
        assert [pose.score for pose in kept] == order


@pytest.mark.parametrize('decoder', ALL)
def test_thresholds(decoder, scenes):
    scene = scenes['s4']
    people = decoder()(scene.maps, scene.letterbox)
    assert decoder(DecodingSettings(keypoint_threshold=1.0))(scene.maps, scene.letterbox) == []
    middle = float(np.median(np.concatenate([pose.found[:, 2] for pose in people])))
    picky = decoder(DecodingSettings(keypoint_threshold=middle))(scene.maps, scene.letterbox)
    assert len(picky) > 0
    assert all((pose.found[:, 2] >= middle).all() for pose in picky)
    assert sum(len(pose.found) for pose in picky) < sum(len(pose.found) for pose in people)
    whole = decoder(DecodingSettings(grouping=GroupingSettings(min_keypoints=18)))(scene.maps, scene.letterbox)
    assert all(len(pose.found) == 18 for pose in whole)
    assert len(whole) < len(people)


@pytest.mark.parametrize('ratio', [1, 2, 8, 16])
def test_finer_and_coarser_search(ratio):
    people, network_hw = crowd(2, 1, height=240, step=240)
    maps = encode(people, network_hw)
    poses = FastDecoder(DecodingSettings(upsample_ratio=ratio))(maps, unscaled(network_hw))
    assert np.nanmax(errors(poses, people)) < 1.5
    assert len(ReferenceDecoder(DecodingSettings(upsample_ratio=ratio))(maps, unscaled(network_hw))) >= 1


@pytest.mark.parametrize('share', [0.0, 0.05, 0.1, 0.5, 0.75, 0.8, 0.95])
def test_leaving_out_implausible_pairs_changes_nothing(scenes, share):
    scene = scenes['s12']
    settings = GroupingSettings(min_valid_share=share)
    peaks = fast.find_peaks(scene.maps[0], fast.PeakSettings())
    limb, first, second = fast._pairs(peaks)
    sampler = fast._FieldSampler(peaks.xy, limb, first, second, scene.maps[1], settings)
    _, accepted = sampler.score(np.arange(len(limb)))
    assert accepted.any()
    assert set(np.flatnonzero(accepted)) <= set(sampler.plausible())


def test_limbs_are_sought_between_the_right_keypoints(scenes):
    peaks = Peaks(np.zeros((5, 2)), np.ones(5), np.bincount([1, 1, 2, 2, 2], minlength=18))
    limb, first, second = fast._pairs(peaks)
    assert set(zip(limb.tolist(), first.tolist(), second.tolist(), strict=True)) == {
        (0, a, b) for a in (0, 1) for b in (2, 3, 4)
    }


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({'keypoint_threshold': 1.5}, 'from 0 to 1, got 1.5'),
        ({'keypoint_threshold': float('nan')}, 'from 0 to 1, got nan'),
        ({'upsample_ratio': 0}, 'whole number from 1 to 16, got 0'),
        ({'upsample_ratio': 17}, 'whole number from 1 to 16, got 17'),
        ({'upsample_ratio': 2.5}, r'whole number from 1 to 16, got 2\.5'),
        ({'max_persons': -1}, 'got -1'),
        ({'max_persons': 1.5}, r'got 1\.5'),
        ({'num_samples': 1}, 'num_samples must be a whole number, 2 or more, got 1'),
        ({'min_valid_share': 1.0}, r'min_valid_share must be a number from 0 to below 1, got 1\.0'),
    ],
)
def test_settings_out_of_range_are_refused(settings, expected):
    for name in METHOD.decoder_names():
        with pytest.raises(SettingsError, match=expected):
            METHOD.decoder(name, **settings)


def test_decoders_by_name():
    assert METHOD.decoder_names()[0] == 'fast'
    decoder = METHOD.decoder('reference', max_persons=2, min_keypoints=5)
    assert decoder == ReferenceDecoder(DecodingSettings(max_persons=2, grouping=GroupingSettings(min_keypoints=5)))
    assert {METHOD.decoder(name).interpolation for name in ('fast', 'reference')} == {'linear'}
    assert METHOD.decoder('evaluation').interpolation == 'cubic'
    with pytest.raises(SettingsError, match="decode must be one of fast, reference, evaluation, got 'slow'"):
        METHOD.decoder('slow')
