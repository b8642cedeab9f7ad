"""Transforms: a bright spot and the keypoint on it stay together, and people, boxes and mask follow the image."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18, Skeleton
from pose_estimation_ros.data.sample import Sample
from pose_estimation_ros.data.transforms.builders import (
    camera_like,
    letterboxed,
)
from pose_estimation_ros.data.transforms.person import (
    CropAroundPerson,
    RotateExpanding,
    ScaleToPerson,
)
from pose_estimation_ros.data.transforms.photometric import Blur, Colour, Grey, JpegArtifacts, Noise
from pose_estimation_ros.data.transforms.steps import (
    CentreCrop,
    FitInside,
    LongestSide,
    PadTo,
    RandomCrop,
    RandomFlip,
    RandomResize,
    RandomRotation,
    RandomScale,
    RandomTranslation,
    ShortestSide,
    Sometimes,
)
from pose_estimation_ros.data.transforms.warp import Compose, DropSmall, Warp
from pose_estimation_ros.methods.lightweight_openpose.augmentation import published_augmentation

SPOT = Skeleton('spot', ('nose',), ('nose',), (), (0.1,))
STEPS = {
    'longest': (LongestSide(123),),
    'shortest': (ShortestSide(311),),
    'fit': (FitInside(97, 301),),
    'pad': (PadTo(333, 401),),
    'pad at the end': (PadTo(333, 401, centred=False),),
    'centre crop': (CentreCrop(151, 122),),
    'crop': (RandomCrop(190, 280),),
    'crop of more': (RandomCrop(390, 480),),
    'flip': (RandomFlip(SPOT, 1.0),),
    'rotation': (RandomRotation(60),),
    'scale': (RandomScale(0.7, 1.4),),
    'resize': (RandomResize(0.7, 1.4),),
    'translation': (RandomTranslation(0.1),),
    'to person': (ScaleToPerson(200),),
    'expanding': (RotateExpanding(70),),
    'around person': (CropAroundPerson(180, 200, 30),),
    'two flips': (RandomFlip(SPOT, 1.0), RandomScale(0.9, 1.1), RandomFlip(SPOT, 1.0)),
}


def spotted(hw=(211, 300), xy=(142.3, 97.6), sigma=4.0) -> Sample:
    """Return a sample with one soft spot and one keypoint at its middle."""
    rows, columns = np.mgrid[: hw[0], : hw[1]]
    spot = 255 * np.exp(-((columns - xy[0]) ** 2 + (rows - xy[1]) ** 2) / (2 * sigma**2))
    image = np.repeat(np.round(spot).astype(np.uint8)[..., None], 3, axis=2)
    box = [xy[0] - 30, xy[1] - 40, 60, 80]
    keypoints = np.array([[[*xy, 2.0]]])
    return Sample(image, np.ones(hw, np.uint8), keypoints, np.array([box]), np.array([2400.0]), np.ones(1, bool))


def centroid(image: np.ndarray) -> np.ndarray:
    weight = image[..., 0].astype(float)
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


def apart(sample: Sample) -> float:
    return float(np.abs(centroid(sample.image) - sample.keypoints[0, 0, :2]).max())


def people(hw=(120, 160), skeleton=COCO_17) -> Sample:
    """Return a noisy image with two people."""
    rng = np.random.default_rng(3)
    keypoints = np.concatenate(
        [rng.uniform(20, 100, (2, len(skeleton), 2)), np.full((2, len(skeleton), 1), 2.0)], axis=2
    )
    image = cv2.GaussianBlur(rng.integers(0, 256, (*hw, 3), dtype=np.uint8), (0, 0), 2)
    boxes = np.array([[18.0, 18, 84, 84], [30, 40, 5, 6]])
    return Sample(
        image, np.ones(hw, np.uint8), keypoints, boxes, np.array([4000.0, 20.0]), np.ones(len(skeleton), bool), {'a': 1}
    )


@pytest.mark.parametrize('name', STEPS)
@pytest.mark.parametrize('seed', range(3))
def test_spot_and_keypoint_stay_together(name, seed):
    moved = Warp(STEPS[name], image_pad=0)(spotted(), np.random.default_rng(seed))
    assert moved.image.max() > 100
    assert apart(moved) < 0.03


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('xy', [(142.3, 97.6), (60.0, 150.5)])
def test_spot_and_keypoint_stay_together_through_the_published_chain(seed, xy):
    (warp,) = published_augmentation(200, SPOT).transforms
    moved = replace(warp, image_pad=0)(spotted(xy=xy), np.random.default_rng(seed))
    assert moved.image.max() > 100
    assert apart(moved) < 0.03


@pytest.mark.parametrize('seed', range(6))
def test_spot_and_keypoint_stay_together_through_all_steps_at_once(seed):
    steps = [step for name, chain in STEPS.items() if 'crop' not in name for step in chain]
    moved = Warp((*steps, RandomScale(0.4, 0.6)), image_pad=0)(spotted(sigma=9.0), np.random.default_rng(seed))
    assert moved.image.max() > 100
    assert apart(moved) < 0.05


@pytest.mark.parametrize('size', [37, 64, 150, 333])
def test_strong_shrinking_does_not_shift(size):
    sample = spotted((1201, 1600), (700.4, 511.7), 30)
    assert apart(Warp((LongestSide(size), RandomRotation(20)), image_pad=0)(sample, np.random.default_rng(1))) < 0.02


def test_strong_shrinking_averages_all_pixels():
    sample = people((800, 800))
    chequered = np.indices((800, 800)).sum(axis=0) % 2 * 255
    sample = replace(sample, image=np.repeat(chequered[..., None], 3, axis=2).astype(np.uint8))
    small = Warp((LongestSide(80), RandomTranslation(0.02)))(sample, np.random.default_rng(1)).image
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_one_pixel_lands_where_its_keypoint_does():
    sample = people()
    image = np.zeros_like(sample.image)
    image[50, 70] = 255
    keypoints = sample.keypoints[:1].copy()
    keypoints[0, 0] = 70, 50, 2
    sample = replace(sample, image=image, keypoints=keypoints)
    for steps in ([RandomFlip(p=1.0)], [PadTo(200, 201)], [CentreCrop(100, 101)], [RandomCrop(90, 140)]):
        moved = Warp(tuple(steps), image_pad=0)(sample, np.random.default_rng(0))
        rows, columns = np.nonzero(moved.image[..., 0])
        nose = moved.keypoints[0, COCO_17.flip.index(0), :2]
        assert (columns.tolist(), rows.tolist()) == ([nose[0]], [nose[1]])


def test_image_is_resampled_once(monkeypatch):
    calls = []
    warp = cv2.warpAffine
    monkeypatch.setattr(cv2, 'warpAffine', lambda *args, **named: calls.append(1) or warp(*args, **named))
    published_augmentation(64, COCO_17)(people(), np.random.default_rng(0))
    assert len(calls) == 1


def test_no_steps_change_nothing():
    sample = people()
    same = Warp(())(sample, np.random.default_rng(0))
    assert np.array_equal(same.image, sample.image)
    assert np.array_equal(same.keypoints, sample.keypoints)
    assert same.image is not sample.image


def test_flip_swaps_sides_of_keypoints_and_of_what_is_annotated():
    sample = people()
    annotated = sample.annotated.copy()
    annotated[COCO_17.index('left_wrist')] = False
    flipped = Warp((RandomFlip(COCO_17, 1.0),))(replace(sample, annotated=annotated), np.random.default_rng(0))
    left, right = COCO_17.index('left_wrist'), COCO_17.index('right_wrist')
    assert np.array_equal(flipped.image, sample.image[:, ::-1])
    assert flipped.keypoints[:, left] == pytest.approx(
        np.c_[159 - sample.keypoints[:, right, 0], sample.keypoints[:, right, 1:]]
    )
    assert not flipped.annotated[right]
    assert flipped.annotated[left]


def test_flip_of_another_skeleton_is_refused():
    with pytest.raises(SettingsError, match='18 keypoints cannot be mirrored as coco_17'):
        Warp((RandomFlip(COCO_17, 1.0),))(people(skeleton=OPENPOSE_18), np.random.default_rng(0))


def test_boxes_and_areas_follow():
    moved = Warp((LongestSide(80),))(people(), np.random.default_rng(0))
    assert moved.boxes[0] == pytest.approx([18.5 / 2 - 0.5, 18.5 / 2 - 0.5, 42, 42])
    assert moved.areas == pytest.approx([1000, 5])
    turned = Warp((RotateExpanding(45),))(people(), np.random.default_rng(5))
    assert turned.areas == pytest.approx([4000, 20])
    low, high = turned.keypoints[0, :, :2].min(axis=0), turned.keypoints[0, :, :2].max(axis=0)
    assert (turned.boxes[0, :2] <= low).all()
    assert (turned.boxes[0, :2] + turned.boxes[0, 2:] >= high).all()


def test_keypoints_without_label_stay_without_place():
    sample = people()
    sample.keypoints[0, 3] = 0
    moved = Warp((RandomTranslation(0.3), RandomFlip(COCO_17, 1.0)))(sample, np.random.default_rng(0))
    assert moved.keypoints[0, COCO_17.flip[3]].tolist() == [0, 0, 0]
    assert (moved.keypoints[0, :, 2] == 0).sum() == 1


def test_expanding_rotation_cuts_nothing_off():
    sample = people()
    sample = replace(sample, image=np.full_like(sample.image, 255))
    for seed in range(5):
        turned = Warp((RotateExpanding(40),), image_pad=0)(sample, np.random.default_rng(seed)).image
        assert turned[..., 0].astype(float).sum() / 255 == pytest.approx(120 * 160, rel=0.01)


@pytest.mark.parametrize('mask_pad', [0, 1])
def test_padding_is_grey_and_counts_as_asked(mask_pad):
    sample = people()
    sample.mask[:, :80] = 0
    padded = Warp((PadTo(140, 180),), image_pad=33, mask_pad=mask_pad)(sample, np.random.default_rng(0))
    assert (padded.image[:10] == 33).all()
    assert np.array_equal(padded.image[10:130, 10:170], sample.image)
    assert (padded.mask[:10] == mask_pad).all()
    assert np.array_equal(padded.mask[10:130, 10:170], sample.mask)
    assert padded.mask.dtype == np.uint8


def test_mask_follows_the_image():
    sample = spotted((211, 300), (142.3, 97.6), 14.0)
    sample = replace(sample, mask=(sample.image[..., 0] < 127).astype(np.uint8))
    (warp,) = published_augmentation(200, SPOT).transforms
    for seed in range(5):
        moved = replace(warp, image_pad=0)(sample, np.random.default_rng(seed))
        assert set(np.unique(moved.mask)) == {0, 1}
        differs = (moved.image[..., 0] < 127) != (moved.mask > 0)
        assert differs.sum() <= 0.1 * (moved.mask == 0).sum()


def test_published_chain_scales_and_crops_by_the_first_person():
    heights, centres = [], []
    for seed in range(200):
        moved = published_augmentation()(people(skeleton=OPENPOSE_18), np.random.default_rng(seed))
        assert moved.image.shape == (368, 368, 3)
        heights.append(84 * np.sqrt(moved.areas[0] / 4000))
        centres.append(moved.boxes[0, :2] + moved.boxes[0, 2:] / 2 - 183.5)
    assert 0.5 * 0.6 * 368 <= min(heights) < 0.53 * 0.6 * 368
    assert 1.07 * 0.6 * 368 < max(heights) <= 1.1 * 0.6 * 368 + 0.01
    assert 37 < np.abs(centres).max() <= 40.01


def test_published_chain_turns_at_most_forty_degrees_and_mirrors_half():
    angles, mirrored = [], 0
    for seed in range(200):
        sample = people(skeleton=OPENPOSE_18)
        sample.keypoints[0, 0], sample.keypoints[0, 1] = (40, 60, 2), (80, 60, 2)
        moved = published_augmentation()(sample, np.random.default_rng(seed)).keypoints[0, :2, :2]
        x, y = moved[1] - moved[0]
        mirrored += x < 0
        angles.append(np.degrees(np.arctan2(y, abs(x))))
    assert 37 < np.abs(angles).max() <= 40
    assert 70 < mirrored < 130


def test_published_chain_takes_images_without_people():
    sample = people(skeleton=OPENPOSE_18)
    empty = replace(sample, keypoints=sample.keypoints[:0], boxes=sample.boxes[:0], areas=sample.areas[:0])
    flat = replace(sample, boxes=np.zeros((2, 4)))
    for each in (empty, flat):
        moved = published_augmentation(128)(each, np.random.default_rng(1))
        assert moved.image.shape == (128, 128, 3)
        assert (moved.image != 128).mean() > 0.2
        assert len(moved.keypoints) == len(each.keypoints)


def test_letterbox_shows_all_of_the_image_in_the_middle():
    boxed = letterboxed(80)(people(), np.random.default_rng(0))
    assert boxed.image.shape == (80, 80, 3)
    assert (boxed.image[:10] == 128).all()
    assert (boxed.image[70:] == 128).all()
    assert boxed.image[10:70].std() > 3
    assert letterboxed((64, 200))(people(), np.random.default_rng(0)).image.shape == (64, 200, 3)


def padded_below(size):
    """Return a chain that pads below and on the right, and drops people of less than 64 square pixels."""
    return Compose((Warp((LongestSide(size), PadTo(size, size, centred=False)), 127), DropSmall(64.0)))


def test_a_whole_image_is_padded_below_and_small_people_are_dropped_by_their_new_size():
    sample = people()
    still = padded_below(320)(sample, np.random.default_rng(0))
    assert still.image.shape == (320, 320, 3)
    assert (still.image[241:] == 127).all()  # at the border itself both are blended
    assert (still.image[:239] != 127).mean() > 0.9
    assert len(still.keypoints) == 2  # 20 square pixels have become 80
    assert len(padded_below(160)(sample, np.random.default_rng(0)).keypoints) == 1


def test_small_people_are_dropped_whole():
    kept = DropSmall(100)(people(), np.random.default_rng(0))
    assert (len(kept.keypoints), len(kept.boxes), len(kept.areas)) == (1, 1, 1)
    assert kept.areas[0] == 4000


def test_sometimes_is_all_or_nothing():
    moves = Sometimes(0.5, (RandomFlip(COCO_17, 1.0), PadTo(200, 200)))
    shapes = [Warp((moves,))(people(), np.random.default_rng(seed)).image.shape[0] for seed in range(60)]
    assert 15 < shapes.count(200) < 45
    assert shapes.count(200) + shapes.count(120) == 60


@pytest.mark.parametrize('change', [Colour(p=1.0), Grey(p=1.0), Blur(p=1.0), Noise(p=1.0), JpegArtifacts(p=1.0)])
def test_colours_change_and_people_do_not(change):
    sample = people()
    before = sample.image.copy()
    changed = change(sample, np.random.default_rng(2))
    assert changed.image.shape == before.shape
    assert changed.image.dtype == np.uint8
    assert not np.array_equal(changed.image, before)
    assert np.array_equal(sample.image, before)
    assert changed.keypoints is sample.keypoints
    assert replace(change, p=0.0)(sample, np.random.default_rng(2)).image is sample.image


def test_colour_does_what_it_says():
    sample = replace(people(), image=np.full((8, 8, 3), (40, 80, 160), np.uint8))
    rng = np.random.default_rng
    plain = Colour(0, 0, 0, 0, p=1.0)(sample, rng(0)).image
    assert np.array_equal(plain, sample.image)
    lighter = [Colour(0.3, 0, 0, 0, p=1.0)(sample, rng(seed)).image[0, 0] / (40, 80, 160) for seed in range(40)]
    assert 0.69 <= np.min(lighter) < 0.78
    assert 1.22 < np.max(lighter) <= 1.31
    assert np.ptp(Grey(p=1.0)(sample, rng(0)).image) == 0
    pale = [np.ptp(Colour(0, 0, 0.5, 0, p=1.0)(sample, rng(seed)).image[0, 0].astype(int)) for seed in range(40)]
    assert min(pale) < 0.6 * 120
    assert max(pale) > 1.1 * 120


def test_same_seed_gives_the_same_sample():
    chain = Compose((published_augmentation(96), *camera_like()))
    first, second = (chain(people(skeleton=OPENPOSE_18), np.random.default_rng([7, 1])) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.keypoints, second.keypoints)
    other = chain(people(skeleton=OPENPOSE_18), np.random.default_rng([7, 2]))
    assert not np.array_equal(first.image, other.image)


def test_chains_can_be_pickled():
    chain = Compose((published_augmentation(96), *camera_like(), padded_below(64)))
    copy = pickle.loads(pickle.dumps(chain))
    assert copy == chain
    assert copy(people(skeleton=OPENPOSE_18), np.random.default_rng(0)).image.shape == (64, 64, 3)


@pytest.mark.parametrize(
    ('make', 'sentence'),
    [
        (lambda: LongestSide(0), 'a size must be 1 pixel or more, got 0'),
        (lambda: CentreCrop(10, -1), 'got 10x-1'),
        (lambda: RandomResize(2, 1), r'the scale must be .*got \(2, 1\)'),
        (lambda: RandomScale(2, 1), r'the scale must be .*got \(2, 1\)'),
        (lambda: RandomFlip(p=1.5), 'p must be between 0 and 1, got 1.5'),
        (lambda: RandomTranslation(-0.1), 'share must be between'),
        (lambda: ScaleToPerson(368, multiplier=(0, 1)), 'multiplier must be'),
        (lambda: Warp((), image_pad=300), 'image_pad must be a grey level'),
        (lambda: Warp((), mask_pad=2), 'mask_pad 0 or 1'),
        (lambda: Blur(sigma=(2, 1)), 'sigma must be'),
        (lambda: JpegArtifacts(quality=(50, 200)), 'quality must be'),
        (lambda: Colour(hue=2), 'hue must be between 0 and 1'),
    ],
)
def test_impossible_settings_are_refused(make, sentence):
    with pytest.raises(SettingsError, match=sentence):
        make()


def test_the_old_name_of_keypoints_works_and_warns():
    sample = spotted()
    with pytest.warns(DeprecationWarning, match=r'Sample\.joints is now Sample\.keypoints'):
        assert sample.joints is sample.keypoints
