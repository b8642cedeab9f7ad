"""The learner of SimpleBaselines: real weights and a real detector, files of both skeletons, and a small training."""

import hashlib
import json

import cv2
import numpy as np
import pytest
import torch

from pose_estimation_ros import KeypointDataset, SimpleBaselineLearner, create_learner
from pose_estimation_ros.core.boxes import NOBODY, Boxes
from pose_estimation_ros.core.errors import DownloadError, PoseEstimationError, SettingsError, WeightsError
from pose_estimation_ros.core.skeleton import COCO_17, MPII_16
from pose_estimation_ros.data.transforms.person import CutOutPerson
from pose_estimation_ros.data.transforms.warp import Compose, Warp
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.learners.person_crops import open_detector
from pose_estimation_ros.methods.simple_baseline import published
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SIMPLE_BASELINE_MPII
from pose_estimation_ros.methods.simple_baseline.options import PoseResNetOptions
from pose_estimation_ros.training.distillation.teacher import teacher_data
from pose_estimation_ros.training.pose.datasets import training_dataset
from pose_estimation_ros.training.pose.recipe import DatasetSettings, PoseRecipe, TeacherSettings
from pose_estimation_ros.training.pose.task import PoseData

SMALL = {'device': 'cpu', 'backbone': 'resnet18', 'input_size': (64, 64), 'threads': 1}


@pytest.fixture(scope='module')
def real(weights):
    """Real weights, of others, and a real detector; tests leave it as they find it."""
    learner = SimpleBaselineLearner(
        device='cpu', detector=weights / 'yolox_nano.onnx', backend='onnxruntime', threads=1
    )
    learner.load(weights / 'simplepose_ultralight.onnx')
    return learner


@pytest.fixture
def small(tmp_path):
    """A network of the least size with random weights."""
    torch.manual_seed(0)
    learner = SimpleBaselineLearner(**SMALL, backend='torch', temp_path=tmp_path / 'temp')
    learner.init_model()
    return learner


def refusal(kind, function, *args, **options):
    with pytest.raises(kind) as caught:
        function(*args, **options)
    assert isinstance(caught.value, PoseEstimationError)
    return str(caught.value)


def test_finds_the_people_of_a_street_and_keeps_their_ids(real, frames):
    real.reset()
    found = [real.infer(frame, stamp=number / 25) for number, frame in enumerate(frames[:3])]
    assert all(len(poses) >= 3 for poses in found)
    assert all(pose.skeleton is COCO_17 for poses in found for pose in poses)
    ids = [{pose.id for pose in poses if pose.id is not None} for poses in found]
    assert len(ids[1] & ids[2]) >= 3
    tallest = max(found[0], key=lambda pose: pose.bbox[3])
    assert tallest['nose'][1] < tallest['l_hip'][1] < tallest['l_ank'][1]


def test_boxes_that_are_given_are_looked_at_and_no_others(real, photo):
    poses = real.infer(photo, track=False)
    tallest = max(poses, key=lambda pose: pose.bbox[3])
    x, y, width, height = tallest.bbox
    box = Boxes.certain(np.array([[x - 8, y - 10, width + 16, height + 20]]))
    (pose,) = real.infer(photo, track=False, boxes=box)
    apart = np.nanmedian(np.linalg.norm(pose.keypoints[:, :2] - tallest.keypoints[:, :2], axis=1))
    assert apart < 0.05 * height
    assert real.infer(photo, track=False, boxes=NOBODY) == []
    result = real.infer_timed(photo)
    assert result.timings.detect_ms > 0
    assert result.timings.total_ms >= result.timings.detect_ms + result.timings.forward_ms


def test_the_tracker_is_shown_the_picture_as_flow_needs_it(small, monkeypatch):
    shown = []
    monkeypatch.setattr(small.tracker, 'update', lambda poses, stamp, smooth, image: shown.append(image) or poses)
    picture = np.random.default_rng(0).integers(0, 255, (80, 60, 3), np.uint8)
    small.infer(picture)
    np.testing.assert_array_equal(shown[0], picture)
    assert small.infer_next(picture, 4, NOBODY).poses == []


