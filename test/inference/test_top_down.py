"""Top-down estimation: detectors, crops of several people, poses back in the picture, and each person once."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from pose_estimation_ros.core.boxes import NOBODY, Boxes, overlaps
from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.inference.detectors.person_detector import PosesAsBoxes, WholeImage
from pose_estimation_ros.inference.detectors.yolox import YoloxDetector, YoloxSettings, decoded, grid
from pose_estimation_ros.inference.pose_nms import pose_nms, pose_similarities
from pose_estimation_ros.inference.top_down import PersonNetwork, TopDown
from pose_estimation_ros.methods.method import Preprocessing
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE

RAW = Preprocessing(mean=(0.0, 0.0, 0.0), scale=(1.0, 1.0, 1.0))
BACKGROUND = 10
NOSE, LEFT_WRIST, RIGHT_WRIST = (COCO_17.index(name) for name in ('nose', 'l_wri', 'r_wri'))


@dataclass
class BrightestCell:
    """A network that finds the nose at the brightest blue, the left wrist at the brightest green, right at red."""

    name: str = 'made up'
    device: str = 'cpu'
    precision: str = 'fp32'
    fixed_hw: tuple[int, int] | None = None
    batches: list[int] = field(default_factory=list)

    def __call__(self, batch):
        self.batches.append(len(batch))
        maps = np.zeros((len(batch), 17, batch.shape[2] // 4, batch.shape[3] // 4), np.float32)
        for channel, joint in enumerate((NOSE, LEFT_WRIST, RIGHT_WRIST)):
            maps[:, joint] = np.maximum(batch[:, channel, ::4, ::4] - BACKGROUND, 0) / 255
        return [maps]


@pytest.fixture
def network():
    return BrightestCell()


def top_down(network, *, detector=None, label_corner=False, input_hw=(256, 192), **settings):
    estimator = TopDown(
        network, SIMPLE_BASELINE, SIMPLE_BASELINE.decoder(), PersonNetwork(RAW, input_hw, label_corner), detector
    )
    network.batches.clear()
    return estimator.with_settings(**settings)


def spotted(*spots, hw=(480, 640)):
    """A dark picture with spots: x, y, and which of blue, green and red is bright."""
    image = np.full((*hw, 3), BACKGROUND, np.uint8)
    for x, y, channel in spots:
        image[y - 4 : y + 5, x - 4 : x + 5, channel] = 250
    return image


def boxes(*rows):
    return Boxes.certain(np.array(rows, float))


def test_every_box_gives_the_pose_of_its_own_person_in_the_picture(network):
    image = spotted((100, 120, 0), (130, 200, 1), (400, 300, 0))
    poses = top_down(network)(image, boxes((40, 60, 120, 240), (350, 240, 100, 160))).poses
    assert network.batches == [2], 'both people share a forward pass'
    left, right = sorted(poses, key=lambda pose: pose['nose'][0])
    np.testing.assert_allclose(left['nose'][:2], (100, 120), atol=3)
    np.testing.assert_allclose(left['l_wri'][:2], (130, 200), atol=3)
    np.testing.assert_allclose(right['nose'][:2], (400, 300), atol=3)
    assert np.isnan(right['l_wri'][0])
    assert np.isnan(left['r_knee'][0])


def test_people_of_several_pictures_share_forward_passes_and_come_back_to_their_own(network):
    images = [spotted((100, 120, 0)), spotted(), spotted((400, 300, 0))]
    given = [boxes((40, 60, 120, 240)), NOBODY, boxes((350, 240, 100, 160), (340, 230, 120, 180))]
    results = top_down(network, crops_at_once=2).batch(images, given)
    assert network.batches == [2, 1]
    assert [len(result.poses) for result in results] == [1, 0, 1], 'two boxes around one person give one pose'
    np.testing.assert_allclose(results[2].poses[0]['nose'][:2], (400, 300), atol=3)
    assert all(result.timings.total_ms >= 0 for result in results)
    assert results[1].timings.forward_ms == 0


def test_a_box_that_is_not_sure_makes_a_pose_less_sure(network):
    image, row = spotted((100, 120, 0)), np.array([[40, 60, 120, 240]])
    (sure,) = top_down(network)(image, Boxes(row, np.ones(1))).poses
    (unsure,) = top_down(network)(image, Boxes(row, np.array([0.25]))).poses
    assert unsure.score == pytest.approx(sure.score / 4)
    assert sure.score == pytest.approx(240 / 255, abs=0.01)


def test_networks_that_learnt_from_pixel_corners_are_brought_back_half_a_pixel(network):
    image, box = spotted((100, 120, 0)), boxes((40, 60, 120, 240))
    (centre,), (corner,) = (
        top_down(network, label_corner=labels)(image, box).poses for labels in (False, True)
    )  # fmt: skip
    difference = centre['nose'][:2] - corner['nose'][:2]
    assert np.abs(difference - 0.5).max() <= 1.3, 'within the quarter cell that the shifted crop may change'
    maps = np.zeros((1, 17, 64, 48), np.float32)
    maps[:, 0, 20, 20] = 1
    found = []
    for labels in (False, True):
        fixed = top_down(BrightestCell(), label_corner=labels)
        fixed.backend = lambda batch: [maps]
        found.append(fixed(image, box).poses[0]['nose'][:2])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)  # the crop moves there by as much as the pose comes back


def test_a_flip_sees_the_mirrored_crop_and_swaps_sides(network):
    image = spotted((100, 120, 0), (130, 200, 1), (70, 200, 2))
    estimator = top_down(network, flip=True)
    (pose,) = estimator(image, boxes((40, 60, 120, 240))).poses
    assert network.batches == [1, 1]
    np.testing.assert_allclose(pose['nose'][:2], (100, 120), atol=5)
    wrists = {
        COCO_17.abbreviations[joint]: round(float(pose.keypoints[joint, 2]), 1) for joint in (LEFT_WRIST, RIGHT_WRIST)
    }
    assert wrists == {'l_wri': 0.5, 'r_wri': 0.5}, 'colours keep their sides in the mirror, so each is seen by one half'


def test_without_a_detector_the_picture_is_one_person(network):
    (pose,) = top_down(network)(spotted((100, 120, 0), hw=(256, 192))).poses
    np.testing.assert_allclose(pose['nose'][:2], (100, 120), atol=3)
    assert WholeImage()(np.zeros((20, 30, 3), np.uint8)).xywh.tolist() == [[-0.5, -0.5, 30, 20]]


def test_people_who_are_hardly_seen_and_too_many_are_left_out(network):
    image = spotted((100, 120, 0), (130, 200, 1), (400, 300, 0))
    given = boxes((40, 60, 120, 240), (350, 240, 100, 160))
    assert len(top_down(network, min_keypoints=2)(image, given).poses) == 1
    assert len(top_down(network, max_persons=1)(image, given).poses) == 1
    assert top_down(network, min_mean_score=0.99)(image, given).poses == []
    assert top_down(network)(image, boxes((0, 0, 0, 10), (np.nan, 0, 5, 5))).poses == []
    assert network.batches == []


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'padding': 0.5}, 'padding must be a number from 1 to 4'),
        ({'padding': 'x'}, 'padding must be a number from 1 to 4'),
        ({'nms_threshold': 2}, 'nms_threshold must be a number from 0 to 1'),
    ],
)
def test_settings_are_checked(network, changes, words):
    with pytest.raises(SettingsError, match=words):
        top_down(network, **changes)


def test_a_model_of_one_size_says_the_size_of_crops(network):
    network.fixed_hw = (128, 96)
    estimator = top_down(network)
    assert (estimator.base_size, estimator.stride) == (128, 4)
    assert estimator.prepare(spotted()).shape == (1, 3, 128, 96)


def pose_at(x, score, spread=30.0):
    rng = np.random.default_rng(0)
    return Pose(np.column_stack([rng.uniform(0, spread, (17, 2)) + [x, 0], np.ones(17)]), score, COCO_17)


def test_poses_of_one_person_are_alike_by_oks():
    poses = [pose_at(0, 0.5), pose_at(0.5, 0.9), pose_at(300, 0.1)]
    areas = np.full(3, 10_000.0)
    likeness = pose_similarities(poses, areas)
    variances = (2 * np.array(COCO_17.sigmas)) ** 2
    expected = np.exp(-0.25 / (2 * variances * 10_000)).mean()
    assert likeness[0, 1] == pytest.approx(expected)
    assert likeness[0, 2] < 1e-3
    assert pose_nms(poses, areas, 0.9).tolist() == [1, 2]
    assert pose_nms(poses, areas, 1.0).tolist() == [1, 0, 2]
    assert pose_nms([], np.zeros(0), 0.9).tolist() == []


def test_poses_of_another_method_become_boxes_with_a_margin():
    found = PosesAsBoxes(lambda image: [pose_at(100, 2.5)], margin=0.1)(spotted())
    x, y, width, height = pose_at(100, 1).bbox
    extra = 0.1 * max(width, height)
    np.testing.assert_allclose(found.xywh, [[x - extra, y - extra, width + 2 * extra, height + 2 * extra]], rtol=1e-5)
    assert found.scores.tolist() == [1.0]
    assert len(PosesAsBoxes(lambda image: [])(spotted())) == 0


def test_yolox_cells_decode_as_published():
    cells = grid((64, 96))
    assert cells.shape == (8 * 12 + 4 * 6 + 2 * 3, 3)
    assert cells[13].tolist() == [1, 1, 8]
    assert cells[-1].tolist() == [2, 1, 32]
    output = np.zeros((len(cells), 7), np.float32)
    output[13] = [0.5, 0.25, np.log(2), np.log(3), 0.9, 0.5, 0.0]
    output[14] = [0.5, 0.25, 0, 0, 0.9, 0.1, 1.0]  # something else than a person
    found = decoded(output, cells, 0.3)
    np.testing.assert_allclose(found.xywh, [[12 - 8, 10 - 12, 16, 24]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.45], rtol=1e-6)


def test_a_real_detector_finds_the_people_of_annotated_pictures(assets):
    truth = json.loads((assets / 'coco/annotations/person_keypoints_train2017.json').read_text())
    detector = YoloxDetector(assets / 'weights/yolox_nano.onnx', threads=1)
    large = [each for each in truth['annotations'] if each['num_keypoints'] >= 15 and each['area'] > 150**2][:5]
    assert len(large) == 5
    names = {image['id']: image['file_name'] for image in truth['images']}
    for person in large:
        found = detector(read_image(assets / 'coco/train2017' / names[person['image_id']]))
        mine = Boxes.certain(np.array([person['bbox']]) - [0.5, 0.5, 0, 0])
        assert overlaps(found.xywh, mine.xywh).max() > 0.6, names[person['image_id']]
        assert (np.diff(found.scores) <= 0).all()


def test_files_that_are_no_detector_are_refused(assets, tmp_path):
    with pytest.raises(WeightsError, match='there is no detector at'):
        YoloxDetector(tmp_path / 'none.onnx')
    (tmp_path / 'text.onnx').write_text('nothing')
    with pytest.raises(WeightsError, match='no ONNX model'):
        YoloxDetector(tmp_path / 'text.onnx')
    with pytest.raises(WeightsError, match='is no YOLOX model'):
        YoloxDetector(assets / 'weights/simplepose_ultralight.onnx')
    with pytest.raises(SettingsError, match='score_threshold must be a number from 0 to 1, got 3'):
        YoloxSettings(score_threshold=3)
