"""Looking twice: regions at the scale their people need, packed, looked at, and everybody told once."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import CentredAffine, Letterbox
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, MPII_16, OPENPOSE_18
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.inference.backends.opening import open_backend
from pose_estimation_ros.inference.pipeline import NetworkOutput, Pipeline, Timings
from pose_estimation_ros.inference.two_pass.duplicates import body_height, without_duplicates
from pose_estimation_ros.inference.two_pass.first_pass import (
    PeopleFinder,
    RegionSettings,
    SizedPose,
    around_heat,
    around_people,
)
from pose_estimation_ros.inference.two_pass.packing import GAP, LEAST_SIDE, TALLEST, laid_out, painted
from pose_estimation_ros.inference.two_pass.region import Region, box_of, merged
from pose_estimation_ros.inference.two_pass.second_pass import PackedRegions, SingleRegions, slot_output
from pose_estimation_ros.inference.two_pass.two_pass import FirstPassSchedule, TwoPass
from pose_estimation_ros.methods.lightweight_openpose.encoding import VISIBLE, encode
from pose_estimation_ros.methods.systems import find_method

METHOD = find_method('lightweight_openpose')
# Standing upright, as shares of the stature from the top of the head: x, y by keypoint of OPENPOSE_18.
STANDING = np.array(
    [
        *[(0, 0.08), (0, 0.18), (-0.105, 0.18), (-0.13, 0.35), (-0.13, 0.5), (0.105, 0.18), (0.13, 0.35), (0.13, 0.5)],
        *[(-0.06, 0.47), (-0.06, 0.71), (-0.06, 0.95), (0.06, 0.47), (0.06, 0.71), (0.06, 0.95)],
        *[(-0.02, 0.06), (0.02, 0.06), (-0.045, 0.07), (0.045, 0.07)],
    ]
)


def standing(x, y, height, score=10.0, seen=range(18)):
    """A person whose head begins at x, y, with some keypoints only."""
    keypoints = np.full((18, 3), np.nan)
    for index in seen:
        keypoints[index] = (*(STANDING[index] * height + (x, y)), 1)
    return Pose(keypoints, score)


class FigureBackend:
    """Sees a standing figure wherever a white bar of its height is, as sharply as the input shows it."""

    name, device, precision, fixed_hw = 'figures', 'cpu', 'fp32', None

    def __init__(self, least_height=40):
        self.least_height = least_height
        self.shapes = []

    def __call__(self, batch):
        self.shapes.append(batch.shape)
        maps = [encode(self._people(each), each.shape[1:]) for each in batch]
        return [np.stack(each) for each in zip(*maps, strict=True)]

    def _people(self, inputs):
        bright = (inputs[0] > 0.3).astype(np.uint8)
        _, _, stats, middles = cv2.connectedComponentsWithStats(bright)
        rows = []
        for (_, top, _, height, _), (x, _) in zip(stats[1:], middles[1:], strict=True):
            if height >= self.least_height:
                rows.append(np.column_stack([STANDING * height + (x, top), np.full(18, VISIBLE)]))
        return np.array(rows) if rows else np.empty((0, 18, 3))


def picture(*bars, hw=(1080, 1920)):
    """Grey, with white bars 8 % as wide as high: x of the middle, top, height."""
    image = np.full((*hw, 3), 100, np.uint8)
    for x, top, height in bars:
        half = max(1, round(0.04 * height))
        image[max(0, top) : top + height, max(0, x - half) : x + half + 1] = 255
    return image


def two_pass(backend=None, first=360, scales=(1.0,), flip=False, **settings):
    backend = backend or FigureBackend()
    settings = RegionSettings(**settings)
    base = Pipeline(backend, METHOD, base_size=first)
    finder = PeopleFinder(base, settings)
    return TwoPass(base, finder, PackedRegions(base.with_looks(scales, flip)), settings)


def assert_standing_at(poses, expected, tolerance):
    """Every person expected, (x, top, height), is there once, and nobody else."""
    assert len(poses) == len(expected)
    for x, top, height in expected:
        truth = STANDING * height + (x, top)
        errors = [np.nanmean(np.linalg.norm(pose.keypoints[:, :2] - truth, axis=1)) for pose in poses]
        assert min(errors) < tolerance, f'nobody within {tolerance} px of {x}, {top}: {errors}'


# Regions


def test_a_region_has_the_pixels_that_a_box_touches():
    region = Region.around((9.6, 20.4, 30.4, 40.6), 1.0, (100, 100))
    assert (region.left, region.top, region.right, region.bottom) == (10, 20, 31, 42)


def test_regions_are_clamped_at_the_borders():
    region = Region.around((-50, -3, 700, 500), 0.5, (480, 640))
    assert (region.left, region.top, region.right, region.bottom) == (0, 0, 640, 480)


@pytest.mark.parametrize('box', [(-30, 10, -2, 20), (650, 10, 700, 20), (10, -9, 20, -1), (10, 480, 20, 490)])
def test_a_box_outside_the_picture_is_no_region(box):
    assert Region.around(box, 1.0, (480, 640)) is None


def test_overlapping_regions_of_one_scale_become_one():
    one, other = Region(0, 0, 100, 200, 1.0), Region(20, 0, 120, 200, 0.9)
    assert merged([one, other]) == [Region(0, 0, 120, 200, 1.0)]


def test_merging_goes_on_until_nothing_is_saved():
    chain = [Region(80 * step, 0, 80 * step + 100, 100, 1.0) for step in range(6)]
    assert merged(chain) == [Region(0, 0, 500, 100, 1.0)]


def test_a_small_person_before_a_large_one_keeps_a_region_of_their_own():
    large, small = Region(0, 0, 900, 900, 0.25), Region(400, 400, 500, 500, 2.0)
    assert sorted(merged([large, small]), key=lambda region: region.scale) == [large, small]


def test_regions_that_do_not_overlap_stay_apart_however_near():
    apart = [Region(0, 0, 100, 100, 1.0), Region(100, 0, 200, 100, 1.0)]
    assert sorted(merged(apart), key=lambda region: region.left) == apart


# Stature


@pytest.mark.parametrize('height', [30, 200, 900])
def test_the_stature_of_a_whole_person(height):
    assert body_height(standing(50, 60, height)) == pytest.approx(height, rel=0.2)


@pytest.mark.parametrize(
    'seen', [(0, 1, 2, 3, 5, 6), (2, 5, 8, 11), (8, 9, 10, 11, 12, 13)], ids=['upper body', 'torso', 'legs']
)
def test_the_stature_of_somebody_half_seen_is_told_from_the_half(seen):
    assert body_height(standing(0, 0, 300, seen=seen)) == pytest.approx(300, rel=0.3)


def test_a_single_keypoint_tells_no_stature():
    assert body_height(standing(0, 0, 300, seen=(0,))) == 0


@pytest.mark.parametrize('skeleton', [COCO_17, MPII_16])
def test_statures_do_not_depend_on_the_skeleton(skeleton):
    pose = standing(0, 0, 400)
    other = Pose(OPENPOSE_18.convert(pose.keypoints, skeleton), 1.0, skeleton)
    assert body_height(other) == pytest.approx(body_height(pose), rel=0.1)


# Finding


def test_people_are_shown_as_tall_as_the_second_pass_wants_them():
    people = SizedPose.all([standing(300, 100, 400), standing(1000, 100, 150)])
    regions = around_people(people, (1080, 1920), RegionSettings(person_height=200, largest_scale=2))
    for person, region in zip(people, regions, strict=True):
        assert person.height * region.scale == pytest.approx(200)
        left, top, right, bottom = box_of(person.pose.found[:, :2])
        assert region.left < left < right < region.right
        assert region.top < top < bottom < region.bottom


def test_nothing_is_enlarged_beyond_the_largest_scale():
    people = SizedPose.all([standing(300, 100, 20)])
    assert around_people(people, (1080, 1920), RegionSettings(largest_scale=1.5))[0].scale == 1.5


def test_people_without_a_stature_have_no_region():
    assert around_people(SizedPose.all([standing(30, 10, 300, seen=(0,))]), (480, 640), RegionSettings()) == []


def seen_heat(spots, hw=(1080, 1920), rows=360):
    """What the first pass shows, with single warm cells (column, row), and how the picture lies in it."""
    letterbox = Letterbox.fit(hw, rows, 8)
    heat = np.zeros((letterbox.network_hw[0] // 8, letterbox.network_hw[1] // 8), np.float32)
    for column, row in spots:
        heat[row, column] = 0.5
    return heat, letterbox


def test_one_warm_cell_is_the_middle_of_its_region():
    (region,) = around_heat(*seen_heat([(40, 20)]), SizedPose.all([standing(1800, 900, 100)]), RegionSettings())
    # Cell 40 is centred on network pixel 323.5, which at a third of the size is image pixel 971.5.
    assert (region.left + region.right - 1) / 2 == pytest.approx((323.5 + 0.5) * 3 - 0.5, abs=1)
    assert (region.top + region.bottom - 1) / 2 == pytest.approx((163.5 + 0.5) * 3 - 0.5, abs=1)


def test_neighbouring_heat_is_one_region_and_distant_heat_another():
    spots = [(40, 20), (41, 20), (42, 22), (10, 10)]
    assert len(around_heat(*seen_heat(spots), SizedPose.all([standing(1800, 900, 100)]), RegionSettings())) == 2


def test_heat_of_people_who_are_known_is_explained():
    person = standing(971, 450, 200)
    spots = [(round((x / 3 - 3.5) / 8), round((y / 3 - 3.5) / 8)) for x, y in person.keypoints[:, :2]]
    assert around_heat(*seen_heat(spots), SizedPose.all([person]), RegionSettings()) == []


def test_cold_maps_leave_nothing_to_look_at():
    assert around_heat(*seen_heat([]), SizedPose.all([standing(9, 9, 99)]), RegionSettings()) == []


@pytest.mark.parametrize(
    ('name', 'value'), [('person_height', 0), ('margin', -0.1), ('largest_scale', 0), ('tolerance', 0)]
)
def test_wrong_settings_are_told(name, value):
    with pytest.raises(SettingsError, match=f'{name} must be .* got {value}'):
        RegionSettings(**{name: value})


# Packing


def test_slots_lie_apart_on_their_canvas():
    rng = np.random.default_rng(3)
    regions = [Region(0, 0, *rng.integers(20, 400, 2), float(rng.uniform(0.3, 2))) for _ in range(25)]
    layout = laid_out(regions, 8)
    taken = [np.zeros(hw, int) for hw in layout.canvases_hw]
    for slot in layout.slots:
        height, width = slot.letterbox.network_hw
        assert slot.row % 8 == slot.column % 8 == height % 8 == width % 8 == 0
        own = taken[slot.canvas][slot.row : slot.row + height, slot.column : slot.column + width]
        assert own.shape == (height, width), 'a slot reaches beyond its canvas'
        own += 1
        assert height - slot.letterbox.resized_hw[0] >= GAP
    assert all(each.max() == 1 for each in taken)
    assert sum(each.mean() * each.size for each in taken) > 0.6 * sum(each.size for each in taken)


@pytest.mark.parametrize('size', [(30, 30), (700, 90), (90, 1900), (8, 3000)])
def test_pipelines_take_canvases_as_they_are(size):
    layout = laid_out([Region(0, 0, size[1], size[0], 1.0)], 8)
    (hw,) = layout.canvases_hw
    assert min(hw) >= LEAST_SIDE
    letterbox = Pipeline(FigureBackend(), METHOD, base_size=hw[0]).place(hw)
    assert letterbox.scale == 1
    assert letterbox.network_hw == hw


def test_what_does_not_fit_on_one_canvas_goes_to_another():
    layout = laid_out([Region(0, 0, 1500, 1500, 1.0)] * 4, 8)
    assert len(layout.canvases_hw) > 1
    assert all(height <= TALLEST + 1600 for height, _ in layout.canvases_hw)


def test_no_regions_need_no_canvas():
    assert laid_out([], 8).canvases_hw == ()


@pytest.mark.parametrize('scale', [0.25, 0.61, 1.0, 1.9])
def test_a_pixel_and_a_keypoint_land_together(scale):
    """One bright pixel of the picture is where the region's own letterbox says that its keypoint is."""
    image = np.zeros((400, 600, 3), np.uint8)
    x, y = 333, 222
    image[y - 4 : y + 5, x - 4 : x + 5] = 255
    regions = [Region(0, 0, 90, 50, 1.0), Region(301, 155, 460, 344, scale)]
    layout = laid_out(regions, 8)
    (canvas,) = painted(layout, [region.of(image) for region in regions])
    slot = layout.slots[1]
    height, width = slot.letterbox.resized_hw
    part = canvas[slot.row : slot.row + height, slot.column : slot.column + width, 0].astype(float)
    rows, columns = np.indices(part.shape)
    bright = np.array([(columns * part).sum(), (rows * part).sum()]) / part.sum()
    expected = slot.letterbox.image_to_network()(np.array([x - 301.0, y - 155.0]))
    assert np.allclose(bright, expected, atol=0.2)


