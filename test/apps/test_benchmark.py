import importlib.util
import json
from pathlib import Path

import cv2
import pytest

from pose_estimation_ros.apps.benchmark import stages

OUT = Path('out')
REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = ('preprocess_ms', 'forward_ms', 'decode_ms')
CONTRACT = {
    *('method', 'backend', 'precision', 'decode', 'height', 'source', 'people'),
    *(*STAGES, 'total_ms', 'total_p95_ms'),
}
"""What DESIGN.md promises; more may come along."""

SMALLEST = ('--frames', 2, '--people', 1, '--keypoint-threshold', 0.5)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    """Draw and warm up less than whoever wants numbers."""
    monkeypatch.setattr(stages, 'SCENES_PER_CROWD', 1)
    monkeypatch.setattr(stages, 'WARM_UP', 1)


@pytest.fixture
def benchmark(cli):
    """Function that runs the smallest benchmark and returns its report and what it printed."""

    def run(*arguments):
        outcome = cli('benchmark', *SMALLEST, '--json', 'report.json', *arguments)
        assert outcome.code == 0, outcome
        return json.loads(Path('report.json').read_text()), outcome

    return run


def check_rows(rows):
    for row in rows:
        assert row.keys() >= CONTRACT
        assert all(row[name] >= 0 for name in (*STAGES, 'people'))
        assert row['total_ms'] >= max(row[stage] for stage in STAGES)
        assert row['total_p95_ms'] >= row['total_ms'] - 0.001
        first = next(each for each in rows if each['source'] == row['source'])
        assert row['speedup'] == pytest.approx(first['total_ms'] / row['total_ms'], abs=0.02)


def test_checkpoint(benchmark, tiny):
    """The published demo's way comes first: torch, the reference decoder."""
    pytest.importorskip('torch')
    report, outcome = benchmark('--weights', tiny, '--output', OUT, '--backend', 'onnxruntime')
    assert report.keys() == {'machine', 'rows'}
    rows = report['rows']
    check_rows(rows)
    ways = [(row['backend'], row['precision'], row['decode'], row['speedup']) for row in rows]
    assert ways[0] == ('torch', 'fp32', 'reference', 1.0)
    assert ways[1][:3] == ('onnxruntime', 'fp32', 'fast')
    assert {row['source'] for row in rows} == {'synthetic 1'}
    assert {row['height'] for row in rows} == {256}
    assert {row['method'] for row in rows} == {'lightweight_openpose'}
    lines = outcome.out.splitlines()
    assert lines[0].split()[:3] == ['source', 'people', 'weights']
    assert lines[2].split()[:2] == ['synthetic', '1']
    assert 'torch' in lines[2]
    assert 'onnxruntime' in lines[3]


def test_heights_beside_the_published_way_at_each(benchmark, seeing):
    report, _ = benchmark(*seeing, '--heights', 128, 192)
    rows = report['rows']
    assert [row['height'] for row in rows] == [128, 128, 192, 192]
    assert [row['decode'] for row in rows] == ['reference', 'fast'] * 2
    assert [rows[index]['speedup'] for index in (0, 2)] == [1, 1]


def test_machine(benchmark, seeing):
    machine = benchmark(*seeing)[0]['machine']
    assert machine['processor']
    assert machine['cores'] >= 1
    assert machine['python'].count('.') == 2
    assert machine['packages']['onnxruntime']


def test_files(benchmark, seeing):
    report, outcome = benchmark(*seeing, '--output', OUT)
    assert sorted(path.name for path in OUT.iterdir()) == ['benchmark.json', 'benchmark.png', 'table.txt']
    assert json.loads((OUT / 'benchmark.json').read_text()) == report
    assert (OUT / 'table.txt').read_text().strip() in outcome.out
    plot = cv2.imread(str(OUT / 'benchmark.png'))
    assert plot.shape[1] > 600
    colours = {tuple(colour) for colour in plot.reshape(-1, 3)[::7].tolist()}
    assert len(colours) > 20
    assert 0.3 < (plot > 250).all(axis=2).mean() < 0.99


def test_model_that_does_not_run_in_torch(benchmark, seeing):
    """The published demo's decoder is compared alone, and that is said."""
    report, outcome = benchmark(*seeing)
    check_rows(report['rows'])
    assert [row['decode'] for row in report['rows']] == ['reference', 'fast']
    assert 'here only its decoding is compared' in outcome.out


def test_own_video_and_more_weights(benchmark, seeing, seer, clip, tmp_path):
    (tmp_path / 'other.onnx').write_bytes(seer.read_bytes())
    report, _ = benchmark(*seeing, '--video', clip, '--also', tmp_path / 'other.onnx')
    check_rows(report['rows'])
    rows = [row for row in report['rows'] if row['source'] == 'walk.avi']
    assert len(rows) == 3
    assert [row['people'] for row in rows] == [2, 2, 2]
    assert [row['weights'] for row in rows] == ['seer.onnx', 'seer.onnx', 'other.onnx']


