"""Decoding of HigherHRNet: golden vectors, the fast decoder against the published one, and unusable maps."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import PIXEL_CORNER, Affine, CentredAffine, Letterbox
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.methods.higher_hrnet import reference
from pose_estimation_ros.methods.higher_hrnet.decoding import (
    DECODERS,
    FastDecoder,
    PublishedDecoder,
    ThawroDecoder,
    build_decoder,
)
from pose_estimation_ros.methods.higher_hrnet.decoding_settings import DecodingSettings, GroupingSettings
from pose_estimation_ros.methods.higher_hrnet.grouping import NOBODY_COST, assign, group
from pose_estimation_ros.methods.higher_hrnet.merging import MapSizes, merge, resized, tags_by_keypoint
from pose_estimation_ros.methods.method import SHORT_SIDE, InputSize, Look, Preprocessing
from pose_estimation_ros.methods.short_side import place_by_short_side

COCO_FLIP = COCO_17.flip
ALL = [pytest.param(decoder, id=name) for name, decoder in DECODERS.items()]
OFFICIAL = DecodingSettings()
THAWRO = DecodingSettings(0.05, grouping=GroupingSettings(tag_threshold=0.5))


def without(settings, adjust=False, refine=False):
    return replace(settings, grouping=replace(settings.grouping, adjust=adjust, refine=refine))


PARTS = {
    'grouped': ('scores', OFFICIAL),
    'norefine_grouped': ('norefine_scores', without(OFFICIAL, adjust=True)),
    'raw_grouped': ('raw_scores', without(OFFICIAL)),
    'thawro_grouped': ('thawro_scores', THAWRO),
}


class Case:
    """One golden image: what the network returned for it at each scale, and the reference's results."""

    def __init__(self, arrays, case, label_offset=0.0):
        self.arrays = {
            name.removeprefix(f'{case}_'): array for name, array in arrays.items() if name.startswith(f'{case}_')
        }
        self.scales = self['scales'].tolist() if 'scales' in self.arrays else [1.0]
        self.looks = [look for scale in self.scales for look in self.looks_at(scale, label_offset)]

    def __getitem__(self, name):
        return self.arrays[name]

    def looks_at(self, scale, label_offset):
        size = InputSize(int(self['input_size']), 4, scale, min(self.scales))
        placement = place_by_short_side(self['image'].shape[:2], size, label_offset)
        start = f'x{scale:g}_' if 'scales' in self.arrays else ''
        for mirrored, part in enumerate(('', 'flip_')):
            if f'{start}{part}out_0' in self.arrays:
                maps = [self[f'{start}{part}out_{index}'].astype(np.float32) for index in (0, 1)]
                yield Look(maps, placement, scale, bool(mirrored))

    def explained(self, decoder):
        merged = decoder.merge(self.looks)
        return decoder.explain(merged.maps, merged.placement)


def keypoints_of(poses):
    return np.stack([pose.keypoints for pose in poses])


def check_keypoints(poses, xy, scores):
    """Keypoints as expected where the reference has a score, missing elsewhere."""
    found = keypoints_of(poses)
    assert found.shape[:2] == scores.shape
    present = scores > 0
    assert (np.isfinite(found[..., 0]) == present).all()
    assert found[present][:, :2] == pytest.approx(xy[present], abs=1e-3)
    assert found[..., 2] == pytest.approx(np.where(present, scores, 0), abs=1e-5)


def check_tags(tags, expected):
    known = np.isfinite(tags)
    assert known.any(axis=(1, 2)).all()
    assert tags[known] == pytest.approx(expected[known], abs=1e-5)
    assert (expected[~known] == 0).all()


def paired_distances(poses, others):
    """(P, 17) distances between the keypoints of people of two decodings, paired one to one."""
    assert len(poses) == len(others)
    distance = np.linalg.norm(keypoints_of(poses)[:, None, :, :2] - keypoints_of(others)[None, :, :, :2], axis=-1)
    median = np.nan_to_num(np.nanmedian(distance, axis=2), nan=1e6)
    return distance[linear_sum_assignment(median)]


