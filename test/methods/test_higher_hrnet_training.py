"""Targets, loss and augmentation of HigherHRNet against golden vectors, and a network that learns one image."""

import json

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.data.datasets.coco import coco_annotated
from pose_estimation_ros.data.sample import Sample, boxes_of
from pose_estimation_ros.data.transforms.short_side import AffineDraws, ShortSideAffine
from pose_estimation_ros.data.transforms.steps import RandomFlip
from pose_estimation_ros.data.transforms.warp import View, Warp
from pose_estimation_ros.methods.higher_hrnet.augmentation import (
    STILL,
    AugmentationSettings,
    published_augmentation,
)
from pose_estimation_ros.methods.higher_hrnet.decoding import build_decoder
from pose_estimation_ros.methods.higher_hrnet.encoding import TargetSettings, encode_cells, encode_heatmaps
from pose_estimation_ros.methods.higher_hrnet.objective import HigherHRNetObjective, TagSettings
from pose_estimation_ros.methods.method import InputSize, Look
from pose_estimation_ros.methods.objective import Annotation
from pose_estimation_ros.methods.short_side import place_by_short_side

THAWRO = AugmentationSettings(0.7, 1.6)
CASES = [
    *(('augment_higherhrnet', f'hhr_c{number}', AugmentationSettings()) for number in range(3)),
    *(('augment_thawro', f'aug_c{number}', THAWRO) for number in range(2)),
]
EVERYTHING = np.ones(17, bool)


def objective(**settings):
    return HigherHRNetObjective.of(4, settings)


# --- targets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('side', [128, 256])
def test_golden_heatmaps_and_cells(golden, side):
    target = golden('target_higherhrnet')
    joints = target['joints_128'] * (side / 128, side / 128, 1)
    heatmaps = encode_heatmaps(joints, (side, side), float(target['sigma']))
    assert heatmaps.dtype == np.float32
    assert 0.9 < heatmaps.max() <= 1
    np.testing.assert_allclose(heatmaps, target[f'heatmaps_{side}'], atol=1e-5)
    assert (encode_cells(joints, (side, side), 30) == target[f'tag_joints_{side}']).all()


def test_the_objective_has_the_published_numbers():
    assert objective().settings == TargetSettings(4, 2.0, 30)
    assert objective().settings.strides == (4, 2)
    assert objective().tags == TagSettings(1e-3, 1e-3)
    assert objective(push=0.1, sigma=1.0).tags.push == 0.1


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'paf': 1}, 'targets have no setting paf; they have sigma, max_persons, published_mirroring'),
        ({'sigma': 0.0}, 'sigma must be a number above 0'),
        ({'push': -1.0}, 'push must be a number, 0 or more'),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(SettingsError, match=message):
        objective(**settings)


def annotation(joints, side=64, mask=None, annotated=EVERYTHING, mirrored=False):
    joints = np.asarray(joints, float).reshape(-1, 17, 3)
    mask = np.ones((side, side), np.uint8) if mask is None else mask
    return Annotation(joints, mask, annotated, np.ones(len(joints)), mirrored)


def test_sides_must_fit_the_trunk():
    with pytest.raises(SettingsError, match=r"multiples of 32 pixels, got 48x48; change the transform's size"):
        objective().encode(annotation([], 48))


def test_targets_of_nobody_and_of_a_dataset_that_lacks_keypoints():
    *maps, weights, cells = objective().encode(annotation([], 64, annotated=np.arange(17) > 4))
    assert [each.shape for each in maps] == [(17, 16, 16), (17, 32, 32), (1, 16, 16), (1, 32, 32)]
    assert not maps[0].any()
    assert maps[2].all()
    assert weights.ravel().tolist() == [0] * 5 + [1] * 12
    assert cells.shape == (30, 17, 2)
    assert not cells.any()


def test_more_people_than_tags():
    people = np.tile([10.0, 10.0, 2.0], (40, 17, 1))
    cells = objective().encode(annotation(people))[-1]
    assert cells[..., 1].sum() == 30 * 17
    assert objective(max_persons=50).encode(annotation(people))[-1][..., 1].sum() == 40 * 17