def test_no_weights_of_it_come_with_the_package():
    words = refusal(WeightsError, SimpleBaselineLearner(device='cpu').load)
    assert 'none of simple_baseline come with this package' in words


def test_weak_keypoints_are_scored_and_not_given_out(real, photo):
    shown, all_of_them = real.pipeline()(photo).poses, real.scoring_pipeline()(photo).poses
    assert min(pose.found[:, 2].min() for pose in shown) > 0.2
    assert sum(len(pose.found) for pose in all_of_them) > sum(len(pose.found) for pose in shown)
    assert [pose.score for pose in shown] == pytest.approx([pose.score for pose in all_of_them][: len(shown)])


def test_a_network_made_by_mxnet_is_fed_red_first_unless_named_otherwise(weights):
    path = weights / 'simplepose_ultralight.onnx'
    learner = SimpleBaselineLearner(device='cpu')
    learner.load(path)
    assert learner._model.loaded.preprocessing.channel_order == 'rgb'
    named = SimpleBaselineLearner(device='cpu', channel_order='bgr')
    named.load(path)
    assert named._model.loaded.preprocessing.channel_order == 'bgr'


def test_a_file_of_the_other_skeleton_changes_the_learners_unless_named(tmp_path):
    torch.manual_seed(0)
    network = SIMPLE_BASELINE_MPII.network(PoseResNetOptions(18, input_width=256))
    torch.save(network.state_dict(), tmp_path / 'pose_resnet_18_256x256.pth.tar')
    learner = SimpleBaselineLearner(device='cpu', backend='torch')
    learner.load(tmp_path / 'pose_resnet_18_256x256.pth.tar')
    assert learner.method.skeleton is MPII_16
    assert learner.options.depth == 18
    assert learner.pipeline().network.input_hw == (256, 256)
    named = SimpleBaselineLearner(device='cpu', skeleton='coco')
    assert 'finds 16 keypoints, expected the 17' in refusal(
        WeightsError, named.load, tmp_path / 'pose_resnet_18_256x256.pth.tar'
    )
    (tmp_path / 'broken.onnx').write_text('nothing')
    assert 'broken.onnx' in refusal(WeightsError, learner.load, tmp_path / 'broken.onnx')
    assert learner.method.skeleton is MPII_16, 'what was loaded stays'


def test_a_saved_model_says_its_size_and_finds_the_same(small, tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (80, 60, 3), np.uint8)
    small.tune(keypoint_threshold=0.0)
    before = small.infer_timed(picture).poses
    small.save(tmp_path / 'model')
    other = SimpleBaselineLearner(device='cpu', backend='torch', decoding={'keypoint_threshold': 0.0})
    other.load(tmp_path / 'model')
    assert other.options == small.options
    for one, two in zip(before, other.infer_timed(picture).poses, strict=True):
        np.testing.assert_array_equal(one.keypoints, two.keypoints)


def test_an_exported_model_gives_the_same_maps_for_one_person_and_for_two(small, tmp_path):
    inputs = np.random.default_rng(0).normal(0, 1, (2, 3, 64, 64)).astype(np.float32)
    (expected,) = small.pipeline().backend(inputs)
    small.optimize()
    small.save(tmp_path / 'fast')
    other = SimpleBaselineLearner(device='cpu', backend='onnxruntime', threads=1)
    other.load(tmp_path / 'fast')
    pipeline = other.pipeline()
    assert pipeline.network.input_hw == (64, 64)
    for batch in (inputs[:1], inputs):
        (maps,) = pipeline.backend(batch)
        assert np.abs(maps - expected[: len(batch)]).max() < 1e-3 * expected.std() + 1e-6


