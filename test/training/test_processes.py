"""Trainings that are killed, and trainings of several processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from pose_estimation_ros.training.processes import CpuBatchNormSync
from test.training.conftest import Answers, make_task

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).parent / 'small_training.py'
ENVIRONMENT = {**os.environ, 'OMP_NUM_THREADS': '1'}


def start(folder: Path, *more: str, before: tuple[str, ...] = (), **trainer) -> subprocess.Popen:
    folder.mkdir(exist_ok=True, parents=True)
    command = [sys.executable, *before, str(SCRIPT), str(folder), json.dumps(trainer), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)


def finish(process: subprocess.Popen) -> None:
    try:
        output, _ = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun ends its processes
        raise
    assert process.returncode == 0, output


def result_of(folder: Path, rank: int = 0) -> dict:
    return torch.load(folder / f'result{rank}.pth', weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('at', 'accumulating'), [(2, 1), (6, 1), (3, 2)], ids=['mid-epoch', 'later epoch', 'accumulating']
)
def test_killed_and_gone_on_with(tmp_path, at, accumulating):
    """Training ends with the same weights, and has lost one interval of checkpoints at most."""
    settings = {'max_epochs': 4, 'checkpoint_after': 2, 'batches_per_iter': accumulating, 'num_workers': 1}
    finish(start(tmp_path / 'whole', **settings))
    killed = start(tmp_path / 'killed', **settings)
    wanted = at - at % 2
    deadline = time.monotonic() + 60
    while not (tmp_path / f'killed/checkpoints/checkpoint_iter_{wanted}.pth').exists():
        assert killed.poll() is None, killed.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / 'killed/result0.pth').exists()
    finish(start(tmp_path / 'killed', 'resume', **settings))
    whole, again = result_of(tmp_path / 'whole'), result_of(tmp_path / 'killed')
    assert all(torch.equal(value, again['weights'][name]) for name, value in whole['weights'].items())
    for name, losses in again['losses'].items():
        assert losses == whole['losses'][name][-len(losses) :]
        assert len(losses) <= len(whole['losses'][name]) - wanted


@pytest.mark.slow
@pytest.mark.parametrize('more', [(), ('distilled',)], ids=['', "with a teacher's layers"])
def test_two_processes_train_as_one(tmp_path, more):
    settings = {'max_epochs': 2, 'checkpoint_after': 3, 'batch_size': 4}
    finish(start(tmp_path / 'one', *more, **settings))
    launcher = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2')
    finish(start(tmp_path / 'two', *more, before=launcher, sync_batchnorm=True, **settings))
    one, two, second = result_of(tmp_path / 'one'), result_of(tmp_path / 'two'), result_of(tmp_path / 'two', rank=1)
    for name, losses in one['losses'].items():
        assert two['losses'][name] == pytest.approx(losses, rel=1e-4)
        assert second['losses'][name] == two['losses'][name]
    # Adam takes rounding for a gradient where there is none, as of biases before batch norms: up to lr x 2 each step.
    for name, value in one['weights'].items():
        torch.testing.assert_close(two['weights'][name], value, rtol=1e-2, atol=1e-3, msg=name)
    assert len(list((tmp_path / 'two/checkpoints').iterdir())) == len(list((tmp_path / 'one/checkpoints').iterdir()))
    ours, theirs = (_auxiliary(tmp_path / name / 'checkpoints/checkpoint_iter_4.pth') for name in ('one', 'two'))
    assert bool(ours) == bool(more)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-2, atol=1e-3, msg=name)


def _auxiliary(checkpoint: Path) -> dict:
    return torch.load(checkpoint, weights_only=True)['resume']['auxiliary']


@pytest.mark.slow
def test_two_processes_go_on_where_they_were(tmp_path):
    """In the middle of an epoch; gone on with by one process, to see that nothing depends on their number."""
    settings = {'max_epochs': 2, 'checkpoint_after': 3, 'batch_size': 4, 'sync_batchnorm': True}
    finish(start(tmp_path / 'one', **settings))
    launcher = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2')
    finish(start(tmp_path / 'two', before=launcher, max_steps=3, **settings))
    finish(start(tmp_path / 'two', 'resume', **settings))
    one, two = result_of(tmp_path / 'one'), result_of(tmp_path / 'two')
    for name, losses in one['losses'].items():
        assert two['losses'][name] == pytest.approx(losses[3:], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('ema_decay', [0.0, 0.5], ids=['plain', 'average'])
def test_two_processes_validate_the_weights_that_are_saved(tmp_path, ema_decay):
    """Each has batch norms with statistics of its own; those of the first are saved."""
    launcher = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2')
    settings = {'max_steps': 3, 'val_after': 3, 'batch_size': 4, 'ema_decay': ema_decay}
    finish(start(tmp_path / 'two', 'validated', before=launcher, **settings))
    network = make_task().network
    saved = torch.load(tmp_path / 'two/checkpoints/checkpoint_iter_3.pth', weights_only=True)
    network.load_state_dict(saved['state_dict'])
    offline = Answers().run(network.eval(), 0, 1)
    (result,) = result_of(tmp_path / 'two')['evaluations']
    assert result['answers'] == pytest.approx(offline, rel=1e-5)


@pytest.mark.slow
def test_score_of_two_processes_is_what_evaluate_says(tmp_path, assets):
    """Of real weights after a step on real pictures: AP in validation equals the offline number."""
    launcher = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2')
    settings = {'max_steps': 1, 'val_after': 1, 'checkpoint_after': 1}
    finish(start(tmp_path / 'two', 'scored', str(assets), '10', '160', before=launcher, **settings))
    (scores,), (others,) = (result_of(tmp_path / 'two', rank)['evaluations'] for rank in (0, 1))
    weights = ['--weights', tmp_path / 'two/checkpoints/checkpoint_iter_1.pth', '--backend', 'torch', '--device', 'cpu']
    dataset = ['--dataset', assets / 'coco', '--images-folder', 'train2017', '--subset', 10, '--height', 160]
    annotations = ['--annotations', 'person_keypoints_train2017.json', '--json', tmp_path / 'offline.json']
    command = [sys.executable, '-m', 'pose_estimation_ros', 'evaluate', *weights, *dataset, *annotations]
    done = subprocess.run(
        [*map(str, command)], cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    offline = json.loads((tmp_path / 'offline.json').read_text())
    assert offline['images'] == 10
    assert scores['AP'] > 0.05
    assert scores == others
    del scores['iteration']
    assert scores == pytest.approx({name: offline[name] for name in scores}, abs=1e-6)


def test_batch_norms_change_places_and_keep_their_values():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))
    before = dict(network.state_dict())
    parameters = list(network.parameters())
    sync = CpuBatchNormSync()
    changed = sync.apply(network)
    assert type(changed[1][0]).__name__ == 'SyncedBatchNorm'
    assert all(one is other for one, other in zip(changed.parameters(), parameters, strict=True))
    back = sync.revert(changed)
    assert type(back[1][0]) is nn.BatchNorm2d
    assert all(torch.equal(value, before[name]) for name, value in back.state_dict().items())