def test_golden_assignment(golden):
    """The reference's choice where there is one best, and its cost everywhere."""
    arrays = golden('assignment_higherhrnet')
    sizes = zip(arrays['detections'], arrays['persons'], arrays['tag_size'], strict=True)
    different = 0
    for number, (peaks, people, dimensions) in enumerate(sizes):
        tags = arrays['detection_tags'][number, :peaks, :dimensions]
        person_tags = arrays['person_tags'][number, :people, :dimensions]
        scores = arrays['scores'][number, :peaks]
        expected = arrays['accepted'][number, :peaks]
        chosen = assign(tags, scores, person_tags, 1.0)
        all_chosen = assign(tags, scores, person_tags, np.inf)
        if not arrays['ties'][number]:
            assert chosen.tolist() == expected.tolist()
        different += chosen.tolist() != expected.tolist()
        for each in (all_chosen, assign(tags, scores, person_tags, np.inf, keep_strong=True)):
            pairs = np.flatnonzero(each >= 0)
            units = np.round(np.linalg.norm(tags[pairs] - person_tags[each[pairs]], axis=1))
            assert len(pairs) == min(peaks, people)
            assert len(set(each[pairs])) == len(pairs)
            assert (units * 100 - scores[pairs]).sum() == pytest.approx(arrays['cost'][number], abs=1e-3)
    assert different == arrays['ties'].sum()  # at equal cost, as asserted above


def test_of_equal_choices_the_strong_peak_stays_with_its_person():
    tags, scores = np.array([[0.0], [0.0]], np.float32), np.array([0.9, 0.2], np.float32)
    people = np.array([[0.1], [2.1]], np.float32)
    assert assign(tags, scores, people, 1.0, keep_strong=True).tolist() == [0, -1]


@pytest.mark.parametrize('name', ['s1', 's4', 's12'])
@pytest.mark.parametrize('part', PARTS)
def test_golden_grouping(golden, name, part):
    arrays = golden(f'decode_higherhrnet_{name}')
    heatmaps = arrays['det'].astype(np.float32)
    scores, settings = PARTS[part]
    tags = {'': ['tags'], 'flip_': ['tags', 'tags_flip']}
    for start, names in tags.items():
        if start + part in arrays:
            people = reference.parse(heatmaps, np.stack([arrays[each] for each in names]).astype(np.float32), settings)
            assert people.rows == pytest.approx(arrays[start + part], abs=1e-5)
            assert people.scores == pytest.approx(arrays[start + scores], abs=1e-5)


@pytest.mark.parametrize('name', ['s1', 's4', 's12'])
def test_golden_image_coordinates(golden, name):
    """The inverse of the published affine map: 200 pixels a unit, uniform by the width."""
    arrays = golden(f'decode_higherhrnet_{name}')
    people = arrays['grouped']
    height, width = arrays['det'].shape[1:]
    scale = width / (arrays['affine_scale'][0] * 200)
    x, y = arrays['affine_center']
    affine = Affine.translation(width / 2, height / 2) @ Affine.scaling(scale, pixel_centres=False)
    placement = CentredAffine(tuple(arrays['affine_image_hw']), (height, width), affine @ Affine.translation(-x, -y))
    maps = [arrays['det'].astype(np.float32), arrays['tags'].astype(np.float32)]
    poses = PublishedDecoder()(maps, placement)
    check_keypoints(poses, arrays['final_image_coords'][..., :2], people[..., 2])


@pytest.mark.parametrize(
    ('name', 'case'),
    [('pipeline_higherhrnet', 'ss'), ('pipeline_higherhrnet', 'ssf'), ('pipeline_higherhrnet_multiscale', 'ms')],
)
def test_golden_published_pipeline(golden, name, case):
    case = Case(golden(name), case)
    explained = case.explained(PublishedDecoder())
    assert explained.heatmaps.sum(axis=(1, 2), dtype=float) == pytest.approx(
        case['final_heatmaps_sum64'], rel=1e-5, abs=1e-2
    )
    sums = explained.tag_maps.sum(axis=(2, 3), dtype=float).T
    assert sums == pytest.approx(case['tags_sum64'], rel=1e-5, abs=1e-2)
    check_keypoints(explained.poses, case['final_results'][..., :2], case['grouped'][..., 2])
    check_tags(explained.tags, case['grouped'][..., 3:])
    assert [pose.score for pose in explained.poses] == pytest.approx(case['scores'], abs=1e-5)


@pytest.mark.parametrize('case', ['ss', 'ssf', 'ms'])
def test_golden_published_maps(shared, case):
    """Every fourth pixel of the merged maps, which are not in the clone."""
    name = 'pipeline_higherhrnet' + ('_multiscale' if case == 'ms' else '')
    path = shared / 'golden' / f'{name}.npz'
    if not path.exists():
        pytest.skip(f'{path} is not there')
    case = Case(dict(np.load(path)), case)
    merged = merge(case.looks, PublishedDecoder.sizes)
    assert merged.maps[0][:, ::4, ::4] == pytest.approx(case['final_heatmaps_every4'], abs=1e-5)
    tags = tags_by_keypoint(merged.maps[1])[..., ::4, ::4]
    assert tags == pytest.approx(np.moveaxis(case['tags_every4'], -1, 0), abs=1e-5)