class Sticks(KeypointDataset):
    """Four pictures of a stick figure each, in different places."""

    def __len__(self):
        return 4

    def load_sample(self, index):
        rng = np.random.default_rng([3, index])
        image = np.full((96, 96, 3), 60, np.uint8)
        xy = rng.uniform(0, 20, 2) + np.column_stack([rng.uniform(10, 50, 17), np.linspace(8, 64, 17)])
        for joint, (x, y) in enumerate(xy):
            colour = [int(each) for each in np.random.default_rng(joint).integers(90, 255, 3)]
            cv2.circle(image, (round(x), round(y)), 3, colour, -1)
        return image, None, np.column_stack([xy, np.full(17, 2)])[None], {}


@pytest.mark.slow
def test_training_teaches_a_few_pictures_and_evaluation_says_so(small):
    data = Sticks()
    small.training = type(small.training)(**{**vars(small.training), 'batch_size': 4, 'num_workers': 0, 'lr': 5e-4})
    before = small.eval(data, silent=True)['average_precision'][0]
    crops = Compose((Warp((CutOutPerson(64, 64, scale=0, rotation=0),), image_pad=0),))
    told = small.fit(data, val_dataset=data, silent=True, epochs=60, transform=crops)
    losses = told['heatmap_losses']
    assert len(losses) == 60
    assert losses[-1] < losses[0] / 10
    after = small.eval(data, silent=True)['average_precision'][0]
    assert before < 0.1
    assert after > 0.5
    assert told['eval_results_list'][-1]['average_precision'][0] == pytest.approx(after, abs=0.05)
    assert small.options.label_corner is False
    assert len(small.infer(data.sample(0).image, track=False)) == 1


def test_whole_images_and_files_serve_as_boxes_for_evaluation(small, tmp_path, monkeypatch):
    seen = []
    network_sees = small.pipeline().backend.__class__.__call__
    monkeypatch.setattr(
        small.pipeline().backend.__class__, '__call__',
        lambda backend, batch: seen.append(len(batch)) or network_sees(backend, batch),
    )  # fmt: skip
    numbers = small.eval(Sticks(), silent=True, boxes='whole_image')
    assert set(numbers) == {'average_precision', 'average_recall'}
    assert seen == [1] * 4, 'every picture is one person'
    seen.clear()
    row = {'image_id': 1, 'category_id': 1, 'bbox': [5, 5, 40, 60], 'score': 0.5}
    (tmp_path / 'boxes.json').write_text(json.dumps([row, {**row, 'bbox': [30, 5, 40, 60]}]))
    small.eval(Sticks(), silent=True, boxes=tmp_path / 'boxes.json')
    assert seen == [2], 'the two boxes of one picture, nobody in the others'
    assert 'boxes must be ground_truth' in refusal(SettingsError, small.eval, Sticks(), silent=True, boxes='nowhere')
    assert 'give its constructor detector=PATH' in refusal(
        SettingsError, small.eval, Sticks(), silent=True, boxes='detector'
    )


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'skeleton': 'openpose'}, "skeleton must be one of coco, mpii, got 'openpose'"),
        ({'backbone': 'mobilenet'}, 'backbone must be one of resnet18'),
        ({'input_size': (256,)}, 'input_size must be height and width'),
        ({'input_size': (250, 190)}, 'in steps of 32'),
        ({'decoding': {'padding': 0}}, 'padding must be a number from 1 to 4'),
        ({'decoding': {'colour': 0}}, 'decoding settings are keypoint_threshold, upsample_ratio, got colour'),
        ({'channel_order': 'gbr'}, 'channel_order must be one of bgr, rgb'),
        ({'detector_settings': {'score_threshold': 0.5}}, 'detector_settings are for an ONNX file, got None'),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(options, words):
    assert words in refusal(SettingsError, SimpleBaselineLearner, device='cpu', **options)


