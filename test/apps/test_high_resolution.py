"""`--method high_resolution` on the command line: infer, evaluate, benchmark and its tables."""

import dataclasses
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.apps.benchmark import published as tables_command
from pose_estimation_ros.apps.benchmark.published import Measured, TableRow, Variant, scored_row, tables
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.evaluation.coco_score import CocoScore
from pose_estimation_ros.methods.high_resolution.system import TABLES

METHOD = ('--method', 'high_resolution', '--backend', 'onnxruntime', '--threads', 1)


@pytest.fixture(scope='module')
def onnx_file(assets):
    return assets / 'weights' / 'lwop_omz.onnx'


@pytest.fixture(scope='module')
def large(assets):
    """A frame of 720 rows with a part of the street in it."""
    video = cv2.VideoCapture(str(assets / 'video' / 'street.mp4'))
    video.set(cv2.CAP_PROP_POS_FRAMES, 540)
    crop = cv2.resize(video.read()[1][160:416, 406:854], None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    frame = np.full((720, 1280, 3), 128, np.uint8)
    frame[300 : 300 + crop.shape[0], 500 : 500 + crop.shape[1]] = crop
    return frame


@pytest.fixture
def people(cli, large, onnx_file):
    """What `infer` writes down of the frame."""
    cv2.imwrite('large.png', large)
    outcome = cli('infer', 'large.png', '--weights', onnx_file, *METHOD, '--json', 'out.json', '--output', 'out')
    assert outcome.code == 0, outcome
    (frame,) = json.loads(Path('out.json').read_text())['frames']
    assert (frame['width'], frame['height']) == (1280, 720)
    return frame['poses']


def whole(people):
    return [person for person in people if sum(point is not None for point in person['keypoints']) >= 12]


def test_infer_finds_people_in_a_large_picture(people):
    assert len(whole(people)) >= 2
    for x, y, _, _ in (person['bbox'] for person in whole(people)):
        assert x > 480
        assert y > 280


def test_evaluate_scores_it(cli, people, large, onnx_file):
    folder = Path('data')
    (folder / 'val2017').mkdir(parents=True)
    cv2.imwrite(str(folder / 'val2017' / 'a.png'), large)
    write_truth(folder / 'person_keypoints_val2017.json', whole(people))
    for extra in ((), ('--flip', '--scales', '1,1.5')):
        arguments = ('--dataset', folder, '--weights', onnx_file, *METHOD, *extra, '--json', 'score.json')
        outcome = cli('evaluate', *arguments)
        assert outcome.code == 0, outcome
        score = json.loads(Path('score.json').read_text())
        assert score['AP50'] > 0.7, f'{extra}: {score}'
        assert score['ms_per_image'] > 0


def write_truth(path, people):
    annotations = []
    for number, person in enumerate(people, start=1):
        points = dict(zip(OPENPOSE_18.keypoints, person['keypoints'], strict=True))
        rows = [[*points[name][:2], 2] if points[name] else [0, 0, 0] for name in COCO_17.keypoints]
        annotations.append({
            'id': number, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'bbox': person['bbox'],
            'area': person['bbox'][2] * person['bbox'][3], 'keypoints': [value for row in rows for value in row],
            'num_keypoints': sum(row[2] > 0 for row in rows),
        })  # fmt: skip
    image = {'id': 1, 'file_name': 'a.png', 'width': 1280, 'height': 720}
    path.write_text(json.dumps({'images': [image], 'annotations': annotations, 'categories': [{'id': 1, 'name': 'p'}]}))


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        (
            (*METHOD, '--height', 300),
            'high_resolution has no --height (it has --first-pass-height, --second-pass-height); leave it out, or',
        ),
        ((*METHOD, '--first-pass-height', 20), "--first-pass-height must be a whole number from 32 to 4320, got '20'"),
        ((*METHOD, '--regions', 'squares'), "--regions must be one of people, published, got 'squares'"),
        (('--second-pass-height', 300), 'lightweight_openpose has no --second-pass-height'),
    ],
)
def test_options_that_do_not_fit_are_told(cli, onnx_file, large, arguments, complaint):
    cv2.imwrite('large.png', large)
    assert complaint in cli('infer', 'large.png', '--weights', onnx_file, *arguments).sentence()


@pytest.mark.slow
def test_benchmark_measures_it_like_any_method(cli, onnx_file):
    smallest = ('--frames', 1, '--people', 1, '--json', 'report.json')
    outcome = cli('benchmark', '--weights', onnx_file, *METHOD, *smallest)
    assert outcome.code == 0, outcome
    rows = json.loads(Path('report.json').read_text())['rows']
    assert {row['method'] for row in rows} == {'high_resolution'}
    assert all(row['forward_ms'] > 0 for row in rows)