@pytest.mark.parametrize('xy', [(9.5, 13.5), (8.0, 8.0), (11.0, 11.0)])
def test_a_keypoint_lands_in_the_cell_of_its_pixel_also_when_mirrored(xy):
    """A pixel of an image and its keypoint stay together, where labels are not mirrored as published."""
    joints = np.zeros((1, 17, 3))
    joints[0, 0] = *xy, 2
    image = np.zeros((64, 64, 3), np.uint8)
    image[int(xy[1]), int(xy[0])] = 255
    sample = Sample(image, np.ones((64, 64), np.uint8), joints, boxes_of(joints), np.ones(1), EVERYTHING)
    mirrored = Warp((RandomFlip(COCO_17, 1.0),), label_offset=0.5)(sample, np.random.default_rng(0))
    assert mirrored.mirrored
    for each in (sample, mirrored):
        wanted = Annotation(each.keypoints, each.mask, each.annotated, each.areas, each.mirrored)
        exact, published = (
            objective(published_mirroring=as_published).encode(wanted)[0][0] for as_published in (False, True)
        )
        y, x = np.argwhere(each.image[..., 0] > 0)[0] // 4
        assert np.argwhere(exact == 1).tolist() == [[y, x]]
        assert np.argwhere(published == 1).tolist() == [[y, x - each.mirrored]]


# --- augmentation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(('name', 'case', 'settings'), CASES)
def test_golden_augmentation(golden, name, case, settings):
    vectors, prefix = golden(name), case.partition('_')[0]
    joints = vectors[f'{prefix}_joints'] - (0.5, 0.5, 0)  # from the corner, as labels count, to the centre
    image, mask = vectors[f'{prefix}_image'], vectors[f'{prefix}_mask'].astype(np.uint8)
    sample = Sample(image, mask, joints, boxes_of(joints), np.ones(len(joints)), EVERYTHING)
    scale, rotation, dx, dy, mirrored = vectors[f'{case}_draws'].tolist()
    drawn = AffineDraws(scale, rotation, int(dx), int(dy))
    (warp,) = published_augmentation(64, settings).transforms
    affine, _ = warp.steps
    low, high = vectors[f'{case}_translate_range']
    assert int(high) == -int(low) == int(affine.translation * affine._side(image.shape[:2], scale))
    steps = (lambda view, _: affine.placed(view, drawn), RandomFlip(COCO_17, mirrored))
    replayed = Warp(steps, warp.image_pad, warp.mask_pad, warp.label_offset, warp.shrinks)
    made = replayed(sample, np.random.default_rng(0))
    assert abs(made.image.astype(int) - vectors[f'{case}_image_out']).max() <= 1
    targets = objective().encode(Annotation(made.keypoints, made.mask, EVERYTHING, made.areas, made.mirrored))
    labelled = made.keypoints[..., 2] > 0
    assert (labelled == (vectors[f'{case}_joints_16'][..., 2] > 0)).all()
    for number, side in enumerate((16, 32)):
        grid = (made.keypoints[..., :2] + 0.5) * side / 64 - (mirrored, 0)
        np.testing.assert_allclose(grid[labelled], vectors[f'{case}_joints_{side}'][labelled, :2], atol=1e-4)
        np.testing.assert_allclose(targets[number], vectors[f'{case}_heatmaps_{side}'], atol=1e-5)
        np.testing.assert_array_equal(targets[2 + number][0], vectors[f'{case}_mask_{side}'])
    assert targets[0].any()
    assert 0 < targets[2].mean() < 1
    assert (targets[-1] == tag_joints(vectors, case)).all()


def tag_joints(vectors, case):
    """The cells of tags; pytorch-human-pose has whole cells of people who have any, and indexes them in its loss."""
    if f'{case}_tag_joints_16' in vectors:
        return vectors[f'{case}_tag_joints_16']
    return encode_cells(vectors[f'{case}_joints_int_16'].astype(float), (16, 16), 30)


def test_matrices_of_the_published_code(golden):
    vectors = golden('augment_higherhrnet')
    for case in range(3):
        scale, rotation, dx, dy, _ = vectors[f'hhr_c{case}_draws'].tolist()
        image = vectors['hhr_image']
        sample = Sample(image, image[..., 0], np.zeros((0, 17, 3)), np.zeros((0, 4)), np.zeros(0), EVERYTHING)
        view = ShortSideAffine(64).placed(View.whole(sample), AffineDraws(scale, rotation, int(dx), int(dy)))
        np.testing.assert_allclose(view.affine.matrix, vectors[f'hhr_c{case}_matrix_input_64'], atol=1e-4)


def test_draws_stay_in_the_published_range():
    affine, rng = ShortSideAffine(64), np.random.default_rng(5)
    drawn = [affine.draws((200, 300), rng) for _ in range(300)]
    shifts = np.array([(each.dx, each.dy) for each in drawn]) / [
        [affine._side((200, 300), each.scale)] for each in drawn
    ]
    assert -0.2 <= shifts.min() < -0.18
    assert 0.18 < shifts.max() <= 0.2
    assert np.ptp([each.rotation for each in drawn]) > 0.9


