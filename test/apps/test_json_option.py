"""--json -: JSON alone on standard output, words for people on standard error (bag, infer, train: see there)."""

import json
import sys
from pathlib import Path

import pytest

from pose_estimation_ros.apps.benchmark import ros as benchmark_ros
from pose_estimation_ros.apps.benchmark import stages
from pose_estimation_ros.apps.options.json_option import json_results


@pytest.fixture
def told(cli):
    """Function that runs a command with --json - and returns what it wrote as JSON, and what it said besides."""

    def run(*arguments):
        outcome = cli(*arguments, '--json', '-')
        assert outcome.code == 0, outcome
        assert not Path('-').exists()
        return json.loads(outcome.out), outcome.err

    return run


def test_benchmark(told, seer, monkeypatch):
    monkeypatch.setattr(stages, 'SCENES_PER_CROWD', 1)
    report, said = told('benchmark', '--frames', 1, '--people', 1, '--weights', seer, '--height', 128)
    assert len(report['rows']) == 2
    assert 'speed-up' in said


def test_benchmark_of_trackers(told):
    report, said = told('benchmark', '--tracking', '--frames', 2)
    assert len(report['rows']) == 3
    assert 'similarity' in said


def test_benchmark_over_ros(told, seer, monkeypatch):
    """What the measuring process prints goes the same way."""
    command = [sys.executable, '-c', 'import pathlib, sys; print("node"); pathlib.Path(sys.argv[-1]).write_text("[]")']
    real = benchmark_ros.subprocess.run
    monkeypatch.setattr(benchmark_ros, '_check', lambda settings: None)
    monkeypatch.setattr(benchmark_ros.subprocess, 'run', lambda asked, **given: real([*command, asked[-1]], **given))
    report, said = told('benchmark', '--ros', '--weights', seer)
    assert report['rows'] == []
    assert 'node\n' in said


def test_prepare(told):
    table, said = told('prepare', 'synthetic', '--count', 1, '--output', 'd')
    assert all(part['path'].startswith('d') for part in table)
    assert 'evaluate --dataset d' in said


def test_results_go_where_they_are_wanted(capfd, tmp_path):
    for file, out, err in (
        (None, 'people\n', ''),
        (tmp_path / 'a.json', 'people\n', ''),
        (Path('-'), '{"rows": 1}\n', 'people\n'),
    ):
        with json_results(file) as write_results:
            print('people')
            write_results({'rows': 1})
        assert capfd.readouterr() == (out, err)
    assert json.loads((tmp_path / 'a.json').read_text()) == {'rows': 1}