@pytest.mark.slow
def test_tables_have_the_published_lines(cli, tiny, monkeypatch):
    """With weights of which any stride and number of stages can be made; bf16 needs another backend than this."""
    pytest.importorskip('torch')
    monkeypatch.setattr(tables_command, 'SCENES', 1)
    monkeypatch.setattr(tables_command, 'ROWS', 360)
    arguments = ('--weights', tiny, '--table', 'high_resolution', '--device', 'cpu', '--backend', 'onnxruntime')
    outcome = cli('benchmark', *arguments, '--frames', 1, '--json', 'tables.json', '--output', 'out')
    assert outcome.code == 0, outcome
    rows = json.loads(Path('tables.json').read_text())['rows']
    two_pass = {row['setting'] for row in rows if row['method'] == 'high_resolution'}
    assert {'Baseline', 'Stages'} <= two_pass < {setting.name for setting in TABLES.settings}
    assert all(row['fps'] > 0 for row in rows)
    assert (Path('out') / 'table.txt').read_text().startswith('Frames per second')
    assert '--dataset DIR measures accuracy as well' in outcome.out


def test_tables_show_what_was_measured_and_nothing_else():
    rows = [
        TableRow('speed', 'high_resolution', 'Full', 'cpu', 'torch', 'bf16', None, fps=12.5),
        TableRow(
            'coco', 'lightweight_openpose', 'Baseline', 'cpu', 'torch', 'fp32', 256, ap50=0.5, ar50=0.6, seconds=7
        ),
    ]
    text = tables(rows, 'published')
    assert 'high_resolution (published)  two   Full' in text
    assert '12.5' in text
    assert 'COCO images as they are' in text
    assert '1080 rows' not in text


@pytest.mark.parametrize(
    ('table', 'row', 'device', 'expected'),
    [
        ('speed', ('high_resolution', None, 'H+S'), 'cuda:1', (25.9,)),
        ('speed', ('lightweight_openpose', 1080, 'Full'), 'cpu', (0.2,)),
        ('coco', ('high_resolution', None, 'Stages'), 'cpu', (0.539, 0.562, 238)),
        ('coco 1080', ('high_resolution', None, 'Baseline'), 'cuda', (0.518, 0.536)),
        ('coco 1080', ('lightweight_openpose', 256, 'Baseline'), 'cpu', ()),
    ],
)
def test_published_numbers_stand_beside_ours(table, row, device, expected):
    assert TABLES.row(table, row, device) == expected
    method, height, setting = row
    line = TableRow(table, method, setting, device, 'torch', 'fp32', height, published=expected)
    written = tables([line], 'people').splitlines()
    assert written[1].split()[-1] == 'published'
    assert written[2].split()[-1] == ('/'.join(f'{each:g}' for each in expected) or '-')


def test_pictures_of_nobody_have_a_time_and_no_accuracy():
    """Which JSON could not hold, after minutes of measuring."""
    names = [field.name for field in dataclasses.fields(CocoScore)]
    measured = Measured('high_resolution', TABLES.settings[0], None)
    variant = Variant(TABLES, measured, 'cpu', None, 'torch', 'fp32')
    row = scored_row(variant, 'coco', CocoScore(**dict.fromkeys(names, math.nan)), 1.23)
    assert (row.ap50, row.ar50, row.seconds) == (None, None, 1.2)
    assert tables([row], 'people').splitlines()[-1].split()[-4:] == ['-', '-', '1.2', '0.615/0.637/288']
    row = scored_row(variant, 'coco', CocoScore(**dict.fromkeys(names, 0.25)), 1.23)
    assert (row.ap50, row.ar50) == (0.25, 0.25)


def test_every_setting_of_the_tables_was_published():
    for table, device in (('speed', 'cpu'), ('speed', 'cuda'), ('coco', 'cpu'), ('coco 1080', 'cpu')):
        keys = [('high_resolution', None, setting.name) for setting in TABLES.settings]
        assert all(TABLES.row(table, key, device) for key in keys)


def test_tables_refuse_options_of_other_benchmarks(cli, onnx_file):
    given = ('--all', '--height', 300, '--tracking', '--people', 3)
    outcome = cli('benchmark', '--table', 'high_resolution', *given, '--weights', onnx_file)
    assert 'leave out --people, --tracking, --all, --height' in outcome.sentence()
    outcome = cli('benchmark', '--table', 'high_resolution', '--limit', 3, '--weights', onnx_file)
    assert '--limit: only for --dataset; leave it out' in outcome.sentence()