@pytest.mark.parametrize('case', ['ss', 'ssf', 'nobody'])
def test_golden_thawro_pipeline(golden, case):
    case = Case(golden('pipeline_thawro'), case)
    explained = case.explained(ThawroDecoder())
    check_keypoints(explained.poses, case['kpts_coords'], case['kpts_scores'])
    check_tags(explained.tags, case['kpts_tags'])
    assert [pose.score for pose in explained.poses] == pytest.approx(case['obj_scores'], abs=1e-5)


class Recorded:
    """A backend that returns what the reference's network returned for each input of a golden image, in turn."""

    name, device, precision, fixed_hw = 'recorded', 'cpu', 'fp32', None

    def __init__(self):
        self.answers = []

    def __call__(self, batch):
        height, width = batch.shape[2:]
        if not self.answers:  # the pipeline asks for the stride
            return [np.zeros((1, 34, height // 4, width // 4)), np.zeros((1, 17, height // 2, width // 2))]
        maps = self.answers.pop(0)
        assert maps[0].shape[1:] == (height // 4, width // 4)
        return [each[None] for each in maps]


class ShortSide:
    """What the pipeline asks of a method."""

    preprocessing, base_side, stride_output = Preprocessing(), SHORT_SIDE, 0

    def place(self, image_hw, size):
        return place_by_short_side(image_hw, size)

    def mirrored_input(self, batch):
        return batch[..., ::-1]


@pytest.mark.parametrize(
    ('name', 'case'),
    [('pipeline_higherhrnet', 'ss'), ('pipeline_higherhrnet', 'ssf'), ('pipeline_higherhrnet_multiscale', 'ms')],
)
def test_golden_poses_through_the_pipeline(golden, name, case):
    """From an image to COCO's coordinates, which count from the corner of the first pixel."""
    case = Case(golden(name), case)
    backend = Recorded()
    pipeline = Pipeline(backend, ShortSide(), PublishedDecoder(), base_size=int(case['input_size']))
    assert pipeline.stride == 4
    pipeline = pipeline.with_looks(case.scales, flip=any(look.mirrored for look in case.looks))
    backend.answers = [look.maps for look in case.looks]
    poses = pipeline(case['image']).poses
    assert backend.answers == []
    check_keypoints(poses, case['final_results'][..., :2] - PIXEL_CORNER, case['grouped'][..., 2])


def test_the_published_decoder_finds_nobody_where_thawros_falls_back(golden):
    case = Case(golden('pipeline_thawro'), 'nobody')
    for decoder in (FastDecoder(), PublishedDecoder()):
        assert case.explained(decoder).poses == []
    assert len(case.explained(ThawroDecoder()).poses) == 1


def test_coordinates_count_from_the_middle_of_the_first_pixel(golden):
    """The published results count from its corner, as COCO's labels do."""
    plain, offset = (Case(golden('pipeline_higherhrnet'), 'ss', offset) for offset in (0.0, 0.5))
    for decoder in (PublishedDecoder(), FastDecoder()):
        found, moved = (keypoints_of(case.explained(decoder).poses) for case in (plain, offset))
        assert moved[..., :2] == pytest.approx(found[..., :2] - 0.5, abs=1e-3, nan_ok=True)


@pytest.mark.parametrize('name', ['s1', 's4', 's12'])
def test_fast_finds_the_published_people(golden, name):
    """Scenes of maps at half the network's input, which the published decoder enlarges."""
    arrays = golden(f'decode_higherhrnet_{name}')
    maps = [arrays[each].astype(np.float32) for each in ('det', 'tags')]
    hw = (2 * maps[0].shape[1], 2 * maps[0].shape[2])
    placement = CentredAffine(hw, hw, Affine.scaling(1.0))
    published = PublishedDecoder()([resized(each, hw) for each in maps], placement)
    distances = paired_distances(published, FastDecoder()(maps, placement))
    assert np.nanmedian(distances) < 0.5
    assert np.nanmedian(distances, axis=1).max() < 0.5


@pytest.mark.parametrize(
    ('name', 'case'),
    [('pipeline_higherhrnet', 'ss'), ('pipeline_higherhrnet', 'ssf'), ('pipeline_higherhrnet_multiscale', 'ms')],
)
def test_fast_finds_the_published_people_of_images(golden, name, case):
    case = Case(golden(name), case)
    fast, published = (case.explained(decoder) for decoder in (FastDecoder(), PublishedDecoder()))
    distances = paired_distances(published.poses, fast.poses) * case.looks[0].placement.scale / max(case.scales)
    assert np.nanmedian(distances, axis=1).max() < 0.5
    assert [pose.score for pose in fast.poses] == pytest.approx([pose.score for pose in published.poses], abs=0.02)


def outputs_of(xy, hw, heights=None):
    """The network's outputs for people at positions (P, 17, 2) of the input: bumps, and tags two apart around them."""
    heights = np.full(len(xy), 0.8) if heights is None else heights
    outputs = [np.zeros((34, hw[0] // 4, hw[1] // 4), np.float32), np.zeros((17, hw[0] // 2, hw[1] // 2), np.float32)]
    for person, keypoint in np.ndindex(xy.shape[:2]):
        for output, stride in zip(outputs, (4, 2), strict=True):
            window, squares = around(xy[person, keypoint] / stride, output.shape[1:], 10)
            output[keypoint][window] = np.maximum(output[keypoint][window], heights[person] * np.exp(-squares / 8))
        window, squares = around(xy[person, keypoint] / 4, outputs[0].shape[1:], 4)
        outputs[0][17 + keypoint][window] = 2.0 * person
    return outputs


def around(xy, hw, reach):
    """A window of a map, and the squared distances of its cells' middles from a position."""
    first = np.maximum(xy.astype(int) - reach, 0)
    last = np.minimum(xy.astype(int) + reach + 1, hw[::-1])
    window = slice(first[1], last[1]), slice(first[0], last[0])
    y, x = np.mgrid[window] + 0.5
    return window, (x - xy[0]) ** 2 + (y - xy[1]) ** 2


def crowd(people, side, seed=0):
    """People (P, 17, 2) in rows, their keypoints around them."""
    columns = int(np.ceil(np.sqrt(people)))
    row, column = np.divmod(np.arange(people), columns)
    cell = side / columns
    spread = np.random.default_rng(seed).uniform(-0.3, 0.3, (people, 17, 2))
    return (np.stack([column, row], axis=-1)[:, None] + 0.5 + spread) * cell


def decoded(decoder, outputs, hw):
    looks = [Look(outputs, CentredAffine(hw, hw, Affine.scaling(1.0)))]
    merged = decoder.merge(looks)
    return decoder.explain(merged.maps, merged.placement)


def test_fast_is_nearer_to_the_truth_than_the_published_decoder():
    xy = crowd(4, 384)
    errors = {}
    for decoder in (FastDecoder(), PublishedDecoder()):
        poses = decoded(decoder, outputs_of(xy, (384, 384)), (384, 384)).poses
        distance = np.linalg.norm(keypoints_of(poses)[:, None, :, :2] - xy[None], axis=-1)
        errors[decoder.name] = np.median(distance[linear_sum_assignment(np.median(distance, axis=2))])
    assert errors['fast'] < errors['published'] < 0.5
    assert errors['fast'] < 0.1


@pytest.mark.parametrize('decoder', ALL)
def test_missing_keypoints_are_filled_by_their_tags(decoder):
    """A weak second shoulder of each person, below the threshold: the right one is found by its tag."""
    xy = crowd(2, 256)
    outputs = outputs_of(xy, (256, 256))
    outputs[0][5] *= 0.04
    outputs[1][5] *= 0.04
    filled, plain = (
        decoded(build_decoder(decoder.name, refine=refine), outputs, (256, 256)) for refine in (True, False)
    )
    assert not np.isfinite(keypoints_of(plain.poses)[:, 5, 0]).any()
    assert keypoints_of(filled.poses)[:, 5, :2] == pytest.approx(xy[:, 5], abs=1)
    assert np.isnan(filled.tags[:, 5]).all()
    assert [pose.score for pose in filled.poses] == [pose.score for pose in plain.poses]


@pytest.mark.parametrize('decoder', ALL)
def test_two_hundred_people_are_found_if_the_limit_allows(decoder):
    xy = crowd(200, 1024)
    outputs = outputs_of(xy, (1024, 1024))
    assert len(decoded(build_decoder(decoder.name, refine=False), outputs, (1024, 1024)).poses) == 30
    poses = decoded(build_decoder(decoder.name, max_persons=0), outputs, (1024, 1024)).poses
    assert len(poses) == 200
    distance = np.linalg.norm(keypoints_of(poses)[:, None, :, :2] - xy[None], axis=-1)
    paired = distance[linear_sum_assignment(np.nanmedian(distance, axis=2))]
    assert np.nanmedian(paired) < 1


@pytest.mark.parametrize('decoder', ALL)
def test_limits_drop_people_and_keep_the_best(decoder):
    xy, heights = crowd(4, 256), np.array([0.3, 0.8, 0.5, 0.7])
    outputs = outputs_of(xy, (256, 256), heights)

    def kept(**settings):
        """Numbers of the people found, by their noses."""
        poses = decoded(build_decoder(decoder.name, refine=False, **settings), outputs, (256, 256)).poses
        noses = np.array([pose.keypoints[0, :2] for pose in poses]).reshape(-1, 2)
        return np.linalg.norm(noses[:, None] - xy[:, 0], axis=2).argmin(axis=1).tolist()

    assert sorted(kept()) == [0, 1, 2, 3]
    assert sorted(kept(max_persons=2)) == [1, 3]
    assert sorted(kept(min_mean_score=0.4)) == [1, 2, 3]
    assert sorted(kept(keypoint_threshold=0.6)) == [1, 3]
    assert kept(min_keypoints=17, keypoint_threshold=0.6) == kept(keypoint_threshold=0.6)
    assert kept(min_keypoints=18) == []


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize('decoder', ALL)
def test_unusable_tags_are_nobody(decoder, value):
    outputs = outputs_of(crowd(2, 256), (256, 256))
    outputs[0][17:] = value
    explained = decoded(build_decoder(decoder.name), outputs, (256, 256))
    assert len(explained.poses) == (1 if decoder is ThawroDecoder else 0)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize('decoder', ALL)
def test_unusable_tags_of_one_keypoint_cost_that_keypoint_alone(decoder, value):
    xy = crowd(2, 256)
    outputs = outputs_of(xy, (256, 256))
    outputs[0][17 + 9] = value
    poses = decoded(build_decoder(decoder.name), outputs, (256, 256)).poses
    others = np.delete(np.arange(17), 9)
    assert keypoints_of(poses)[:, others, :2] == pytest.approx(xy[:, others], abs=1)
    assert all(np.isfinite(pose.score) for pose in poses)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('decoder', ALL)
def test_unusable_heatmaps_are_nobody(decoder, value):
    outputs = outputs_of(crowd(2, 256), (256, 256))
    outputs[0][:17], outputs[1][:] = value, value
    poses = decoded(build_decoder(decoder.name), outputs, (256, 256)).poses
    assert len(poses) == (1 if decoder is ThawroDecoder else 0)
    assert all(np.isfinite(pose.keypoints).all() for pose in poses)


@pytest.mark.parametrize('decoder', ALL)
@pytest.mark.parametrize('hw', [(64, 64), (64, 640), (640, 64)])
def test_maps_of_any_shape(decoder, hw):
    random = np.random.default_rng(0)
    empty = [np.zeros((34, hw[0] // 4, hw[1] // 4), np.float32), np.zeros((17, hw[0] // 2, hw[1] // 2), np.float32)]
    assert len(decoded(build_decoder(decoder.name), empty, hw).poses) == (1 if decoder is ThawroDecoder else 0)
    noise = [random.normal(0, 1, each.shape).astype(np.float16) for each in empty]
    for pose in decoded(build_decoder(decoder.name), noise, hw).poses:
        found = pose.found
        assert (found[:, :2] > -1).all()
        assert (found[:, :2] <= np.array(hw[::-1])).all()


def test_flat_peaks_are_one_peak():
    xy = crowd(1, 128)
    outputs = outputs_of(xy, (128, 128))
    for output in outputs:
        output[:17] = np.minimum(output[:17], 0.5)
    assert len(decoded(FastDecoder(), outputs, (128, 128)).poses) == 1


@pytest.mark.parametrize('scales', [(1.0,), (0.5, 1.0), (0.5, 2.0), (0.75, 1.0, 1.5), (1.0, 2.0)])
@pytest.mark.parametrize('decoder', ALL)
def test_scales_merge_on_the_grid_of_scale_one(decoder, scales):
    """Any scales, mirrored or not: the people come back where they are."""
    image_hw, size = (256, 320), 256
    xy = crowd(3, 256)
    looks = []
    for scale in scales:
        placement = place_by_short_side(image_hw, InputSize(size, 4, scale, min(scales)), 0.0)
        plain = outputs_of(placement.image_to_network()(xy), placement.network_hw)
        mirrored = [each[..., ::-1] for each in plain]
        swapped = [
            np.concatenate([half[list(COCO_FLIP)] for half in np.split(each, len(each) // 17)]) for each in mirrored
        ]
        looks += [Look(plain, placement, scale), Look(swapped, placement, scale, mirrored=True)]
    merged = decoder().merge(looks)
    base = min(looks, key=lambda look: abs(np.log(look.scale)))
    assert merged.placement is base.placement
    assert merged.maps[1].shape[0] == 34
    poses = decoder()(merged.maps, merged.placement)
    distance = np.linalg.norm(keypoints_of(poses)[:, None, :, :2] - xy[None], axis=-1)
    assert len(poses) == 3
    assert distance[linear_sum_assignment(np.median(distance, axis=2))].max() < 1.5


def test_merging_leaves_the_networks_maps_alone():
    outputs = outputs_of(crowd(1, 64), (64, 64))
    same_size = [outputs[0], outputs[1][:, ::2, ::2].copy()]
    before = [each.copy() for each in same_size]
    placement = CentredAffine((64, 64), (64, 64), Affine.scaling(1.0))
    for sizes in (MapSizes(at_input_size=True), MapSizes(at_input_size=False)):
        merge([Look(same_size, placement), Look(same_size, placement, mirrored=True)], sizes)
    assert all((one == other).all() for one, other in zip(same_size, before, strict=True))


def test_candidates_are_at_least_the_people():
    outputs = outputs_of(crowd(4, 256), (256, 256))
    strict = build_decoder('fast', keypoint_threshold=0.5, min_mean_score=0.7, min_keypoints=5)
    for output in outputs:
        output[:17] *= 0.6
    assert decoded(strict, outputs, (256, 256)).poses == []
    assert len(decoded(strict.candidates(), outputs, (256, 256)).poses) == 4


def test_equal_first_tags_are_one_person_as_published():
    peaks = [np.zeros((0, 4), np.float32) for _ in range(17)]
    peaks[0] = np.array([[1, 1, 0.9, 0.5], [9, 9, 0.8, 0.5]], np.float32)
    people = group(peaks, 1.0)
    assert people.shape == (1, 17, 4)
    assert people[0, 0].tolist() == peaks[0][1].tolist()


def test_peaks_beyond_the_first_people_make_new_ones():
    peaks = [np.zeros((0, 4), np.float32) for _ in range(17)]
    peaks[0] = np.array([[1, 1, 0.9, 0], [9, 9, 0.8, 3]], np.float32)
    peaks[1] = np.array([[9, 9, 0.8, 3.1]], np.float32)
    assert len(group(peaks, 1.0)) == 2
    assert len(group(peaks, 1.0, max_persons=1)) == 3
    assert NOBODY_COST > 1e9


def test_decoders_have_their_published_thresholds():
    assert [(name, build_decoder(name).settings.keypoint_threshold) for name in DECODERS] == [
        ('fast', 0.1),
        ('published', 0.1),
        ('thawro', 0.05),
    ]
    assert build_decoder('thawro').settings.grouping.tag_threshold == 0.5
    assert build_decoder('thawro', tag_threshold=0.7).settings.grouping.tag_threshold == 0.7
    assert ThawroDecoder().settings == build_decoder('thawro').settings


def test_wrong_settings_are_one_sentence():
    with pytest.raises(SettingsError, match='decode must be one of fast, published, thawro, got'):
        build_decoder('munkres')
    with pytest.raises(SettingsError, match='nms_window must be an odd whole number from 1 to 31, got 4'):
        build_decoder('fast', nms_window=4)
    with pytest.raises(SettingsError, match=r'decoding settings are .*tag_threshold.*, got tag_thr'):
        build_decoder('fast', tag_thr=0.5)


def test_outputs_stored_channels_last_are_merged_alike():
    rng = np.random.default_rng(1)
    maps = [rng.random(shape, np.float32) for shape in ((34, 8, 8), (17, 16, 16))]
    last = [np.ascontiguousarray(each.transpose(1, 2, 0)).transpose(2, 0, 1) for each in maps]
    placement = Letterbox.whole((32, 32))
    plain, other = (build_decoder().merge([Look(each, placement)]).maps for each in (maps, last))
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_array_equal(one, two)