def test_settings_of_a_detector(weights, photo):
    def found(**settings):
        backend = BackendSettings('onnxruntime', 'cpu', threads=1)
        return open_detector(weights / 'yolox_nano.onnx', backend, settings)(photo)

    usual, unsure, everywhere = found(), found(score_threshold=0.05), found(score_threshold=0.05, nms_threshold=0.95)
    assert usual.scores.min() > 0.3
    assert len(usual.scores) < len(unsure.scores) < len(everywhere.scores)
    assert len(found(max_persons=1).scores) == 1
    assert "the detector's nms_threshold must be a number from 0 to 1, got 'high'" in refusal(
        SettingsError, found, nms_threshold='high'
    )
    assert 'detector_settings are score_threshold, nms_threshold, max_persons, got colour' in refusal(
        SettingsError, found, colour=1
    )


def test_what_only_bottom_up_methods_do_in_training_is_refused():
    unlabelled = DatasetSettings('synthetic', count=2, labels=False)
    assert 'labels: false is for bottom-up methods, simple_baseline is top-down' in refusal(
        SettingsError, training_dataset, [unlabelled], '.', SIMPLE_BASELINE
    )
    recipe = PoseRecipe(method='simple_baseline', teacher=TeacherSettings('teacher.onnx'))
    data = PoseData(Sticks(), None, SIMPLE_BASELINE.objective(SIMPLE_BASELINE.options()))
    assert "networks of simple_baseline cannot learn a teacher's maps" in refusal(
        SettingsError, teacher_data, data, SIMPLE_BASELINE, recipe
    )


def test_everybody_in_a_collage_is_trained_on():
    collage = DatasetSettings('synthetic', count=2, size=(96, 96), persons=(1, 1), collage=(1, 2))
    people = training_dataset([collage], '.', SIMPLE_BASELINE)
    assert 2 < len(people) <= 4
    assert people.sample(0).image.shape == (256, 512, 3)


def test_settings_change_while_running_or_not_at_all(real, photo):
    real.tune(max_persons=1)
    try:
        assert len(real.infer(photo, track=False)) == 1
        assert 'nms_threshold must be' in refusal(SettingsError, real.tune, nms_threshold=7)
        assert len(real.infer(photo, track=False)) == 1
        assert 'height of crops' in refusal(SettingsError, real.tune, base_height=256)
    finally:
        real.tune(max_persons=0)
    assert len(real.infer(photo, track=False)) >= 3


def test_create_learner_knows_it():
    learner = create_learner('simple_baseline', device='cpu', flip=True)
    assert isinstance(learner, SimpleBaselineLearner)
    assert learner.method.name == 'simple_baseline'
    assert 'no option base_height' in refusal(SettingsError, create_learner, 'simple_baseline', base_height=256)


def test_downloads_say_what_they_fetch_and_check_the_hash_in_the_name(tmp_path, serve, monkeypatch):
    content = b'weights'
    name = f'resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth'
    monkeypatch.setitem(published.IMAGENET, 'resnet18', name)
    (tmp_path / 'server').mkdir()
    for each in (name, 'yolox_nano.onnx', 'pose_resnet_18_64x64.pth.tar'):
        (tmp_path / 'server' / each).write_bytes(content)
    url, target = serve(tmp_path / 'server'), tmp_path / 'here'
    learner = SimpleBaselineLearner(**SMALL)
    for mode, wanted in (
        ('weights', name),
        ('detector', 'yolox_nano.onnx'),
        ('pretrained', 'pose_resnet_18_64x64.pth.tar'),
    ):
        assert learner.download(target, mode, url=url) == [target / wanted]
        assert (target / wanted).read_bytes() == content
    (target / name).unlink()
    (tmp_path / 'server' / name).write_bytes(b'other')
    assert 'expected SHA-256' in refusal(DownloadError, learner.download, target, 'weights', url=url)
    assert 'only a browser' in refusal(DownloadError, learner.download, target)
    assert 'mode must be one of' in refusal(SettingsError, learner.download, target, 'all')