# Looking


@pytest.mark.parametrize('scale', [0.5, 1.0, 1.7])
@pytest.mark.parametrize('look', [PackedRegions, SingleRegions])
def test_keypoints_come_back_to_where_they_are_in_the_picture(look, scale):
    image = picture((700, 300, 160), (1500, 500, 240))
    regions = [Region(610, 241, 803, 520, scale), Region(1390, 431, 1622, 800, scale)]
    base = Pipeline(FigureBackend(), METHOD)
    looked = look(base)([image], [regions])[0]
    assert_standing_at(looked.poses, [(700, 300, 160), (1500, 500, 240)], tolerance=4 / scale)
    assert looked.timings.forward_ms > 0


def test_regions_of_several_pictures_share_a_forward_pass():
    backend = FigureBackend()
    base = Pipeline(backend, METHOD)
    images = [picture((700, 300, 160)), picture((200, 600, 200)), picture()]
    regions = [[Region(610, 241, 803, 520, 1.0)], [Region(80, 540, 320, 860, 1.0)], []]
    backend.shapes.clear()
    looked = PackedRegions(base)(images, regions)
    assert len(backend.shapes) == 1
    assert_standing_at(looked[0].poses, [(700, 300, 160)], tolerance=4)
    assert_standing_at(looked[1].poses, [(200, 600, 200)], tolerance=4)
    assert looked[2].poses == []