def test_without_chance_an_image_is_only_scaled():
    settings = settings_from(AugmentationSettings, STILL)
    sample = Sample(
        np.full((32, 48, 3), 9, np.uint8), np.ones((32, 48), np.uint8), np.tile([23.5, 15.5, 2.0], (1, 17, 1)),
        np.array([[0.0, 0, 9, 9]]), np.array([81.0]), EVERYTHING,
    )  # fmt: skip
    made = [published_augmentation(64, settings)(sample, np.random.default_rng(seed)) for seed in range(2)]
    assert (made[0].image == made[1].image).all()
    np.testing.assert_allclose(made[0].keypoints[0, 0], (31.5, 31.5, 2))
    assert made[0].areas == pytest.approx(324)
    with pytest.raises(SettingsError, match=r'augmentation\.max_scale must be at least min_scale, got 0\.5 and 0\.75'):
        AugmentationSettings(max_scale=0.5)


def test_crowds_and_people_without_keypoints_do_not_count(golden, tmp_path):
    vectors = golden('augment_higherhrnet')
    annotations = json.loads(str(vectors['mask_annotations_json']))
    expected = vectors['mask_counts']
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((*expected.shape, 3), np.uint8))
    rows = [{'image_id': 1, 'category_id': 1, 'bbox': [50, 5, 25, 45], 'area': 800.0, **each} for each in annotations]
    crowd = [{'image_id': 2, 'category_id': 1, 'bbox': [0, 0, 9, 9], 'area': 9.0, **annotations[0]}]
    images = [{'id': number, 'file_name': 'a.png'} for number in (1, 2, 3)]
    category = {'id': 1, 'name': 'person', 'keypoints': list(COCO_17.keypoints)}
    content = {'images': images, 'annotations': rows + crowd, 'categories': [category]}
    (tmp_path / 'a.json').write_text(json.dumps(content))
    dataset = coco_annotated(tmp_path, tmp_path / 'a.json')
    assert [dataset.sample(index).extras['image_id'] for index in range(len(dataset))] == [1, 2]
    assert (dataset.sample(0).mask == expected).all()
    assert 0.2 < expected.mean() < 0.9
    assert len(dataset.sample(0).keypoints) == 1
    assert len(dataset.sample(1).keypoints) == 0


# --- loss ------------------------------------------------------------------------------------------------------------


def losses(outputs, targets, **settings):
    parts = objective(**settings).loss(outputs, targets)
    sum(parts.values()).backward()
    return parts


def golden_batch(vectors, prefix, cells):
    torch = pytest.importorskip('torch')
    maps = [torch.from_numpy(vectors[f'{prefix}_{name}_{scale}']) for name in ('target', 'mask') for scale in (0, 1)]
    targets = [*maps[:2], maps[2][:, None], maps[3][:, None], torch.ones(3, 17, 1, 1), torch.from_numpy(cells)]
    outputs = [torch.from_numpy(vectors[f'{prefix}_out_{scale}']).requires_grad_() for scale in (0, 1)]
    return outputs, targets


@pytest.mark.parametrize('prefix', ['hhr', 'thawro'])
def test_golden_losses_and_gradients(golden, prefix):
    """Images of nobody, one person and five."""
    vectors = golden('losses_higherhrnet' if prefix == 'hhr' else 'losses_thawro')
    if prefix == 'hhr':
        cells, push, pull = vectors['hhr_joints_8'].astype(np.int64), 'hhr_push_losses', 'hhr_pull_losses'
    else:
        people = [vectors[f'thawro_joints_{image}'].astype(float) for image in range(3)]
        cells, push, pull = np.stack([encode_cells(each, (8, 8), 30) for each in people]), 'thawro_push', 'thawro_pull'
    assert sorted((cells[..., 1].sum(axis=2) > 0).sum(axis=1).tolist()) == [0, 1, 5]
    outputs, targets = golden_batch(vectors, prefix, cells)
    parts = losses(outputs, targets)
    heatmaps = vectors[f'{prefix}_heatmap_losses'].reshape(2, -1).mean(axis=1)
    assert list(parts) == ['hm_0_loss', 'hm_1_loss', 'push_0_loss', 'pull_0_loss']
    expected = [*heatmaps, vectors[push].mean(), vectors[pull].mean()]
    np.testing.assert_allclose([float(part.detach()) for part in parts.values()], expected, atol=1e-6, rtol=1e-6)
    assert float(sum(parts.values()).detach()) == pytest.approx(float(vectors[f'{prefix}_total']), abs=1e-6)
    for scale, output in enumerate(outputs):
        expected = vectors[f'{prefix}_grad_out_{scale}']
        np.testing.assert_allclose(output.grad.numpy(), expected, atol=1e-6 * abs(expected).max(), rtol=1e-5)


