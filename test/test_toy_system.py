"""The measure of the house: a system in one folder, registered by one line, does all that a published one does.

No package file names it. Everything runs in processes whose program is test/toy_system/__main__.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from toy_system.learner import ToyLearner

from pose_estimation_ros.core.boxes import NOBODY
from pose_estimation_ros.core.errors import DownloadError, SettingsError
from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople

TEST = Path(__file__).resolve().parent
RECIPE = {
    'method': 'toy',
    'network': {'toy_channels': 4},
    'data': {
        'train': [{'kind': 'synthetic', 'count': 8, 'size': [64, 64], 'persons': [1, 1]}],
        'validation': [{'kind': 'synthetic', 'count': 2, 'size': [64, 64], 'seed': 1}],
    },
    'transform': {'kind': 'published', 'size': 64},
    'optimizer': {'lr': 0.01, 'weight_decay': 0.0},
    'trainer': {'max_epochs': 4, 'batch_size': 4, 'num_workers': 0, 'device': 'cpu', 'val_after': 4},
    'validation': {'height': 64},
    'logging': {'log_after': 1, 'tensorboard': False},
}


def toy(*arguments, folder):
    """Run a command of the package in which the toy system is registered; returns what it printed."""
    environment = {**os.environ, 'PYTHONPATH': f'{TEST.parent}:{TEST}', 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, '-m', 'toy_system', *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The folder of a training by a recipe."""
    folder = tmp_path_factory.mktemp('toy')
    (folder / 'recipe.yaml').write_text(yaml.safe_dump(RECIPE))
    toy('train', '--config', 'recipe.yaml', '--output', 'run', folder=folder)
    return folder / 'run'


@pytest.fixture(scope='module')
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp('photo') / 'person.png'
    cv2.imwrite(str(path), SyntheticPeople(1, (96, 80), (1, 1)).sample(0).image)
    return path


def found(path):
    """Return the keypoints (N, 17, 3) that a file of `infer --json` holds of its one image."""
    (frame,) = json.loads(path.read_text())['frames']
    missing = [np.nan, np.nan, 0]
    return np.array([[each or missing for each in pose['keypoints']] for pose in frame['poses']], float)


def test_trains_and_is_scored_on_the_way(trained):
    results = json.loads((trained / 'results.json').read_text())
    assert results['iteration'] == 8
    assert [each['iteration'] for each in results['evaluations']] == [4, 8]
    assert json.loads((trained / 'model' / 'model.json').read_text())['inference_params']['method'] == 'toy'


def test_learns_by_its_learner(tmp_path):
    learner = ToyLearner(device='cpu', temp_path=tmp_path, lr=0.02, epochs=12, batch_size=8, num_workers=0)
    learner.init_model()
    people = SyntheticPeople(8, (64, 64), (1, 1), seed=3)
    losses = learner.fit(people, silent=True)['losses']
    assert len(losses) == 12
    assert losses[-1] < 0.8 * losses[0]
    assert set(learner.eval(people, silent=True)) == {'average_precision', 'average_recall'}


def test_infers_as_torch_and_as_the_onnx_model_that_export_writes(trained, photo, tmp_path):
    toy('infer', photo, '--method', 'toy', '--weights', trained / 'model', '--json', 'torch.json', folder=tmp_path)
    toy('export', '--method', 'toy', '--weights', trained / 'model', 'onnx', folder=tmp_path)
    assert (tmp_path / 'onnx' / 'onnx.onnx').is_file()
    toy('infer', photo, '--method', 'toy', '--weights', 'onnx', '--json', 'onnx.json', folder=tmp_path)
    learner = ToyLearner(device='cpu')
    learner.load(trained / 'model')
    (pose,) = learner.infer(photo, track=False)
    expected = np.column_stack([pose.keypoints[:, :2].round(2), pose.keypoints[:, 2]])  # JSON has two decimals
    for name in ('torch.json', 'onnx.json'):
        keypoints = found(tmp_path / name)
        assert keypoints.shape == (1, 17, 3)
        np.testing.assert_allclose(keypoints[0], expected, atol=1e-3)


def test_is_evaluated(trained, photo, tmp_path):
    sample = SyntheticPeople(1, (96, 80), (1, 1)).sample(0)
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / '1.png'), sample.image)
    person = {'id': 1, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'area': 900.0, 'bbox': [10, 10, 30, 30]}
    truth = {
        'images': [{'id': 1, 'file_name': '1.png', 'height': 96, 'width': 80}],
        'categories': [{'id': 1, 'name': 'person'}],
        'annotations': [{**person, 'num_keypoints': 17, 'keypoints': [20, 20, 2] * 17}],
    }
    (tmp_path / 'people.json').write_text(json.dumps(truth))
    options = ('--images-folder', 'images', '--annotations', 'people.json', '--json', 'scores.json')
    toy('evaluate', '--dataset', '.', '--method', 'toy', '--weights', trained / 'model', *options, folder=tmp_path)
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert (scores['images'], scores['detections']) == (1, 1)


def test_its_options_stand_in_help_and_reach_the_network_and_the_decoder(trained, photo, tmp_path):
    text = ' '.join(toy('infer', '--help', folder=tmp_path).split())
    assert '--toy-channels' in text
    assert 'Channels of the hidden layers of the toy network.' in text
    assert '--toy-shift' in text
    assert 'Input height in pixels; a larger one finds smaller people and is slower. ' in text
    assert ' toy: Short side of the input.' in text
    common = ('infer', photo, '--method', 'toy', '--weights', trained / 'model')
    for shift in (0, 2.5):
        toy(*common, '--toy-shift', shift, '--json', f'{shift}.json', folder=tmp_path)
    moved = found(tmp_path / '2.5.json') - found(tmp_path / '0.json')
    np.testing.assert_allclose(np.nanmax(moved, axis=1), [[2.5, 0, 0]], atol=1e-3)


def test_its_parameters_stand_in_the_table_and_in_the_yaml_of_the_node(tmp_path):
    table, file = toy('parameters', folder=tmp_path).split('---\n')
    row = next(line for line in table.splitlines() if line.startswith('| `toy_shift`'))
    assert 'Pixels by which keypoints are moved' in row
    parameters = yaml.safe_load(file)['/**']['ros__parameters']
    height = next(line for line in table.splitlines() if line.startswith('| `base_height`'))
    assert '128 to 1080; toy: 16 to 512' in height
    assert 'toy: Short side of the input.' in height
    assert parameters['toy_shift'] == 0.0
    assert parameters['toy_channels'] == 0


def test_what_it_does_not_have_is_refused(tmp_path):
    learner = ToyLearner(device='cpu')
    learner.init_model()
    with pytest.raises(SettingsError, match='toy_shift, got upsample_ratio'):
        learner.infer(np.zeros((64, 64, 3), np.uint8), 4, track=False)
    with pytest.raises(SettingsError, match='ToyLearner takes no boxes'):
        learner.infer(np.zeros((64, 64, 3), np.uint8), track=False, boxes=NOBODY)
    with pytest.raises(DownloadError, match='no files are published for toy'):
        learner.download(tmp_path)
    with pytest.raises(TypeError, match='colour'):
        ToyLearner(colour=1)
