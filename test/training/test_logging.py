"""What a training logs: TensorBoard, MLflow, images."""

from dataclasses import fields, is_dataclass, replace

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.training.callbacks.loggers import flat
from pose_estimation_ros.training.engine import train
from pose_estimation_ros.training.pose.recipe import (
    DatasetSettings,
    DataSettings,
    PoseRecipe,
    TeacherSettings,
    TransformSettings,
)
from pose_estimation_ros.training.pose_builder import make_task as task_of
from pose_estimation_ros.training.settings import LoggingSettings
from test.training.conftest import Recording, StickPeople, make_settings, make_task, unchanged

TAGS = {'stage0_paf_loss', 'stage0_heatmaps_loss', 'loss', 'lr', 'images_per_second', 'waiting_share'}


@pytest.fixture(scope='module')
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('telling')
    logging = {'tensorboard': True, 'mlflow': str(folder / 'mlruns'), 'images_after': 4, 'log_after': 2}
    settings = make_settings(max_epochs=2, val_after=4, logging=logging)
    return folder, train(make_task(StickPeople(8), unchanged, Recording()), settings, folder)


def test_tensorboard_has_the_published_tags(run_folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, result = run_folder
    events = EventAccumulator(str(folder / 'logs'))
    events.Reload()
    assert set(events.Tags()['scalars']) >= TAGS | {'published AP'}
    assert 'AP' not in events.Tags()['scalars']
    entries = events.Scalars('stage0_paf_loss')
    assert [entry.step for entry in entries] == [2, 4, 6, 8]
    losses = result.losses['stage0_paf_loss']
    assert [entry.value for entry in entries] == pytest.approx(np.mean(np.reshape(losses, (4, 2)), axis=1), rel=1e-5)
    assert [entry.step for entry in events.Scalars('published AP')] == [4, 8]
    assert [image.step for image in events.Images('images')] == [4, 8]


def test_mlflow_files_hold_metrics_settings_and_images(run_folder):
    from mlflow import MlflowClient

    folder, _ = run_folder
    client = MlflowClient((folder / 'mlruns').as_uri())
    (experiment,) = [each for each in client.search_experiments() if each.name == 'default']
    (run,) = client.search_runs([experiment.experiment_id])
    assert set(run.data.metrics) >= TAGS | {'AP'}
    assert run.data.params['optimizer/lr'] == '4e-05'
    history = client.get_metric_history(run.info.run_id, 'stage0_heatmaps_loss')
    assert [entry.step for entry in history] == [2, 4, 6, 8]
    pictures = client.list_artifacts(run.info.run_id, 'images')
    assert [entry.path for entry in pictures] == ['images/iter_4.png', 'images/iter_8.png']


@pytest.fixture
def runs():
    """Function that returns a client of MLflow and the runs that there are in a folder."""
    from mlflow import MlflowClient

    def of(folder):
        client = MlflowClient((folder / 'mlruns').as_uri())
        return client, client.search_runs([each.experiment_id for each in client.search_experiments()])

    return of


def test_mlflow_resumes_the_same_run(folder, runs):
    logging = {'mlflow': str(folder / 'mlruns'), 'log_after': 2}
    task = make_task()
    task.parameters = {'data': {'train': [{'kind': 'drawn'}]}}
    train(task, make_settings(max_epochs=1, logging=logging), folder)
    first = folder / 'checkpoints' / 'checkpoint_iter_4.pth'
    train(task, make_settings(max_epochs=2, logging=logging), folder, resume=first)
    client, (run,) = runs(folder)
    history = client.get_metric_history(run.info.run_id, 'stage0_paf_loss')
    assert [entry.step for entry in history] == [2, 4, 6, 8]
    assert run.info.status == 'FINISHED'
    assert run.data.params['data/train/0/kind'] == 'drawn'
    assert run.data.params['trainer/max_epochs'] == '1'
    assert {name: value for name, value in run.data.tags.items() if name.startswith('changed')} == {
        'changed/trainer/max_epochs': '2'
    }


def test_mlflow_gets_a_new_run_where_the_old_one_is_gone(folder, runs, caplog):
    logging = {'mlflow': str(folder / 'mlruns')}
    train(make_task(), make_settings(max_epochs=1, logging=logging), folder)
    client, (old,) = runs(folder)
    client.delete_run(old.info.run_id)
    first = folder / 'checkpoints' / 'checkpoint_iter_4.pth'
    train(make_task(), make_settings(max_epochs=2, logging=logging), folder, resume=first)
    _, (run,) = runs(folder)
    assert run.info.run_id != old.info.run_id
    assert f'run {old.info.run_id} of the training was deleted' in caplog.text


def test_a_recipes_fields_are_parameters():
    drawn = DatasetSettings('synthetic', count=4, size=(64, 64), persons=(1, 2))
    data = DataSettings(train=[drawn], validation=[drawn, replace(drawn, seed=7)])
    small = {'backbone': 'mobilenetv2', 'mobilenetv2_width': 0.1}
    task, _ = task_of(PoseRecipe(network=small, data=data, transform=TransformSettings(size=64)))
    named = dict(flat(task.parameters))
    paths = {path.replace('.', '/') for path in asdict_paths(PoseRecipe())}
    assert paths - named.keys() == {'network', 'data/train', 'data/validation'}
    assert named['method'] == 'lightweight_openpose'
    assert named['network/backbone'] == 'mobilenetv2'
    assert named['network/num_refinement_stages'] == '1'  # not in the recipe
    assert named['data/train/0/persons'] == '(1, 2)'
    assert named['data/validation/1/seed'] == '7'
    assert named['objective'] == '{}'


def asdict_paths(value, prefix=''):
    for each in fields(value):
        nested = getattr(value, each.name)
        if is_dataclass(nested):
            yield from asdict_paths(nested, f'{prefix}{each.name}.')
        else:
            yield f'{prefix}{each.name}'


def test_images_show_people_and_targets(run_folder):
    folder, _ = run_folder
    assert sorted(path.name for path in (folder / 'images').iterdir()) == [
        'data_examples.png',
        'iter_4.png',
        'iter_8.png',
    ]
    picture = cv2.imread(str(folder / 'images' / 'iter_4.png'))
    assert picture.shape == (18 + 2 * 64, 3 * 64, 3)
    people, target = picture[18:82, :64], picture[18:82, 64:128]
    assert (people == 255).all(axis=-1).any()  # true keypoints are white
    bright = target.astype(int).sum(axis=-1)
    joints = StickPeople(8).sample(0).keypoints
    assert bright.max() - bright.min() > 150
    assert joints.shape == (2, 18, 3)


def test_drawing_images_does_not_change_training(tmp_path):
    plain = train(make_task(), make_settings(), tmp_path / 'plain')
    drawn = train(make_task(), make_settings(logging={'images_after': 1}), tmp_path / 'drawn')
    assert plain.losses == drawn.losses


def test_the_old_name_of_a_transform_works_and_warns(caplog):
    assert TransformSettings(kind='whole_picture') == TransformSettings(kind='whole_image')
    assert 'whole_picture is now whole_image' in caplog.text


def test_earlier_names_count_and_warn(caplog):
    assert LoggingSettings(pictures_after=7) == LoggingSettings(images_after=7)
    assert 'logging.pictures_after is now logging.images_after; use the new name' in caplog.text
    assert TeacherSettings(sure_joints=5) == TeacherSettings(min_sure_keypoints=5)
    assert 'teacher.sure_joints is now teacher.min_sure_keypoints; use the new name' in caplog.text
    with pytest.raises(SettingsError, match=r'logging\.images_after must be a whole number, 0 or more, got -1'):
        LoggingSettings(pictures_after=-1)


def test_a_training_begins_with_a_summary_and_examples(run_folder):
    folder, _ = run_folder
    summary = (folder / 'logs' / 'model_summary.txt').read_text()
    assert 'network.model.features.1' in summary
    assert 'Total params' in summary
    examples = cv2.imread(str(folder / 'images' / 'data_examples.png'))
    assert examples.shape == (4 * (64 + 5) + 5, 2 * (64 + 5) + 5, 3)  # eight images
    tiles = [examples[5 + row * 69 :, 5 + column * 69 :][:64, :64] for row in range(4) for column in range(2)]
    assert all((tile == 255).all(axis=-1).sum() > 30 for tile in tiles)  # true keypoints are white
    assert len({tile.tobytes() for tile in tiles}) == 8


def test_more_images_of_the_first_sample_are_written(tmp_path):
    task = make_task()
    task.plots = lambda batch: {'heatmaps': np.full((4, 5, 3), len(batch.inputs), np.uint8)}
    train(task, make_settings(logging={'images_after': 4}), tmp_path)
    assert (cv2.imread(str(tmp_path / 'images' / 'iter_4_heatmaps.png')) == 2).all()
