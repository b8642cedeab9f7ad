"""Commands with a method that looks at one person at a time: real weights, and all that can be wrong."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml

from pose_estimation_ros.apps.benchmark import stages
from pose_estimation_ros.apps.benchmark.report import crossing, crossings, draw_crossing
from pose_estimation_ros.learners.simple_baseline import SimpleBaselineLearner

SB = ('--method', 'simple_baseline', '--backend', 'onnxruntime', '--threads', '1')
COCO_NAMES = ('--images-folder', 'train2017', '--annotations', 'person_keypoints_train2017.json')


@pytest.fixture(scope='module')
def weights(assets):
    return assets / 'weights'


@pytest.fixture(scope='module')
def street(assets, tmp_path_factory):
    """A picture of a street with two people in front and others behind."""
    video = cv2.VideoCapture(str(assets / 'video' / 'street.mp4'))
    video.set(cv2.CAP_PROP_POS_FRAMES, 540)
    path = tmp_path_factory.mktemp('street') / 'street.png'
    cv2.imwrite(str(path), video.read()[1])
    return path


@pytest.fixture
def baseline(weights):
    """The options of a model with real weights."""
    return (*SB, '--weights', weights / 'simplepose_ultralight.onnx')


def frames_of(path):
    return json.loads(Path(path).read_text())['frames']


def test_infer_with_a_detector_finds_people_and_other_poses_serve_as_boxes(cli, baseline, weights, street):
    finding = ('--detector', weights / 'yolox_nano.onnx')
    outcome = cli('infer', street, *baseline, *finding, '--json', 'found.json', '--output', 'out')
    assert outcome.code == 0, outcome
    (frame,) = frames_of('found.json')
    assert len(frame['poses']) >= 3
    assert json.loads(Path('found.json').read_text())['skeleton']['name'] == 'coco_17'
    assert cv2.imread('out/street.png').shape == (480, 854, 3)
    every = cli('infer', street, *baseline, *finding, '--detector-score-threshold', 0.9, '--json', 'sure.json')
    assert every.code == 0, every
    assert len(frames_of('sure.json')[0]['poses']) < len(frame['poses'])
    again = cli('infer', street, *baseline, '--boxes', 'found.json', '--json', 'again.json')
    assert again.code == 0, again
    assert 'no detector' not in again.err
    (other,) = frames_of('again.json')
    tallest, same = (max(each['poses'], key=lambda pose: pose['bbox'][3]) for each in (frame, other))
    np.testing.assert_allclose(same['bbox'], tallest['bbox'], atol=12)
    Path('elsewhere.png').write_bytes(street.read_bytes())
    unknown = cli('infer', 'elsewhere.png', *baseline, '--boxes', 'found.json', '--json', 'unknown.json')
    assert unknown.code == 2
    assert f'found.json has no frame 0 of elsewhere.png, only frames of {street}' in unknown.complaints[-1]
    assert not Path('unknown.json').exists()
    whole = cli('infer', street, *baseline, '--boxes', 'whole_image', '--json', 'whole.json')
    assert whole.code == 0, whole
    assert len(frames_of('whole.json')[0]['poses']) <= 1
    assert 'no detector' not in whole.err
    unasked = cli('infer', street, *baseline, '--json', 'whole.json')
    assert unasked.err.count('no detector given: every image without boxes is treated as one person') == 1


@pytest.mark.slow
@pytest.mark.parametrize(('options', 'ap', 'ap50'), [([], 0.480, 0.761), (['--flip'], 0.488, 0.788)])
def test_evaluate_on_true_boxes_gives_the_known_accuracy(cli, baseline, assets, options, ap, ap50):
    outcome = cli(
        'evaluate', '--dataset', assets / 'coco', *COCO_NAMES, '--boxes', 'ground_truth', *baseline, *options, '--json'
    )  # fmt: skip
    assert outcome.code == 0, outcome
    result = json.loads(outcome.out)
    assert (result['AP'], result['AP50']) == pytest.approx((ap, ap50), abs=0.003)
    assert (result['images'], result['detections']) == (160, 196)


def test_evaluate_takes_boxes_from_files(cli, baseline, assets):
    truth = json.loads((assets / 'coco/annotations/person_keypoints_train2017.json').read_text())
    first = {image['id'] for image in truth['images'][:4]}
    people = [each for each in truth['annotations'] if each['image_id'] in first and each['num_keypoints']]
    rows = [{'image_id': each['image_id'], 'category_id': 1, 'bbox': each['bbox'], 'score': 1} for each in people]
    rows.append({**rows[0], 'category_id': 18})  # not a person
    Path('boxes.json').write_text(json.dumps(rows))
    numbers = []
    for source in ('boxes.json', 'ground_truth'):
        options = ('evaluate', '--dataset', assets / 'coco', *COCO_NAMES, '--limit', 4, '--boxes', source, *baseline)
        outcome = cli(*options, '--json')
        assert outcome.code == 0, outcome
        numbers.append({**json.loads(outcome.out), 'ms_per_image': 0})
    assert numbers[0] == numbers[1]
    assert numbers[0]['detections'] == len(people)
    some = ('evaluate', '--dataset', assets / 'coco', *COCO_NAMES, '--limit', 4)
    bottom_up = ('--weights', assets / 'weights' / 'lwop_omz.onnx', '--backend', 'onnxruntime', '--output', 'found')
    assert cli(*some, *bottom_up).code == 0
    outcome = cli(*some, '--boxes', 'found/detections.json', *baseline, '--json')
    assert outcome.code == 0, outcome
    result = json.loads(outcome.out)
    assert 0 < result['detections'] <= len(json.loads(Path('found/detections.json').read_text()))
    assert result['AP50'] > 0.3


def test_what_does_not_go_together_is_told(cli, baseline, weights, street, assets):
    plain = ('--weights', weights / 'lwop_omz.onnx', '--backend', 'onnxruntime')
    detector = weights / 'yolox_nano.onnx'
    evaluate = ('evaluate', '--dataset', assets / 'coco', *COCO_NAMES, '--limit', 1)
    for arguments, words in (
        (('infer', street, *plain, '--boxes', 'whole_image'), 'lightweight_openpose has no --boxes'),
        (('infer', street, *plain, '--detector', detector), 'lightweight_openpose has no --detector'),
        (('infer', street, *plain, '--channel-order', 'rgb'), 'has no --channel-order'),
        (('infer', street, *baseline, '--boxes', 'detector'), '--boxes detector needs --detector PATH'),
        (('infer', street, *baseline, '--boxes', 'whole_image', '--detector', detector), 'contradict each other'),
        (
            ('infer', street, *baseline, '--detector-score-threshold', 0.2),
            '--detector-score-threshold has no effect without --detector',
        ),
        (('infer', street, *plain, '--detector-nms-threshold', 0.2), 'has no --detector-nms-threshold'),
        (('infer', street, *baseline, '--detector-nms-threshold', 2), 'must be a number from 0 to 1'),
        (
            (*evaluate, '--detections', 'x.json', '--detector-nms-threshold', 0.2),
            '--detector-nms-threshold: with --detections no model is run',
        ),
        (
            ('benchmark', '--tracking', '--detector-nms-threshold', 0.2),
            '--detector-nms-threshold: only for a benchmark',
        ),
        (('infer', street, *baseline, '--boxes', 'nowhere.json'), 'cannot read boxes from nowhere.json'),
        (('infer', street, *baseline, '--detector', street), 'no ONNX model'),
        (('infer', street, *baseline, '--height', 256), 'has no --height'),
        (
            ('infer', street, *baseline, '--stages', 1, '--stride', 16),
            'simple_baseline has no --stride, --stages; leave',
        ),
        (('infer', street, *baseline, '--decode', 'fast'), "--decode must be one of published, got 'fast'"),
        (('infer', street, *SB, '--weights', weights / 'lwop_omz.onnx'), 'does not fit: expected outputs'),
        (('infer', street, *SB), 'none of simple_baseline come with this package'),
        ((*evaluate, *baseline, '--scales', '1,2'), '--scales is for methods that take whole images'),
        ((*evaluate, *baseline, '--boxes', 'ground truth'), 'boxes must be ground_truth'),
        ((*evaluate, *baseline, '--head-boxes', 'x.mat', '--flip', '--boxes', 'ground_truth'), 'do not go together'),
        ((*evaluate, *baseline, '--head-boxes', 'x.mat', '--batch-size', 2), 'and --batch-size do not go together'),
        ((*evaluate, *baseline, '--head-boxes', 'x.mat', '--skip-unreadable'), 'and --skip-unreadable do not go'),
        ((*evaluate, *baseline, '--head-boxes', 'x.mat'), 'coco/annot; --annotations must name'),
    ):
        assert words in cli(*arguments).sentence(), arguments


RECIPE = {
    'method': 'simple_baseline',
    'network': {'depth': 18, 'input_height': 64, 'input_width': 64},
    'data': {
        'train': [{'kind': 'synthetic', 'count': 4, 'size': [96, 96], 'persons': [1, 2]}],
        'validation': [{'kind': 'synthetic', 'count': 1, 'size': [96, 96], 'seed': 1}],
    },
    'trainer': {'max_epochs': 1, 'max_steps': 2, 'batch_size': 2, 'num_workers': 0, 'device': 'cpu', 'val_after': 2},
    'logging': {'images_after': 2},
}


@pytest.mark.slow
def test_a_recipe_trains_scores_and_saves_a_model_that_loads(cli):
    Path('recipe.yaml').write_text(yaml.safe_dump(RECIPE))
    outcome = cli('train', '--config', 'recipe.yaml', '--output', 'run')
    assert outcome.code == 0, outcome
    results = json.loads(Path('run/results.json').read_text())
    assert 'AP' in json.dumps(results)
    assert cv2.imread('run/images/iter_2.png').shape[1] == 3 * 64
    learner = SimpleBaselineLearner(device='cpu', backend='torch')
    learner.load('run/model')
    assert (learner.options.depth, learner.options.input_hw) == (18, (64, 64))
    assert learner.options.label_corner is False
    outcome = cli('export', 'model.onnx', '--method', 'simple_baseline', '--weights', 'run/model', '--backend', 'torch')
    assert outcome.code == 0, outcome
    assert 'wrote model.onnx; its maps differ' in outcome.out
    sentence = cli(
        'train', '--config', 'recipe.yaml', '--output', 'other', '--transform.kind', 'letterboxed'
    ).sentence()
    assert 'transform.kind must be published for simple_baseline' in sentence


def test_published_recipes_are_read_and_say_what_is_missing(cli):
    recipes = Path(__file__).resolve().parents[2] / 'config' / 'train'
    for name, words in (('coco', 'images of the coco_persons dataset'), ('mpii', 'images of the mpii dataset')):
        sentence = cli('train', '--config', recipes / f'simple_baseline_{name}.yaml', '--output', 'run').sentence()
        assert words in sentence


def row(method, people, total):
    return SimpleNamespace(
        method=method, weights=f'{method}.onnx', backend='x', precision='fp32', decode='y', total_ms=total,
        source=f'synthetic {people}',
    )  # fmt: skip


def test_the_benchmark_says_from_how_many_people_on_top_down_is_slower(tmp_path):
    flat, steep = [(1, 50.0), (5, 50.0), (15, 50.0)], [(1, 20.0), (5, 40.0), (15, 90.0)]
    assert crossing(steep, flat) == pytest.approx(7.0)
    assert crossing(flat, steep) == 0
    assert crossing([(1, 1.0), (5, 2.0)], flat[:2]) is None
    rows = [row(name, people, ms) for name, curve in (('up', flat), ('down', steep)) for people, ms in curve]
    assert crossings(rows) == [
        'down (down.onnx x fp32 y) is slower from about 7.0 people on than up (up.onnx x fp32 y)'
    ]
    assert crossings(rows[:3]) == []
    draw_crossing(rows, tmp_path / 'crossing.png')
    assert cv2.imread(str(tmp_path / 'crossing.png')).shape[0] > 300


@pytest.mark.parametrize('method', ['lightweight_openpose', 'high_resolution'])
def test_the_benchmark_measures_it_beside_a_method_of_whole_pictures(cli, weights, seer, monkeypatch, method):
    """Options that only the other method takes do not reach it."""
    monkeypatch.setattr(stages, 'SCENES_PER_CROWD', 1)
    arguments = ('--weights', seer, '--top-down', weights / 'simplepose_ultralight.onnx', '--backend', 'onnxruntime')
    least = ('--frames', 1, '--people', 1, '--detector', weights / 'yolox_nano.onnx', '--json', 'report.json')
    heights = ('--first-pass-height', 128, '--second-pass-height', 200) if method == 'high_resolution' else ()
    outcome = cli('benchmark', *arguments, *least, '--method', method, *heights)
    assert outcome.code == 0, outcome
    methods = [row['method'] for row in json.loads(Path('report.json').read_text())['rows']]
    assert methods[-1] == 'simple_baseline'
    assert set(methods[:-1]) == {method}
