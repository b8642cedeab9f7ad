"""`train` as its users meet it: one short training on synthetic people, and all that can be wrong with one."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pose_estimation_ros.core.image import Image
from pose_estimation_ros.core.settings import settings_of
from pose_estimation_ros.evaluation.coco_score import coco_label
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.training.pose.recipe import DatasetSettings

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = REPOSITORY / 'config' / 'train'
SMALL = {
    'network': {'backbone': 'mobilenetv2', 'mobilenetv2_width': 0.1, 'num_refinement_stages': 0},
    'data': {
        'train': [{'kind': 'synthetic', 'count': 8, 'size': [64, 64], 'persons': [1, 2]}],
        'validation': [{'kind': 'synthetic', 'count': 2, 'size': [64, 64], 'seed': 1}],
    },
    'transform': {'kind': 'published', 'size': 64},
    'trainer': {'max_epochs': 2, 'batch_size': 2, 'num_workers': 0, 'device': 'cpu', 'checkpoint_after': 4}
    | {'val_after': 4},
    'validation': {'height': 64},
    'logging': {'log_after': 2, 'images_after': 8},
}  # fmt: skip
ENVIRONMENT = {**os.environ, 'OMP_NUM_THREADS': '1'}


@pytest.fixture(scope='module')
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp('recipe') / 'small.yaml'
    path.write_text(yaml.safe_dump(SMALL))
    return path


@pytest.fixture(scope='module')
def trained(recipe, tmp_path_factory):
    """A finished training: its folder and what it printed."""
    folder = tmp_path_factory.mktemp('trained') / 'run'
    command = [sys.executable, '-m', 'pose_estimation_ros', 'train', '--config', str(recipe), '--output', str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_says_what_it_will_do_and_what_came_of_it(trained):
    folder, done = trained
    before, _, after = done.stdout.partition('iteration ')
    assert 'weights     random weights' in before
    assert '8, an epoch is 4 steps' in before
    assert '8 steps of 2 images' in before
    assert str(folder) in before
    assert 'stage0_paf_loss' in after
    assert 'AP ' in after
    assert 'waiting for images' in after
    assert 'Traceback' not in done.stderr
    assert 'Warning' not in done.stderr


def test_leaves_a_folder_with_everything(trained):
    folder, _ = trained
    found = {path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()}
    assert found >= {
        *('config.yaml', 'results.json', 'timings.json', 'model/model.pth', 'model/model.json', 'images/iter_8.png'),
        *('checkpoints/checkpoint_iter_4.pth', 'checkpoints/checkpoint_iter_8.pth', 'checkpoints/best.pth'),
    }
    results = json.loads((folder / 'results.json').read_text())
    assert results['iteration'] == 8
    assert [each['iteration'] for each in results['evaluations']] == [4, 8]
    assert yaml.safe_load((folder / 'config.yaml').read_text())['trainer']['max_epochs'] == 2
    assert set(json.loads((folder / 'timings.json').read_text())) >= {'data_ms', 'forward_ms', 'waiting_share'}


def test_scores_have_coco_labels_in_tensorboard_and_short_names_in_results(trained):
    folder, _ = trained
    events = EventAccumulator(str(folder / 'logs'))
    events.Reload()
    logged = [entry.value for entry in events.Scalars(coco_label('AP'))]
    results = json.loads((folder / 'results.json').read_text())
    assert logged == pytest.approx([each['AP'] for each in results['evaluations']])
    assert not {'AP', 'AR50'} & set(events.Tags()['scalars'])


@pytest.mark.parametrize('name', ['model', 'checkpoints/checkpoint_iter_8.pth'])
def test_what_was_trained_can_be_used(trained, name):
    folder, _ = trained
    learner = LightweightOpenPoseLearner(device='cpu', backbone='mobilenetv2', mobilenetv2_width=0.1)
    learner.load(folder / name)
    assert learner.options.num_refinement_stages == 0
    assert isinstance(learner.infer(Image(np.zeros((64, 64, 3), np.uint8))), list)


def test_learns_from_a_teacher_that_is_asked_once(cli, trained, recipe, tmp_path):
    folder, _ = trained
    stored = tmp_path / 'taught'
    teacher = ['--teacher.weights', folder / 'model', '--teacher.count', 20, '--teacher.keep', stored]
    given = ['train', '--config', recipe, *teacher, '--trainer.limit_batches', 2, '--trainer.val_after', 0]
    first = cli(*given, '--output', tmp_path / 'first')
    assert first.code == 0, first.err
    assert '20, an epoch is 10 steps' in first.out
    noted = json.loads((stored / 'taught.json').read_text())
    assert noted['written'] == 20
    assert 'portraits' not in noted['of']['train'][0]  # a default says nothing, nor would that of a later version
    before = (stored / 'maps.raw').stat().st_mtime_ns
    assert cli(*given, '--output', tmp_path / 'second').code == 0
    assert (stored / 'maps.raw').stat().st_mtime_ns == before
    sentence = cli(*given, '--output', tmp_path / 'third', '--seed', 1).sentence()
    assert "holds a teacher's maps of other data" in sentence
    assert not (tmp_path / 'third').exists()


def test_datasets_without_a_teacher_are_learnt_from_their_labels(cli, trained, recipe, tmp_path):
    """They are transformed anew each time, and come as often as their weight says."""
    own = {'kind': 'synthetic', 'count': 8, 'size': [64, 64], 'seed': 5, 'teacher': False, 'weight': 3}
    content = {**SMALL, 'data': {**SMALL['data'], 'train': [*SMALL['data']['train'], own]}}
    both = tmp_path / 'both.yaml'
    both.write_text(yaml.safe_dump(content))
    stored = tmp_path / 'taught'
    teacher = ['--teacher.weights', trained[0] / 'model', '--teacher.count', 4, '--teacher.keep', stored]
    given = ['--trainer.limit_batches', 2, '--trainer.val_after', 0]
    outcome = cli('train', '--config', both, *teacher, *given, '--output', tmp_path / 'run')
    assert outcome.code == 0, outcome.err
    assert '16, an epoch is 8 steps' in outcome.out  # of every four, one is stored
    assert json.loads((stored / 'taught.json').read_text())['of']['train'][0]['count'] == 8
    assert len(json.loads((stored / 'taught.json').read_text())['of']['train']) == 1
    content['data']['train'] = [own]
    both.write_text(yaml.safe_dump(content))
    sentence = cli('train', '--config', both, *teacher, *given, '--output', tmp_path / 'none').sentence()
    assert 'every dataset of data.train has teacher: false; set it to true for one' in sentence


def test_learns_a_teachers_layers(cli, trained, recipe, tmp_path):
    """With the recipe that is written down, also after an interruption."""
    teacher, run = trained[0] / 'checkpoints' / 'checkpoint_iter_8.pth', tmp_path / 'run'
    layers = ['--teacher.features', '[model.features.3, cpm]', '--teacher.features_weight', 2]
    given = ['train', '--config', recipe, '--teacher.network', teacher, *layers, '--trainer.val_after', 0]
    first = cli(*given, '--output', run)
    assert first.code == 0, first.err
    assert re.search(rf'features +model.features.3, cpm of {re.escape(str(teacher))}', first.out)
    assert json.loads((run / 'results.json').read_text())['losses']['features_loss'] > 0
    asked = yaml.safe_load((run / 'config.yaml').read_text())['teacher']
    assert (asked['network'], asked['features'], asked['features_weight']) == (
        str(teacher),
        ['model.features.3', 'cpm'],
        2.0,
    )
    again = cli('train', '--config', run / 'config.yaml', '--output', run, '--resume', '--trainer.max_epochs', 3)
    assert again.code == 0, again.err
    assert 'features_loss' in again.out
    without = ['--config', recipe, '--output', run, '--resume', '--trainer.max_epochs', 4]
    assert 'trained with other auxiliary modules' in cli('train', *without).sentence()


def test_a_folder_is_used_once(cli, trained, recipe):
    folder, _ = trained
    sentence = cli('train', '--config', recipe, '--output', folder).sentence()
    assert re.search(r'already holds a training: resume it with --resume', sentence)


def test_a_finished_training_is_prolonged_by_its_own_recipe(cli, trained, tmp_path):
    folder, _ = trained
    copy = shutil.copytree(folder, tmp_path / 'copy')
    config = copy / 'config.yaml'
    outcome = cli('train', '--config', config, '--output', copy, '--resume', '--trainer.max_epochs', 3)
    assert outcome.code == 0, outcome.err
    assert 'resumed from' in outcome.out
    assert (copy / 'checkpoints' / 'checkpoint_iter_12.pth').exists()
    sentence = cli('train', '--output', copy, '--resume', '--trainer.max_epochs', 4).sentence()
    assert f'--config {config}' in sentence


def test_nothing_but_json_on_stdout(cli, recipe, tmp_path):
    folder = tmp_path / 'run'
    outcome = cli('train', '--config', recipe, '--output', folder, '--json', '-')
    assert outcome.code == 0, outcome
    assert json.loads(outcome.out) == json.loads((folder / 'results.json').read_text())
    assert 'AP ' in outcome.err
    assert str(folder / 'model') in outcome.err
    assert not Path('-').exists()


def test_resuming_what_is_not_there_is_told(cli, tmp_path):
    sentence = cli('train', '--output', tmp_path / 'nothing', '--resume').sentence()
    assert f'{tmp_path / "nothing"} holds no training to resume; give its folder with --output' in sentence
    assert not (tmp_path / 'nothing').exists()


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--trainer.max_epochs', 'five'], "--trainer.max_epochs must be a whole number, got 'five'"),
        (['--trainer.device', 'gpu'], "--trainer.device must be one of auto, cpu, cuda, got 'gpu'"),
        (['--trainer.max_epoch', '5'], 'trainer.max_epoch'),
        (['--trainer.batch_size', '0'], 'trainer.batch_size must be a whole number, 1 or more, got 0'),
        (['--trainer.batch_size', '9'], '8 images do not fill one step of 9'),
        (['--trainer.precision', 'fp16'], 'fp16 needs a GPU'),
        (['--network.backbone', 'vgg'], 'backbone must be one of mobilenet, mobilenetv2, shufflenet'),
        (['--network.depth', '3'], 'depth'),
        (['--objective.sigmas', '3'], 'targets have no setting sigmas'),
        (['--objective.sigma', 'wide'], "sigma must be a number above 0, got 'wide'"),
        (['--transform.size', '100'], 'transform.size must be a multiple of the stride 8 of the network, got 100'),
        (['--schedule.milestones', '[3, 1]'], 'schedule.milestones must be rising epochs, got (3, 1)'),
        (['--task', 'juggling'], "task must be one of pose, classification, got 'juggling'"),
        (['--augmentation.spin', '3'], 'settings of the augmentation are person_height, min_scale'),
        (['--augmentation.rotation', '400'], 'augmentation.rotation must be a number from 0 to 180, got 400'),
        (['--optimizer.kind', 'lion'], "--optimizer.kind must be one of adam, adamw, sgd, got 'lion'"),
        (['--method', 'posenet'], "method must be one of lightweight_openpose"),
        (['--data.train', '[]'], 'data.train names no images'),
        (['--data.train', '[{kind: coco, images: train2017, annotations: a.json}]'], 'are not at train2017'),
        (['--data.train', '[{kind: cocoa}]'], 'must be one of coco, coco_annotated, coco_main_persons, '),
        (['--data.train', '[{kind: coco, folder: x}]'], 'folder'),
        (['--data.train', '[{kind: coco, person: 3}]'], 'a dataset has no person, did you mean persons? it has kind,'),
        (['--data.train', '[{kind: coco, cue: 3}]'], 'a dataset has no cue; it has kind,'),
        (['--data.train', '[{kind: coco, size: 3}]'], "a dataset's size must be [a whole number, a whole number]"),
        (['--data.train', '[3]'], "--data.train must be a list, each a dataset with its fields, got '3'"),
        (['--data.train', '[{kind: synthetic, persons: [3, 1]}]'], 'data.train[0].persons must be'),
        (['--data.train', '[{kind: synthetic}, {kind: synthetic, count: 0}]'], 'data.train[1].count must be a'),
        (['--data.train', '[{kind: coco, from_behind: true}]'], 'data.train[0].from_behind is for leeds, got'),
        (['--data.validation', '[{kind: synthetic, weight: -1}]'], '[0].weight must be a number above 0, got -1'),
        (['--data.train', '[{kind: synthetic, size: [8, -1]}]'], 'data.train[0].size must be'),
        (['--data.train', '[{kind: synthetic, person_height: [1, 0.5]}]'], 'data.train[0].person_height must be'),
        (['--start.checkpoint', 'nothing.pth'], 'nothing.pth does not exist'),
        (['--start.backbone', 'a', '--start.checkpoint', 'b'], 'not both'),
        (['--teacher.network', 'nothing.pth'], 'teacher.network and teacher.features must be given together'),
        (['--teacher.network', 'nothing.pth', '--teacher.features', '[cpm]'], 'nothing.pth does not exist'),
        (['--teacher.features_weight', '-1'], 'teacher.features_weight must be a number, 0 or more, got -1'),
        (['--config', 'nowhere.yaml'], 'nowhere.yaml'),
    ],
)  # fmt: skip
def test_bad_recipes_are_told_in_a_sentence(cli, recipe, tmp_path, arguments, expected):
    outcome = cli('train', '--config', recipe, '--output', tmp_path / 'run', *arguments)
    assert expected in outcome.sentence()
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('kind', ['coco', 'coco_main_persons'])
def test_missing_pictures_are_told_before_anything_is_trained(cli, recipe, tmp_path, kind):
    joints = [30.0, 30.0, 2] * 17
    person = {'id': 1, 'category_id': 1, 'iscrowd': 0, 'keypoints': joints, 'bbox': [1, 1, 60, 60], 'area': 3600}
    (tmp_path / 'a.json').write_text(
        json.dumps(
            {
                'images': [{'id': number, 'file_name': f'{number}.jpg'} for number in range(4)],
                'annotations': [{**person, 'image_id': number} for number in range(4)],
            }
        )
    )
    (tmp_path / 'images').mkdir()
    data = f'[{{kind: {kind}, images: {tmp_path}/images, annotations: {tmp_path}/a.json}}]'
    sentence = cli('train', '--config', recipe, '--output', tmp_path / 'run', '--data.train', data).sentence()
    assert '4 of 4 images are missing, first' in sentence
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('name', ['lightweight_openpose', 'lightweight_openpose_step2', 'lightweight_openpose_step3'])
def test_published_recipes_say_where_pictures_are_missing(cli, name):
    sentence = cli('train', '--config', RECIPES / f'{name}.yaml', '--data.root', '/nowhere/coco').sentence()
    assert 'are not at /nowhere/coco/train2017; set data.root' in sentence


def test_shown_recipe_is_a_recipe(cli, tmp_path):
    shown = cli('train', '--config', RECIPES / 'lightweight_openpose.yaml', '--trainer.max_epochs', 3, '--print_config')
    content = yaml.safe_load(shown.out)
    assert content['trainer']['max_epochs'] == 3
    assert content['optimizer']['lr'] == 4e-5
    assert content['data']['train'][0]['kind'] == 'coco_main_persons'
    (tmp_path / 'again.yaml').write_text(shown.out)
    assert yaml.safe_load(cli('train', '--config', tmp_path / 'again.yaml', '--print_config').out) == content


@pytest.mark.slow
def test_starts_from_weights_alone_with_more_stages(cli, trained, recipe, tmp_path):
    """The published third step."""
    folder, _ = trained
    start = [
        '--start.checkpoint',
        folder / 'checkpoints' / 'checkpoint_iter_8.pth',
        '--network.num_refinement_stages',
        1,
    ]
    refused = cli('train', '--config', recipe, '--output', tmp_path / 'a', *start)
    assert 'do not fit' in refused.sentence()
    count = ['--start.new_parts', 'true', '--start.iteration', 100]
    outcome = cli('train', '--config', recipe, '--output', tmp_path / 'b', *start, *count)
    assert outcome.code == 0, outcome.err
    assert '1 refinement stage not in it starts from random values' in outcome.out
    assert (tmp_path / 'b' / 'checkpoints' / 'checkpoint_iter_108.pth').exists()


@pytest.mark.slow
def test_interrupted_with_a_checkpoint_and_gone_on_with(recipe, tmp_path, start, spawn):
    folder = tmp_path / 'run'
    command = ['train', '--output', str(folder)]
    options = ['--config', str(recipe), '--trainer.max_epochs', '200', '--trainer.num_workers', '1']
    process = start(*command, *options)
    deadline = time.monotonic() + 600
    while not (folder / 'checkpoints' / 'checkpoint_iter_4.pth').exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    stopped = int(re.search(r'stopped at iteration (\d+) as requested; resume with train --output', out)[1])
    assert (folder / 'checkpoints' / f'checkpoint_iter_{stopped}.pth').exists()
    assert 'Traceback' not in err
    options = ['--config', str(folder / 'config.yaml'), '--trainer.max_steps', str(stopped + 2)]
    again = spawn(*command, *options, '--resume')
    assert again.code == 0, again.err
    assert (folder / 'checkpoints' / f'checkpoint_iter_{stopped + 2}.pth').exists()


@pytest.mark.slow
def test_sigterm_in_a_validation_ends_at_once_with_a_checkpoint(recipe, tmp_path, start):
    folder = tmp_path / 'run'
    people = '[{kind: synthetic, count: 60, size: [64, 64]}]'
    options = ['--data.validation', people, '--trainer.val_after', '2', '--validation.limit', '0']
    process = start('train', '--config', recipe, '--output', folder, *options, text=False)
    told = b''
    while not re.search(rb'validating: .* [1-9]\d*/60', told):
        more = os.read(process.stderr.fileno(), 1 << 16)
        assert more, told.decode()
        told += more
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert b'stopped at iteration 2 as requested; resume with' in out
    assert b'60/60' not in told + err
    assert b'Traceback' not in err
    assert (folder / 'checkpoints' / 'checkpoint_iter_2.pth').exists()
    assert json.loads((folder / 'results.json').read_text())['evaluations'] == []


@pytest.mark.slow
def test_two_processes_by_torchrun(trained, recipe, tmp_path):
    """Equal losses, equal scores, and one process that writes."""
    whole, _ = trained
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    command = [
        *launcher,
        '-m',
        'pose_estimation_ros',
        'train',
        '--config',
        str(recipe),
        '--output',
        str(tmp_path / 'run'),
    ]
    options = ['--trainer.sync_batchnorm', 'true']
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, cwd=REPOSITORY, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('million parameters') == 1
    one, two = (json.loads((folder / 'results.json').read_text()) for folder in (whole, tmp_path / 'run'))
    assert two['losses'] == pytest.approx(one['losses'], rel=1e-3)
    assert [each['AP'] for each in two['evaluations']] == pytest.approx([each['AP'] for each in one['evaluations']])
    weights = torch.load(tmp_path / 'run' / 'checkpoints' / 'checkpoint_iter_8.pth', weights_only=True)
    assert weights['iter'] == 8


@pytest.mark.parametrize('option', ['--data.train.help', '--data.validation.help'])
def test_help_on_datasets_explains_each_field(cli, option):
    outcome = cli('train', option)
    assert outcome.code == 0
    text = ' '.join(outcome.out.split())
    for each in settings_of(DatasetSettings):
        help_text = rf'--data\.\w+\.{each.name}(?: [^-]*)? {re.escape(each.text)}(?: \[(?:default: |required)| --|$)'
        assert re.search(help_text, text), each.name
    assert 'of a dataset:' in text
    assert '<class' not in text
