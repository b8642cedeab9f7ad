"""The high-resolution learner: the seed's API, both passes, video, files, refusals."""

import inspect
import json
import re

import cv2
import numpy as np
import pytest

from pose_estimation_ros import ExternalDataset, HighResolutionPoseEstimationLearner, Learner, create_learner
from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople
from pose_estimation_ros.inference.two_pass.published import EnclosingRegionFinder
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass
from pose_estimation_ros.learners.high_resolution import published_region
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.methods.high_resolution.published_region import active_box, pooled
from pose_estimation_ros.methods.lightweight_openpose.augmentation import published_augmentation
from pose_estimation_ros.tracking.flow import flow_tracker
from pose_estimation_ros.tracking.tracker import Tracker

CROP = (slice(160, 416), slice(406, 854))


def learner_of(tmp_path, **options):
    return HighResolutionPoseEstimationLearner(
        **{'device': 'cpu', 'temp_path': tmp_path / 'temp', 'mobilenet_use_stride': False, 'threads': 1, **options}
    )


def loaded(tmp_path, weights, **options):
    learner = learner_of(tmp_path, **{'backend': 'onnxruntime', **options})
    learner.load(weights / 'lwop_omz.pth')
    return learner


@pytest.fixture(scope='module')
def shared_learner(tmp_path_factory, weights):
    return loaded(tmp_path_factory.mktemp('high'), weights)


@pytest.fixture
def learner(shared_learner):
    """A learner with real weights, which tests share and leave as they find it."""
    shared_learner.reset()
    return shared_learner