@pytest.mark.parametrize(
    ('scales', 'flip'), [((1.0,), True), ((1.0, 2.0), False), ((0.5, 1.0, 1.5), False), ((1.0, 1.3), True)]
)
def test_the_second_pass_may_use_flips_and_scales(scales, flip):
    people = [(700, 300, 120), (1500, 500, 140)]
    assert_standing_at(two_pass(scales=scales, flip=flip)(picture(*people)).poses, people, tolerance=4)


def test_parts_of_maps_of_different_strides_belong_together():
    layout = laid_out([Region(0, 0, 50, 50, 1.0), Region(0, 0, 60, 90, 1.0)], 16)
    hw = layout.canvases_hw[0]
    maps = [
        np.arange(hw[0] // step * (hw[1] // step), dtype=np.float32).reshape(1, hw[0] // step, -1) for step in (4, 8)
    ]
    output = NetworkOutput(maps, Letterbox.whole(hw), Timings())
    for slot in layout.slots:
        fine, coarse = slot_output(output, slot)[0]
        assert fine.shape[1:] == (2 * coarse.shape[1], 2 * coarse.shape[2])
        assert fine[0, 0, 0] == maps[0][0, slot.row // 4, slot.column // 4]
        assert coarse[0, 0, 0] == maps[1][0, slot.row // 8, slot.column // 8]


@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_a_region_is_found_in_a_canvas_that_the_method_has_moved(scale):
    """Placement by the short side pads a canvas around its centre: the cut-out cells know where their region lies."""
    layout = laid_out([Region(0, 0, 50, 50, 1.0), Region(0, 0, 60, 90, 1.0)], 8)
    (hw,) = layout.canvases_hw
    whole = CentredAffine.short_side(hw, hw[0], scale, least_scale=0.5)
    assert np.abs(whole.image_to_network().matrix[:, 2]).max() > 4
    cells = np.stack(np.indices([side // 4 for side in whole.network_hw])).astype(np.float32)
    output = NetworkOutput([cells], whole, Timings())
    for slot in layout.slots:
        (part,), placement = slot_output(output, slot)
        start = part[::-1, 0, 0] * 4
        in_canvas = slot.letterbox.image_to_network()(np.array([[7.0, 5.0], [40.0, 44.0]])) + (slot.column, slot.row)
        expected = whole.image_to_network()(in_canvas) - start
        found = placement.image_to_network()(np.array([[7.0, 5.0], [40.0, 44.0]]))
        assert np.abs(found - expected).max() < 1
        assert placement.network_hw == (part.shape[1] * 4, part.shape[2] * 4)


# Merging


def test_the_same_person_seen_twice_is_told_once_by_the_better_pose():
    worse, better = standing(100, 100, 200, score=5), standing(103, 101, 200, score=9)
    assert without_duplicates([worse, better]) == [better]


def test_a_fragment_at_a_region_s_border_is_slot_output_the_whole():
    whole, fragment = standing(100, 100, 200, score=9), standing(101, 102, 200, score=2, seen=(2, 3, 4))
    assert without_duplicates([fragment, whole]) == [whole]


def test_people_side_by_side_are_both_told():
    people = [standing(100, 100, 200), standing(160, 100, 200), standing(100, 320, 60)]
    assert without_duplicates(people) == people


# Both passes


@pytest.mark.parametrize(
    'people',
    [
        [(960, 400, 150)],
        [(400, 100, 140), (1500, 700, 180), (900, 300, 240)],
        [(500, 200, 800), (1400, 500, 130)],
        [(4, 500, 150), (1915, 400, 150)],
        [(960, 2, 150), (700, 925, 150)],
        [(900, 400, 150), (960, 400, 150), (1020, 405, 150)],
    ],
    ids=['one', 'three', 'large and small', 'left and right border', 'upper and lower border', 'overlapping'],
)
def test_everybody_is_told_once_and_in_place(people):
    backend = FigureBackend()
    result = two_pass(backend)(picture(*people))
    assert_standing_at(result.poses, people, tolerance=6)
    whole = 1080 * 1920
    assert sum(shape[2] * shape[3] for shape in backend.shapes[1:]) < whole / 2.5


def test_a_closer_look_places_keypoints_more_precisely():
    people = [(961, 411, 131)]
    first_only = Pipeline(FigureBackend(), METHOD, base_size=360)(picture(*people))
    both = two_pass()(picture(*people))
    truth = STANDING * 131 + (961, 411)
    first, second = (
        np.nanmean(np.linalg.norm(result.poses[0].keypoints[:, :2] - truth, axis=1)) for result in (first_only, both)
    )
    assert second < 0.7 * first


def test_nobody_in_view_costs_the_first_pass_alone():
    backend = FigureBackend()
    pipeline = two_pass(backend)
    backend.shapes.clear()
    assert pipeline(picture()).poses == []
    assert backend.shapes == [(1, 3, 360, 640)]


def test_people_large_enough_in_the_first_pass_are_not_looked_at_again():
    backend = FigureBackend()
    pipeline = two_pass(backend)
    backend.shapes.clear()
    result = pipeline(picture((900, 100, 900)))
    assert_standing_at(result.poses, [(900, 100, 900)], tolerance=15)
    assert len(backend.shapes) == 1


def test_a_batch_gives_what_single_pictures_give():
    images = [picture((700, 300, 160)), picture(), picture((200, 600, 200), (1500, 300, 130))]
    pipeline = two_pass()
    for together, image in zip(pipeline.batch(images), images, strict=True):
        alone = pipeline(image)
        assert len(together.poses) == len(alone.poses)
        for one, other in zip(together.poses, alone.poses, strict=True):
            assert np.allclose(one.keypoints, other.keypoints, atol=0.01, equal_nan=True)


def test_at_most_so_many_people():
    pipeline = replace(two_pass(), max_persons=2)
    poses = pipeline(picture((400, 100, 140), (1500, 700, 180), (900, 300, 240))).poses
    assert len(poses) == 2


def test_a_candidate_that_the_second_pass_does_not_see_is_dropped():
    class Once(FigureBackend):
        def __call__(self, batch):
            self.least_height = 40 if batch.shape[2] == 360 else 10_000
            return super().__call__(batch)

    assert two_pass(Once())(picture((960, 400, 150))).poses == []


# Video


class Recorded:
    """A pipeline that notes how it was asked to look."""

    def __init__(self, people):
        self.people = people
        self.calls = []

    def with_known(self, image, known):
        self.calls.append('first')
        return self._result()

    def follow(self, image, known):
        self.calls.append('follow')
        return self._result()

    def _result(self):
        return type('Result', (), {'poses': self.people})


def watched(watch, pipeline, known, frames, hw=(90, 160)):
    for _ in range(frames):
        watch(pipeline, np.zeros((*hw, 3), np.uint8), known)
    return pipeline.calls


def test_newcomers_are_looked_for_at_the_interval():
    people = [standing(9, 9, 50)]
    calls = watched(FirstPassSchedule(4), Recorded(people), people, 9)
    assert calls == ['first', 'follow', 'follow', 'follow', 'first', 'follow', 'follow', 'follow', 'first']


def test_the_first_pass_runs_on_every_picture_while_nobody_is_known():
    assert watched(FirstPassSchedule(4), Recorded([]), [], 3) == ['first'] * 3


def test_the_first_pass_runs_again_once_somebody_was_lost():
    known = [standing(9, 9, 50), standing(80, 9, 50)]
    assert watched(FirstPassSchedule(9), Recorded(known[:1]), known, 4) == ['first', 'follow'] * 2


def test_pictures_of_another_size_are_looked_at_afresh():
    people = [standing(9, 9, 50)]
    watch, pipeline = FirstPassSchedule(9), Recorded(people)
    watched(watch, pipeline, people, 2)
    assert watched(watch, pipeline, people, 2, hw=(80, 160)) == ['first', 'follow', 'first', 'follow']


def test_a_reset_watch_begins_with_a_first_pass():
    people = [standing(9, 9, 50)]
    watch, pipeline = FirstPassSchedule(9), Recorded(people)
    watched(watch, pipeline, people, 2)
    watch.reset()
    assert watched(watch, pipeline, people, 1)[-1] == 'first'


@pytest.mark.parametrize('interval', [0, -1])
def test_an_interval_below_one_is_refused(interval):
    with pytest.raises(SettingsError, match=f'newcomers_interval must be 1 .* or more, got {interval}'):
        FirstPassSchedule(interval)


def test_people_who_moved_a_little_are_followed_without_a_first_pass():
    backend = FigureBackend()
    pipeline = two_pass(backend)
    before = pipeline(picture((700, 300, 160))).poses
    backend.shapes.clear()
    after = pipeline.follow(picture((712, 305, 160), (1500, 300, 200)), before).poses
    assert_standing_at(after, [(712, 305, 160)], tolerance=4)
    assert len(backend.shapes) == 1
    assert backend.shapes[0][2:] != (360, 640)


def test_people_whom_the_first_pass_misses_are_found_where_they_were():
    backend = FigureBackend(least_height=60)  # in the first pass a figure of 150 is 50 pixels tall
    pipeline = two_pass(backend, heat_threshold=2.0)
    image = picture((700, 300, 150))
    assert pipeline(image).poses == []
    assert_standing_at(pipeline.with_known(image, [standing(690, 303, 150)]).poses, [(700, 300, 150)], tolerance=4)


# A real network


def test_small_people_in_a_large_picture_are_found(omz_onnx, photo):
    backend = open_backend(omz_onnx, BackendSettings(backend='onnxruntime', device='cpu', threads=1))
    base = Pipeline(backend, METHOD)
    large = np.full((1080, 1920, 3), 128, np.uint8)
    crop = cv2.resize(photo[160:416, 406:854], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    large[500 : 500 + 512, 100 : 100 + 896] = crop
    settings = RegionSettings()
    finder = PeopleFinder(base.with_size(360), settings)
    found = TwoPass(base, finder, PackedRegions(base), settings)(large).poses
    truth = [pose for pose in base.with_size(512)(crop).poses if len(pose.found) >= 12 and body_height(pose) > 90]
    assert truth
    for person in truth:
        expected = person.keypoints[:, :2] + (100, 500)
        errors = [np.nanmean(np.linalg.norm(pose.keypoints[:, :2] - expected, axis=1)) for pose in found]
        assert np.nanmin(errors) < 0.06 * body_height(person)