def test_crowds(benchmark, seeing):
    rows = benchmark(*seeing, '--people', 1, 2)[0]['rows']
    check_rows(rows)
    assert [row['source'] for row in rows] == ['synthetic 1'] * 2 + ['synthetic 2'] * 2


def test_all_ways(benchmark, seer):
    """Every backend that is installed and takes the model; others are left out without a word."""
    report, _ = benchmark('--weights', seer, '--all')
    check_rows(report['rows'])
    ways = {(row['backend'], row['precision']) for row in report['rows']}
    assert ('onnxruntime', 'fp32') in ways
    assert 'torch' not in {backend for backend, _ in ways}
    chosen = [(row['backend'], row['precision'], row['decode']) for row in report['rows'][1:]]
    assert len(chosen) == len(set(chosen))


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--weights', 'missing.onnx'], 'missing.onnx; give a saved folder'),
        (['--video', 'missing.mp4'], 'there is no file or folder missing.mp4'),
        (['--also', 'missing.onnx'], 'missing.onnx; give a saved folder'),
        (['--also', 'missing.onnx', '--all'], 'missing.onnx; give a saved folder'),
        (['--also', '../broken.onnx', '--all'], 'broken.onnx'),
        (['--ros', '--threads', '1', '--decode', 'reference'], 'does not take --threads, --decode'),
        (['--ros', '--precision', 'bf16', '--video', 'a.mp4'], 'does not take --precision, --video'),
        (['--ros', '--second-pass-height', '400'], 'lightweight_openpose has no --second-pass-height'),
        (['--ros', '--method', 'high_resolution', '--height', '400'], 'high_resolution has no --height'),
        (['--ros', '--weights', 'missing.onnx'], 'missing.onnx; give a saved folder'),
        (['--ros', '--people', '1', '5'], '--ros takes one number of people, got --people 1 5'),
        (['--dataset', 'coco', '--limit', '2'], '--dataset, --limit: only for --table'),
        (['--images-folder', 'here', '--annotations', 'a.json'], '--images-folder, --annotations: only for --table'),
        (['--tracking', '--video', 'a.mp4'], '--people, --video, --weights: only for a benchmark without --tracking'),
        (['--output', 'taken'], 'cannot make the folder taken'),
        (['--people', '1000'], 'people must be 0 to 100'),
    ],
)
def test_bad_input(cli, seer, arguments, expected):
    Path('taken').write_text('mine')
    Path('../broken.onnx').write_bytes(b'no model')
    sentence = cli('benchmark', *SMALLEST, '--weights', seer, '--json', 'report.json', *arguments).sentence()
    assert expected in sentence
    assert [path.name for path in Path().iterdir()] == ['taken']


def test_ros_without_rclpy(cli, seer, monkeypatch):
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if name == 'rclpy' else known(name))
    assert '--ros needs rclpy, which is not installed' in cli('benchmark', '--ros', '--weights', seer).sentence()


@pytest.mark.slow
def test_node(cli, seer, monkeypatch):
    """Three sizes of picture, with the middleware's profile and without, over the middleware."""
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    monkeypatch.setenv('PYTHONPATH', str(REPOSITORY))
    arguments = ('--frames', 15, '--people', 1, '--height', 128, '--weights', seer, '--json', 'report.json')
    outcome = cli('benchmark', '--ros', *arguments, '--output', OUT)
    assert outcome.code == 0, outcome
    rows = json.loads(Path('report.json').read_text())['rows']
    assert [row['profile'] for row in rows] == [True, False] * 3
    assert [(row['width'], row['height']) for row in rows[::2]] == [(640, 480), (1280, 720), (1920, 1080)]
    for row in rows:
        assert row.keys() >= CONTRACT
        assert row['sent'] == 15
        assert row['processed'] <= 15
        assert row['bare_ms'] > 0
        if row['processed']:
            parts = sum(row[name] for name in ('wait_ms', 'convert_ms', 'track_ms', 'send_ms'))
            assert parts > 0
            assert row['age_p95_ms'] >= row['age_p50_ms'] > row['publish_ms'] > 0
    assert all(row['processed'] for row in rows[::2]), 'with the profile pictures arrive'
    assert outcome.out.splitlines()[0].split()[:3] == ['source', 'sent', 'done']
    assert sorted(path.name for path in OUT.iterdir()) == ['node.json', 'node.txt']


def test_trackers_are_measured_without_weights(cli, tmp_path):
    outcome = cli('benchmark', '--tracking', '--frames', 3, '--output', tmp_path / 'out', '--json', tmp_path / 'a.json')
    assert outcome.code == 0, outcome
    rows = json.loads((tmp_path / 'a.json').read_text())['rows']
    assert [row['tracker'] for row in rows] == ['similarity', 'published', 'flow']
    assert len({row['people'] for row in rows}) == 1
    assert rows[0]['people'] > 20
    assert (tmp_path / 'out' / 'tracking.txt').read_text().split()[0] == 'tracker'
    assert json.loads((tmp_path / 'out' / 'tracking.json').read_text())['rows'] == rows