@pytest.fixture(scope='module')
def large(photo):
    """A frame of 720 rows, grey but for three people of some 150 to 250 rows."""
    frame = np.full((720, 1280, 3), 128, np.uint8)
    crop = cv2.resize(photo[CROP], None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    frame[300 : 300 + crop.shape[0], 500 : 500 + crop.shape[1]] = crop
    return frame


def clear(poses):
    """People of whom most keypoints were found."""
    return [pose for pose in poses if len(pose.found) >= 12]


def distance(pose, others):
    """Pixels between a person and the nearest of others, the median of the keypoints that both have."""
    apart = [np.linalg.norm(pose.keypoints[:, :2] - other.keypoints[:, :2], axis=1) for other in others]
    return min(float(np.nanmedian(each)) for each in apart if np.isfinite(each).sum() >= 6)


def spy(monkeypatch, learner):
    """Note the height and width of every input that the learner's network sees."""
    backend = learner.pipeline().backend
    seen = []
    call = type(backend).__call__
    monkeypatch.setattr(
        type(backend), '__call__', lambda self, batch: seen.append(batch.shape[2:]) or call(self, batch)
    )
    return seen


# The published document


@pytest.fixture(scope='module')
def document(shared):
    return next((shared / 'seeds').glob('000_*.txt')).read_text()


def documented(document, head):
    """The argument names of the code block that begins with a text."""
    names = re.search(rf'{re.escape(head)}\((.*?)\)\n', document, re.S)[1]
    return re.findall(r'\b([a-z_]\w*)\b(?=\s*(?:,|=|$))', re.sub(r'\bself\b,?', '', names.replace('(0, 0, 0)', '0')))


def test_constructor_is_the_published_one(document):
    parameters = inspect.signature(HighResolutionPoseEstimationLearner).parameters
    published = [*documented(document, 'HighResolutionPoseEstimationLearner'), 'half_precision']
    assert [name for name, each in parameters.items() if each.kind is not each.KEYWORD_ONLY] == published
    section = document.split('Constructor parameters:')[1].split('#### `HighRes')[0]
    defaults = re.findall(r'\*\*(\w+)\*\*: \*.*?default=(.*?)\*?\\?$', section, re.M)
    assert len(defaults) >= 20
    for name, text in defaults:
        name = name.replace('heght', 'height')
        assert parameters[name].default in (eval(text.strip().rstrip('*]')), (), None), name  # our own document


@pytest.mark.parametrize('method', ['infer', 'infer_light_odr', 'save', 'load', 'download', 'first_pass', 'Pooling'])
def test_methods_are_the_published_ones(document, method):
    text = document.replace('HighResolutionPoseEstimationLearner.', 'HighResolutionPoseEstimation.')
    published = documented(text, f'HighResolutionPoseEstimation.{method}')
    parameters = inspect.signature(getattr(HighResolutionPoseEstimationLearner, method)).parameters
    assert [name for name, each in parameters.items() if each.kind is not each.KEYWORD_ONLY] == ['self', *published]


def test_second_pass_infer_and_eval_take_what_is_published():
    second = inspect.signature(HighResolutionPoseEstimationLearner.second_pass_infer).parameters
    names = 'self net img net_input_height_size max_width stride upsample_ratio device pad_value img_mean img_scale'
    assert list(second) == names.split()
    scored = inspect.signature(HighResolutionPoseEstimationLearner.eval).parameters
    names = 'self dataset silent verbose use_subset subset_size images_folder_name annotations_filename'
    assert [name for name, each in scored.items() if each.kind is not each.KEYWORD_ONLY] == names.split()


def test_is_a_learner_of_its_own():
    assert issubclass(HighResolutionPoseEstimationLearner, Learner)
    assert not issubclass(HighResolutionPoseEstimationLearner, LightweightOpenPoseLearner)
    assert isinstance(create_learner('high_resolution', device='cpu'), HighResolutionPoseEstimationLearner)


# Looking


def test_people_are_where_one_pass_at_full_height_sees_them(learner, large):
    poses = clear(learner.infer(large, track=False))
    full = clear(learner._runner.pipeline().with_size(480)(large).poses)
    assert len(full) >= 2
    for person in full:
        assert distance(person, poses) < 6


def test_nobody_in_view_costs_the_first_pass(learner, monkeypatch):
    seen = spy(monkeypatch, learner)
    assert learner.infer(np.full((720, 1280, 3), 128, np.uint8)) == []
    assert seen == [(360, 640)]


def test_the_second_pass_sees_no_more_than_its_people_need(learner, large, monkeypatch):
    seen = spy(monkeypatch, learner)
    learner.infer(large, track=False)
    assert seen[0] == (360, 640)
    assert len(seen) == 2
    assert seen[1][0] * seen[1][1] < 0.5 * 720 * 1280


def test_ids_last_and_reset_forgets_them(learner, large):
    first = {pose.id for pose in clear(learner.infer(large, stamp=0.0))}
    second = {pose.id for pose in clear(learner.infer(large, stamp=0.1))}
    assert first & second
    learner.reset()
    assert learner.tracker.people == []
    assert 0 in {pose.id for pose in learner.infer(large, stamp=0.0)}


def test_untracked_poses_have_no_ids_and_do_not_depend_on_what_came_before(learner, large):
    before = learner.infer(large, track=False)
    learner.infer(large[:, ::-1])
    after = learner.infer(large, track=False)
    assert [pose.id for pose in after] == [None] * len(after)
    assert all(np.array_equal(a.keypoints, b.keypoints, True) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
def test_people_are_followed_between_first_passes(tmp_path, weights, large, monkeypatch):
    learner = loaded(tmp_path, weights, newcomers_interval=3)
    seen = spy(monkeypatch, learner)
    for number in range(7):
        learner.infer(large, stamp=number / 10)
    assert [shape for shape in seen if shape == (360, 640)] == [(360, 640)] * 3


def test_the_tracker_is_shown_the_picture_as_flow_needs_it(tmp_path, weights, large):
    learner = loaded(tmp_path, weights, tracker=flow_tracker())
    first, second = (learner.infer(large, stamp=number / 10) for number in range(2))
    assert first
    assert {pose.id for pose in second} == {pose.id for pose in first}


def test_what_the_node_does_follows_people_too(tmp_path, weights, large, monkeypatch):
    learner = loaded(tmp_path, weights, newcomers_interval=4)
    seen = spy(monkeypatch, learner)
    for number in range(4):
        learner.tracker.update(learner.infer_next(large).poses, number / 10)
    assert seen.count((360, 640)) == 1


def test_multiscale_looks_at_regions_at_four_sizes(learner, large, monkeypatch):
    seen = spy(monkeypatch, learner)
    poses = learner.infer(large, track=False, multiscale=True)
    assert len(seen) == 1 + 4
    assert clear(poses)


def test_the_constructor_s_scales_count_however_people_are_asked_for(tmp_path, weights, large, monkeypatch):
    learner = loaded(tmp_path, weights, scales=[0.5, 1.0])
    seen = spy(monkeypatch, learner)
    ways = [
        lambda: learner.infer(large, track=False),
        lambda: learner.infer_timed(large),
        lambda: learner.infer_next(large),
        lambda: learner.infer_batch([large]),
    ]
    for ask in ways:
        seen.clear()
        ask()
        assert len(seen) == 1 + 2


def test_heights_may_change_while_it_runs(tmp_path, weights, large, monkeypatch):
    learner = loaded(tmp_path, weights)
    seen = spy(monkeypatch, learner)
    learner.tune(first_pass_height=256, second_pass_height=270, keypoint_threshold=0.2, max_persons=1)
    assert len(learner.infer(large, track=False)) == 1
    assert seen[0][0] == 256
    assert learner.passes.cutting().person_height == pytest.approx(100, abs=1)


def test_a_wrong_height_changes_nothing(learner):
    with pytest.raises(SettingsError, match=r'second_pass_height must be .* got 9'):
        learner.tune(first_pass_height=200, second_pass_height=9)
    assert learner.passes.first_pass_height == 360


def test_infer_light_odr_is_one_pass_at_the_base_height(learner, large, monkeypatch):
    seen = spy(monkeypatch, learner)
    learner.infer_light_odr(large, track=False)
    assert seen == [(256, 456)]


def test_a_model_of_one_input_size_runs_both_passes(tmp_path, weights, large):
    learner = learner_of(tmp_path, backend='openvino')
    learner.load(weights / 'omz_int8' / 'human-pose-estimation-0001.xml')
    assert clear(learner.infer(large, track=False))


# The published rule


def test_published_regions_take_one_crop_for_everybody(tmp_path, weights, large, monkeypatch):
    learner = loaded(tmp_path, weights, regions='published')
    seen = spy(monkeypatch, learner)
    poses = learner.infer(large, track=False)
    assert clear(poses)
    assert seen[0] == (360, 640)
    assert len(seen) == 2
    assert seen[1][0] == 544


def test_pooling_takes_the_means_of_blocks(learner):
    image = np.zeros((7, 9, 3), np.uint8)
    image[2:4, 4:6, 1] = 255
    image[0, 0, 0] = 51
    means = learner.Pooling(image, 2)
    assert means.shape == (1, 3, 3, 4)
    assert means[0, 1, 1, 2] == pytest.approx(1)
    assert means[0, 0, 0, 0] == pytest.approx(0.05)
    assert means.sum() == pytest.approx(1.05)


@pytest.mark.parametrize('kernel', [0, 8])
def test_pooling_refuses_other_kernels(learner, kernel):
    with pytest.raises(SettingsError, match=f'kernel must be from 1 to 7, the shorter side, got {kernel}'):
        learner.Pooling(np.zeros((7, 9, 3), np.uint8), kernel)


def test_one_active_cell_is_widened_by_both_blurs():
    fields = np.zeros((38, 40, 60), np.float32)
    fields[5, 20, 30] = 5.0  # a 25th of which is above the threshold
    assert active_box(fields, 0.1) == (26, 16, 34, 24)
    assert active_box(np.minimum(fields, 0), 0.1) is None


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_broken_fields_show_nobody_and_hide_nobody(value):
    fields = np.full((38, 40, 60), value, np.float32)
    assert active_box(fields, 0.1) is None
    fields[5] = 0
    fields[5, 20, 30] = 5.0
    assert active_box(fields, 0.1) == (26, 16, 34, 24)


def test_the_published_margin_never_crosses_a_border():
    class Fields:
        fixed_hw = None

        def __init__(self, box):
            self.box = box

        def __call__(self, batch):
            fields = np.zeros((1, 38, batch.shape[2] // 8, batch.shape[3] // 8), np.float32)
            left, top, right, bottom = self.box
            fields[0, 3, top:bottom, left:right] = 1
            return [fields]

    image = np.zeros((1080, 1920, 3), np.uint8)
    settings = published_region(HighResolutionPoseEstimationLearner(device='cpu', regions='published').passes)
    (middle,) = EnclosingRegionFinder(Fields((30, 15, 40, 30)), settings)([image])[0].regions
    # Blurring widens the box by four cells a side; a cell is 24 pixels; the margin is 0.3 of the box.
    left, right = 26 * 24, 43 * 24
    assert (middle.left, middle.right) == (int(left - 0.3 * (right - left)), int(right + 0.3 * (right - left)))
    (border,) = EnclosingRegionFinder(Fields((1, 15, 20, 30)), settings)([image])[0].regions
    assert border.left == 0


def test_the_published_input_is_not_centred():
    image = np.full((30, 30, 3), 255, np.uint8)
    assert pooled(image, 3).max() == pytest.approx(1)


# What both passes are made of


def test_first_pass_is_warm_where_people_are(learner, large):
    heat = learner.first_pass(None, large)
    assert heat.shape == (45, 80)
    warm = np.argwhere(heat > 0.3) * 16  # rows and columns of the picture
    assert len(warm) > 3
    assert (warm[:, 0] > 280).all()
    assert (warm[:, 1] > 480).all()


def test_networks_of_the_caller_s_are_run(learner, large):
    own = learner.first_pass(None, large)
    given = learner.first_pass(learner.network, large)
    assert np.allclose(own, given, atol=2e-3)


def test_second_pass_infer_returns_enlarged_maps_and_how_the_crop_lies(learner, large):
    crop = large[300:684, 500:1172]
    heatmaps, pafs, scale, pad = learner.second_pass_infer(learner.network, crop, 256, 1280, 8, 4, 'cpu')
    assert heatmaps.shape == (128, 224, 19)
    assert pafs.shape == (128, 224, 38)
    assert scale == pytest.approx(256 / 384)
    assert pad == (0, 0, 0, 0)
    assert heatmaps[..., 1].max() > 0.3
    wide = learner.second_pass_infer(None, large[300:360], 256, 640, 8)
    assert wide.scale == 0.5
    assert wide.heatmaps.shape == (4 * 256 // 8, 4 * 640 // 8, 19)


def test_a_stride_that_the_network_has_not_is_refused(learner, large):
    with pytest.raises(SettingsError, match='stride is 8 for this network, got 16'):
        learner.second_pass_infer(None, large, 256, 640, 16)


# Training, files, evaluation


def test_saved_models_serve_both_learners(tmp_path, weights, large):
    learner = loaded(tmp_path, weights)
    learner.save(tmp_path / 'saved')
    again = learner_of(tmp_path, backend='onnxruntime')
    again.load(tmp_path / 'saved')
    other = LightweightOpenPoseLearner(device='cpu', backend='onnxruntime')
    other.load(tmp_path / 'saved')
    assert other.infer(large) != []
    poses, same = learner.infer(large, track=False), again.infer(large, track=False)
    assert [pose.score for pose in poses] == [pose.score for pose in same]


def test_optimized_models_run_both_passes(tmp_path, weights, large):
    learner = loaded(tmp_path, weights, backend='auto')
    before = clear(learner.infer(large, track=False))
    learner.optimize()
    after = clear(learner.infer(large, track=False))
    assert len(learner.optimized_content()) > 1_000_000
    assert before
    for person in before:
        assert distance(person, after) < 5


def test_the_stride_is_the_network_s(tmp_path):
    learner = learner_of(tmp_path, mobilenet_use_stride=True, backend='torch', num_refinement_stages=0)
    learner.init_model()
    assert learner.pipeline().stride == 16
    assert learner.count_parameters() == 2_483_065
    assert isinstance(learner.infer(np.zeros((400, 640, 3), np.uint8), track=False), list)


def test_without_weights_it_says_so(tmp_path):
    with pytest.raises(WeightsError, match='no weights are loaded'):
        learner_of(tmp_path).infer(np.zeros((64, 64, 3), np.uint8))


def test_fit_trains_the_network_of_both_passes_and_forgets_people(tmp_path):
    learner = learner_of(tmp_path, epochs=3, lr=1e-3, batch_size=2, num_workers=0, num_refinement_stages=0)
    learner.init_model()
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    person = Pose(np.column_stack([np.arange(18), np.arange(18), np.ones(18)]), 9.0)
    learner.tracker.update([person], 5.0)
    assert learner.tracker.people
    transform = published_augmentation(96)
    losses = learner.fit(SyntheticPeople(2, (96, 96), seed=1), None, silent=True, epochs=1, transform=transform)
    assert len(losses['paf_losses']) == 1
    assert learner.tracker.people == []
    assert any((before[name] != value).any() for name, value in learner.network.state_dict().items())
    assert (learner.training.epochs, learner.training.lr) == (3, 1e-3)


@pytest.mark.parametrize('resolution', [None, 540])
def test_eval_scores_pictures_at_the_resolution_asked_for(tmp_path, weights, large, monkeypatch, resolution):
    learner = loaded(tmp_path, weights, img_resol=resolution)
    folder = tmp_path / 'data'
    (folder / 'val2017').mkdir(parents=True)
    cv2.imwrite(str(folder / 'val2017' / 'a.png'), large)
    people = clear(learner.infer(large, track=False))
    write_truth(folder / 'person_keypoints_val2017.json', people, large.shape[:2])
    shapes, look = [], TwoPass.batch
    monkeypatch.setattr(
        TwoPass, 'batch', lambda self, images: shapes.extend(each.shape[:2] for each in images) or look(self, images)
    )
    scores = learner.eval(ExternalDataset(str(folder), 'coco'), silent=True)
    assert shapes == [large.shape[:2] if resolution is None else (540, 960)]
    assert scores['average_precision'][1] > 0.9
    assert len(scores['average_recall']) == 5
    assert (tmp_path / 'temp' / 'detections.json').is_file()


def write_truth(path, people, hw):
    annotations = []
    for number, pose in enumerate(people, start=1):
        keypoints = np.nan_to_num(pose.skeleton.convert(pose.keypoints, COCO_17))
        keypoints[:, 2] = 2 * (keypoints[:, 2] > 0)
        x, y, width, height = pose.bbox
        annotations.append({
            'id': number, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'bbox': [x, y, width, height],
            'area': width * height, 'keypoints': keypoints.ravel().tolist(),
            'num_keypoints': int((keypoints[:, 2] > 0).sum()),
        })  # fmt: skip
    image = {'id': 1, 'file_name': 'a.png', 'height': hw[0], 'width': hw[1]}
    path.write_text(
        json.dumps({'images': [image], 'annotations': annotations, 'categories': [{'id': 1, 'name': 'person'}]})
    )


@pytest.mark.parametrize(
    ('options', 'complaint'),
    [
        ({'regions': 'squares'}, "regions must be one of people, published, got 'squares'"),
        ({'first_pass_height': 8}, 'first_pass_height must be a whole number from 32'),
        ({'first_pass_height': 'x'}, "first_pass_height must be a whole number from 32 to 4320, got 'x'"),
        ({'newcomers_interval': 'x'}, "newcomers_interval must be 1 .* got 'x'"),
        ({'img_resol': 5}, 'the input height must be from 32 to 4320 pixels, got 5'),
        ({'newcomers_interval': 0}, 'newcomers_interval must be 1 .* got 0'),
        ({'region_settings': {'marign': 1}}, 'settings of people regions are .*margin.*, got marign'),
        ({'region_settings': {'margin': -1}}, 'margin must be a number, 0 or more, got -1'),
        ({'region_settings': {'tolerance': '1'}}, "tolerance must be a number above 0, got '1'"),
        ({'region_settings': {'margin': -1}, 'regions': 'published'}, 'margin must be a number, 0 or more, got -1'),
        ({'region_settings': {'threshold': 'x'}, 'regions': 'published'}, "threshold must be a number.* got 'x'"),
        (
            {'region_settings': {'second_pass_height': 3}, 'regions': 'published'},
            'second_pass_height is an argument of the learner',
        ),
    ],
)
def test_wrong_options_are_told_at_once(options, complaint):
    with pytest.raises(SettingsError, match=complaint):
        HighResolutionPoseEstimationLearner(device='cpu', **options)


def test_a_tracker_of_the_caller_s_is_used(tmp_path):
    tracker = Tracker.published()
    assert learner_of(tmp_path, tracker=tracker).tracker is tracker


@pytest.mark.parametrize(('rows', 'size'), [(None, 1080), (1440, 1440), (720, 1080)])
def test_test_data_is_a_large_picture(tmp_path, serve, rows, size):
    picture = f'dataset/image/000000000785_{size}.jpg'
    for name in ('dataset/annotation.json', picture):
        (tmp_path / 'server' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'server' / name).write_bytes(b'content')
    learner = learner_of(tmp_path, img_resol=rows)
    paths = learner.download(mode='test_data', url=serve(tmp_path / 'server'))
    assert [path.relative_to(tmp_path / 'temp').as_posix() for path in paths] == ['dataset/annotation.json', picture]


@pytest.mark.slow
def test_the_seed_s_example_runs_as_it_is_written(document, tmp_path, serve, large, monkeypatch):
    """But for import paths, and folders: it downloads to `temp` and reads from `parent_dir`. Weights are random."""
    code = re.search(r'```python\n(  import cv2\n.*?)  ```', document, re.S)[1]
    code = inspect.cleandoc(re.sub(r'from opendr\.[\w.]+ import', 'from pose_estimation_ros import', code))
    server = tmp_path / 'server'
    source = LightweightOpenPoseLearner(device='cpu', mobilenet_use_stride=False, num_refinement_stages=2)
    source.init_model()
    source.save(server / 'openpose_default')
    (server / 'dataset' / 'image').mkdir(parents=True)
    cv2.imwrite(str(server / 'dataset' / 'image' / '000000000785_1080.jpg'), large)
    (server / 'dataset' / 'annotation.json').write_text('{}')
    *others, _ = HighResolutionPoseEstimationLearner.download.__defaults__
    monkeypatch.setattr(HighResolutionPoseEstimationLearner.download, '__defaults__', (*others, serve(server)))
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    (tmp_path / 'here' / 'parent_dir').symlink_to('temp')
    windows = []
    monkeypatch.setattr(cv2, 'imshow', lambda name, image: windows.append((name, image)))
    monkeypatch.setattr(cv2, 'waitKey', lambda delay: -1)
    exec(code, variables := {})  # our own document
    assert isinstance(variables['current_poses'], list)
    assert variables['pose_estimator'].pipeline().stride == 8
    assert windows[0][0] == 'Result'
    assert windows[0][1].shape == large.shape


# Another model for the first pass


def plain(tmp_path, **options):
    common = {'device': 'cpu', 'temp_path': tmp_path / 'first', 'mobilenet_use_stride': False, 'threads': 1}
    return LightweightOpenPoseLearner(**{**common, **options})


def test_passes_may_run_on_two_backends_and_precisions(tmp_path, weights, large, learner):
    pytest.importorskip('openvino', reason='openvino is not installed')
    first = plain(tmp_path, backend='openvino', precision='bf16')
    first.load(weights / 'lwop_omz.onnx')
    mixed = loaded(tmp_path, weights, first_pass=first)
    found, expected = (clear(each.infer(large, track=False)) for each in (mixed, learner))
    assert len(found) == len(expected) >= 2
    for pose, same in zip(found, expected, strict=True):
        assert np.nanmedian(np.linalg.norm(pose.keypoints[:, :2] - same.keypoints[:, :2], axis=1)) < 4


def test_the_first_pass_alone_says_where_to_look(tmp_path, weights, large):
    blind = plain(tmp_path, backend='torch')
    blind.init_model()
    for values in blind.network.parameters():
        values.data.zero_()  # sees nobody
    mixed = loaded(tmp_path, weights, first_pass=blind)
    assert mixed.infer(large, track=False) == []


@pytest.mark.parametrize(
    ('method', 'message'),
    [
        ('simple_baseline', 'first_pass must be a learner of whole images'),
        ('high_resolution', 'first_pass must be a learner of one pass, got HighResolutionPoseEstimationLearner'),
    ],
)
def test_what_cannot_be_a_first_pass_is_refused(tmp_path, weights, large, method, message):
    first = create_learner(method, device='cpu', temp_path=tmp_path)
    if method == 'high_resolution':
        first.load(weights / 'lwop_omz.onnx')
    with pytest.raises(SettingsError, match=message):
        loaded(tmp_path, weights, first_pass=first).infer(large, track=False)