def test_the_loss_of_a_batch_is_the_mean_of_its_images(golden):
    """So that processes that share a batch learn what one would."""
    pytest.importorskip('torch')
    vectors = golden('losses_higherhrnet')
    outputs, targets = golden_batch(vectors, 'hhr', vectors['hhr_joints_8'].astype(np.int64))
    together = objective().loss(outputs, targets)
    alone = [
        objective().loss([each[image, None] for each in outputs], [each[image, None] for each in targets])
        for image in range(3)
    ]
    for name, part in together.items():
        assert float(part.detach()) == pytest.approx(np.mean([float(each[name].detach()) for each in alone]), rel=1e-6)


def test_golden_tag_losses(golden):
    """Images of nobody, one, two, four (one of them without keypoints) and six people."""
    torch = pytest.importorskip('torch')
    from pose_estimation_ros.methods.higher_hrnet.loss import tag_losses

    vectors = golden('losses')
    tags = torch.from_numpy(vectors['ae_tags'][..., 0]).view(5, 17, 8, 8)
    push, pull = tag_losses(tags, torch.from_numpy(vectors['ae_joints'].astype(np.int64)))
    np.testing.assert_allclose(push, vectors['ae_push_exp'].ravel(), atol=1e-6)
    np.testing.assert_allclose(pull, vectors['ae_pull_exp'].ravel(), atol=1e-6)
    assert push[:2].tolist() == [0, 0]


def test_golden_heatmap_loss(golden):
    torch = pytest.importorskip('torch')
    from pose_estimation_ros.methods.higher_hrnet.loss import heatmap_losses

    vectors = golden('losses')
    pred, target, mask = (torch.from_numpy(vectors[f'hhr_{name}']) for name in ('pred', 'target', 'mask'))
    loss = heatmap_losses(pred, target, mask[:, None].float(), torch.ones(2, 17, 1, 1))
    np.testing.assert_allclose(loss, vectors['hhr_heatmap_loss'].ravel(), atol=1e-6)
    assert heatmap_losses(pred, target, mask[:, None].float(), torch.zeros(2, 17, 1, 1)).sum() == 0


# --- learning --------------------------------------------------------------------------------------------------------

SIDE, STEPS, RATE = 96, 120, 8e-3


def three_people():
    """Dots (96, 96, 3), a colour for each keypoint and a brightness for each person; their keypoints (3, 17, 3)."""
    image = np.random.default_rng(3).integers(0, 20, (SIDE, SIDE, 3)).astype(np.uint8)
    people = np.zeros((3, 17, 3))
    colours = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)])
    for person, keypoints in enumerate(people):
        for keypoint, colour in enumerate(colours):
            x, y = 10 + 32 * person + 12 * (keypoint % 2), 12 + 28 * (keypoint // 2)
            keypoints[keypoint] = x, y, 2
            cv2.circle(image, (x, y), 4, (colour * (255 - 60 * person)).tolist(), cv2.FILLED)
    return image, people


def test_a_narrow_network_learns_one_image_and_tells_its_people_apart():
    """Three people come back with their own keypoints, whose tags are close together and far from the others'."""
    torch = pytest.importorskip('torch')
    from pose_estimation_ros.methods.higher_hrnet.network import build_network
    from pose_estimation_ros.methods.higher_hrnet.options import HigherHRNetOptions

    image, people = three_people()
    towards = objective(push=0.05, pull=0.003)
    targets = [torch.as_tensor(each)[None] for each in towards.encode(annotation(people, SIDE))]
    inputs = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 128 - 1
    torch.manual_seed(0)
    network = build_network(17, HigherHRNetOptions(8, 16)).train()
    optimizer = torch.optim.Adam(towards.parameter_groups(network, RATE, 0.0), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        sum(towards.loss(network(inputs), targets).values()).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        maps = [each[0].numpy() for each in network(inputs)]
    for name in ('fast', 'published'):
        decoder = build_decoder(name, keypoint_threshold=0.3, refine=False)
        placement = place_by_short_side((SIDE, SIDE), InputSize(SIDE, 4, fixed_hw=(SIDE, SIDE)))
        merged = decoder.merge([Look(maps, placement)])
        found = decoder.explain(merged.maps, merged.placement)
        assert len(found.poses) == 3
        order = np.argsort([pose.keypoints[0, 0] for pose in found.poses])
        for index, truth in zip(order, people, strict=True):
            keypoints = found.poses[index].keypoints
            assert (np.isfinite(keypoints[:, 0]) == (truth[:, 2] > 0)).all()
            assert np.abs(keypoints[:6, :2] - truth[:6, :2]).max() < 2
        tags = found.tags[order, :6, 0]
        apart = np.diff(np.sort(tags.mean(axis=1))).min()
        assert np.ptp(tags, axis=1).max() < 0.5 * apart
