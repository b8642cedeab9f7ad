"""`fit` and `eval` as OpenDR documents them, on a handful of drawn people."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pose_estimation_ros import DatasetIterator, ExternalDataset, Image, KeypointDataset
from pose_estimation_ros.core.errors import DatasetError, DownloadError, SettingsError, WeightsError
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.data.datasets.synthetic_people import TRAINING_SCENE, SyntheticPeople
from pose_estimation_ros.evaluation.ground_truth import coco_truth
from pose_estimation_ros.learners.high_resolution import HighResolutionPoseEstimationLearner
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.methods.lightweight_openpose.augmentation import published_augmentation
from pose_estimation_ros.methods.lightweight_openpose.network import build_network
from pose_estimation_ros.methods.lightweight_openpose.options import NetworkOptions

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINING_SCENES = 6
SMALL = {
    'device': 'cpu',
    'batch_size': 2,
    'num_workers': 0,
    'num_refinement_stages': 1,
    'mobilenet_use_stride': False,
    'base_height': 96,
    'backend': 'torch',
    'checkpoint_after_iter': 2,
    'val_after': 2,
    'log_after': 1,
}
TRAINING = {'transform': published_augmentation(96), 'images_folder_name': 'drawn', 'epochs': 1}
FILES = {'annotations_filename': 'people.json'}
VALIDATION = {'val_images_folder_name': 'drawn', 'val_annotations_filename': 'people.json'}


@pytest.fixture(scope='module')
def people():
    large = replace(TRAINING_SCENE, person_height=(0.8, 1.0))  # or the published preparation would leave them out
    return SyntheticPeople(TRAINING_SCENES, (120, 160), (1, 1), seed=4, settings=large)


@pytest.fixture(scope='module')
def external(people, tmp_path_factory):
    """The drawn people as a COCO dataset on disk."""
    folder = tmp_path_factory.mktemp('coco')
    (folder / 'drawn').mkdir()
    samples = [people.sample(index) for index in range(TRAINING_SCENES)]
    truth = coco_truth(enumerate(samples), people.skeleton)
    for image, sample in zip(truth['images'], samples, strict=True):
        image['file_name'] = f'{image["id"]}.png'
        cv2.imwrite(str(folder / 'drawn' / image['file_name']), sample.image)
    (folder / 'people.json').write_text(json.dumps(truth))
    return ExternalDataset(folder, 'coco')


@pytest.fixture
def make(tmp_path):
    """Function that makes a learner with a random network."""

    def make(**options):
        learner = LightweightOpenPoseLearner(**{**SMALL, 'temp_path': tmp_path / 'temp', **options})
        torch.manual_seed(0)
        learner.init_model()
        return learner

    return make


def weights_of(learner):
    return {name: value.clone() for name, value in learner.network.state_dict().items()}


def test_fit_returns_losses_and_scores_and_leaves_a_better_model(make, external, people, tmp_path):
    learner = make()
    before = weights_of(learner)
    logs = tmp_path / 'logs'
    options = {**TRAINING, **FILES, **VALIDATION, 'epochs': 2, 'logging_path': logs}
    result = learner.fit(external, external, **options)
    assert sorted(result) == ['eval_results_list', 'heatmap_losses', 'paf_losses']
    assert len(result['paf_losses']) == len(result['heatmap_losses']) == 2 * TRAINING_SCENES // 2
    assert result['heatmap_losses'][-1] < result['heatmap_losses'][0]
    assert [sorted(scores) for scores in result['eval_results_list']] == [['average_precision', 'average_recall']] * 3
    assert all(len(scores['average_precision']) == 5 for scores in result['eval_results_list'])
    assert len(json.loads((tmp_path / 'temp' / 'val_subset.json').read_text())['images']) == TRAINING_SCENES
    moved = [name for name, value in weights_of(learner).items() if not torch.equal(value, before[name])]
    assert len(moved) > 100
    folder = tmp_path / 'temp' / 'default_checkpoints'
    assert [path.name for path in sorted(folder.glob('checkpoint_iter_*.pth'))] == [
        f'checkpoint_iter_{number}.pth' for number in (2, 4, 6)
    ]
    saved = torch.load(folder / 'checkpoint_iter_6.pth', weights_only=True)
    assert {'state_dict', 'optimizer', 'scheduler', 'iter', 'current_epoch'} <= saved.keys()
    assert all(torch.equal(saved['state_dict'][name], value) for name, value in weights_of(learner).items())
    events = EventAccumulator(str(next(logs.rglob('events*')).parent))
    events.Reload()
    tags = events.Tags()['scalars']
    assert {'stage0_paf_loss', 'stage0_heatmaps_loss', 'stage1_paf_loss', 'stage1_heatmaps_loss'} <= set(tags)
    assert 'Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ]' in tags
    assert 'Average Recall     (AR) @[ IoU=0.50      | area=   all | maxDets= 20 ]' in tags
    fresh = LightweightOpenPoseLearner(**SMALL)
    fresh.load(folder / 'checkpoint_iter_6.pth')
    picture = people.sample(0).image
    maps, ours = (each.pipeline().forward([picture])[0].maps for each in (fresh, learner))
    np.testing.assert_allclose(maps[0], ours[0], atol=1e-5)


def test_the_learner_that_looks_twice_trains_its_network(external, tmp_path):
    options = {**SMALL, 'temp_path': tmp_path / 'temp', 'first_pass_height': 96, 'second_pass_height': 128}
    learner = HighResolutionPoseEstimationLearner(**options)
    learner.init_model()
    before = weights_of(learner)
    result = learner.fit(external, external, **{**TRAINING, **FILES, **VALIDATION})
    assert len(result['heatmap_losses']) == TRAINING_SCENES // 2
    assert len(result['eval_results_list']) >= 1, 'scored on the way'
    changed = [name for name, value in weights_of(learner).items() if not torch.equal(value, before[name])]
    assert len(changed) > len(before) / 2
    assert isinstance(learner.infer(np.zeros((240, 320, 3), np.uint8), track=False), list), 'and runs what it trained'


def test_the_same_seed_trains_the_same(make, external):
    first, second = make(), make()
    losses = [learner.fit(external, **TRAINING, **FILES, silent=True)['paf_losses'] for learner in (first, second)]
    assert losses[0] == losses[1]
    assert make().fit(external, **TRAINING, **FILES, silent=True, seed=1)['paf_losses'] != losses[0]


def test_silent_says_nothing(make, external, capsys):
    make().fit(external, external, **TRAINING, **FILES, **VALIDATION, silent=True)
    assert capsys.readouterr().out == ''


def test_verbose_tells_scores(make, external, capsys):
    make().fit(external, external, **TRAINING, **FILES, **VALIDATION)
    out = capsys.readouterr().out
    assert out.startswith('training on 6 images; checkpoints go to ')
    assert out.count('validation: AP 0.') == 2


INTERRUPTED = """
import os, signal, sys
import numpy as np
from pose_estimation_ros import KeypointDataset, LightweightOpenPoseLearner
from pose_estimation_ros.data.datasets.synthetic_people import SyntheticPeople
from pose_estimation_ros.methods.lightweight_openpose.augmentation import published_augmentation

class Interrupting(KeypointDataset):
    skeleton = SyntheticPeople.skeleton
    people, seen = SyntheticPeople(40, (96, 96), (1, 1), 1), []

    def __len__(self):
        return len(self.people)

    def load_sample(self, index):
        self.seen.append(index)
        if len(self.seen) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return self.people.load_sample(index)

learner = LightweightOpenPoseLearner(
    temp_path=sys.argv[1], device='cpu', batch_size=2, num_workers=0, mobilenet_use_stride=False, log_after=1
)
learner.init_model()
try:
    learner.fit(Interrupting(), epochs=1, transform=published_augmentation(96), silent=True)
except KeyboardInterrupt as error:
    learner.save(sys.argv[1] + '/kept')
    print(len(Interrupting.seen), error)
"""


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    """In a process of its own: signals reach every thread that other tests have started."""
    command = [sys.executable, '-c', INTERRUPTED, str(tmp_path)]
    outcome = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False)
    assert outcome.returncode == 0, outcome.stderr
    seen, sentence = outcome.stdout.strip().split(' ', 1)
    assert int(seen) < 20
    assert re.fullmatch(r'training stopped at iteration \d+, with a checkpoint', sentence)
    (path,) = (tmp_path / 'default_checkpoints').glob('checkpoint_iter_*.pth')
    saved, kept = (torch.load(each, weights_only=True)['state_dict'] for each in (path, tmp_path / 'kept' / 'kept.pth'))
    assert all(torch.equal(saved[name], value) for name, value in kept.items())


def test_without_validation_nothing_is_scored(make, external, tmp_path):
    result = make(checkpoint_after_iter=0).fit(external, **TRAINING, **FILES, silent=True)
    assert result['eval_results_list'] == []
    assert not list((tmp_path / 'temp').rglob('*.pth'))


def test_a_function_of_the_optimizer_sets_the_learning_rate(make, external):
    seen = []

    def schedule(optimizer):
        seen.append({group['lr'] for group in optimizer.param_groups})
        return torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.1)

    make(lr=1e-3, lr_schedule=schedule).fit(external, **TRAINING, **FILES, silent=True)
    assert seen == [{1e-3, 2e-3, 4e-3, 8e-3}]


@pytest.mark.slow
def test_training_goes_on_from_a_checkpoint(make, external, tmp_path):
    """All of its state with weights_only=False: the same as never having stopped."""
    options = {**TRAINING, **FILES, 'silent': True}
    whole = make(temp_path=tmp_path / 'whole', weights_only=False)
    whole.fit(external, **{**options, 'epochs': 2})
    make(weights_only=False).fit(external, **options)
    resumed = make(weights_only=False, checkpoint_load_iter=2)
    resumed.fit(external, **{**options, 'epochs': 2})
    for name, value in weights_of(resumed).items():
        torch.testing.assert_close(value, weights_of(whole)[name], rtol=1e-4, atol=1e-5)


def test_weights_only_counts_on_from_the_checkpoint(make, external, tmp_path):
    options = {**TRAINING, **FILES, 'silent': True}
    make().fit(external, **options)
    make(checkpoint_load_iter=2).fit(external, **options)
    names = {path.name for path in (tmp_path / 'temp' / 'default_checkpoints').glob('checkpoint*')}
    assert names == {f'checkpoint_iter_{number}.pth' for number in (2, 3, 4, 5)}


def test_more_stages_start_from_fewer(make, external, tmp_path):
    """The published third step."""
    options = {**TRAINING, **FILES, 'silent': True}
    make().fit(external, **options)
    learner = make(checkpoint_load_iter=2, num_refinement_stages=3)
    result = learner.fit(external, **options)
    assert learner.options.num_refinement_stages == 3
    assert len(result['paf_losses']) == 3


@pytest.mark.slow
def test_pictures_are_normalised_as_the_learner_was_told(make, external):
    usual, own = (make(**options) for options in ({}, {'img_mean': [0.0] * 3, 'img_scale': 1 / 64}))
    options = {**TRAINING, **FILES, 'silent': True}
    losses = [learner.fit(external, external, **options, **VALIDATION)['paf_losses'][0] for learner in (usual, own)]
    assert losses[0] != losses[1]
    scores = own.eval(external, images_folder_name='drawn', silent=True, **FILES)
    assert len(scores['average_precision']) == 5


@pytest.mark.parametrize('wrong', ['val_images_folder_name', 'val_annotations_filename'])
def test_arguments_that_name_nothing_are_told_by_their_names(make, external, wrong):
    options = {**TRAINING, **FILES, **VALIDATION, wrong: 'nothing'}
    with pytest.raises(DatasetError, match=f' {wrong} must name one of '):
        make().fit(external, external, **options, silent=True)


def test_epochs_that_are_none(make, external):
    with pytest.raises(SettingsError, match=r'^epochs must be 1 or more, got 0'):
        make().fit(external, **{**TRAINING, **FILES, 'epochs': 0})


def test_a_checkpoint_that_is_not_there(make, external):
    with pytest.raises(SettingsError, match=r'checkpoint_iter_7.pth, which does not exist; there are: none'):
        make(checkpoint_load_iter=7).fit(external, **TRAINING, **FILES)


class TestBackboneWeights:
    @pytest.fixture
    def untrained(self, tmp_path):
        return LightweightOpenPoseLearner(**{**SMALL, 'temp_path': tmp_path / 'temp'})

    def test_are_fetched_where_nothing_is_loaded(self, untrained, external, serve, tmp_path, monkeypatch):
        network = build_network(NetworkOptions())
        published = {
            f'module.{name}': value for name, value in network.state_dict().items() if name.startswith('model')
        }
        (tmp_path / 'server').mkdir()
        torch.save({'state_dict': published}, tmp_path / 'server' / 'mobilenet_sgd_68.848.pth.tar')
        *others, _ = LightweightOpenPoseLearner.download.__defaults__
        defaults = (*others, serve(tmp_path / 'server'))
        monkeypatch.setattr(LightweightOpenPoseLearner.download, '__defaults__', defaults)
        untrained.training = untrained.training.__class__(**{**vars(untrained.training), 'lr': 1e-12})
        untrained.fit(external, **TRAINING, **FILES, silent=True)
        torch.testing.assert_close(
            untrained.network.state_dict()['model.3.3.weight'], network.state_dict()['model.3.3.weight']
        )

    def test_an_offline_machine_is_told(self, untrained, external, monkeypatch):
        *others, _ = LightweightOpenPoseLearner.download.__defaults__
        defaults = (*others, 'http://127.0.0.1:9/')
        monkeypatch.setattr(LightweightOpenPoseLearner.download, '__defaults__', defaults)
        with pytest.raises((DownloadError, WeightsError), match=r'127\.0\.0\.1'):
            untrained.fit(external, **TRAINING, **FILES, silent=True)


class Mine(DatasetIterator):
    def __init__(self, people):
        self.people = people

    def __len__(self):
        return len(self.people)

    def __getitem__(self, index):
        sample = self.people.sample(index)
        return Image(sample.image), self.people.skeleton.convert(sample.keypoints[0], COCO_17)[None]


class Own(KeypointDataset):
    """All that seed 002 asks of a user."""

    skeleton = COCO_17

    def __init__(self, people):
        self.people = people

    def __len__(self):
        return len(self.people)

    def load_sample(self, index):
        image, annotations = Mine(self.people)[index]
        return image.opencv(), None, np.nan_to_num(annotations.astype(float)), {}


@pytest.mark.parametrize('kind', [Mine, Own])
def test_datasets_of_ones_own(make, people, kind, tmp_path):
    learner = make()
    dataset = kind(people)
    result = learner.fit(dataset, dataset, transform=TRAINING['transform'], epochs=1, silent=True)
    assert len(result['paf_losses']) == 3
    scores = learner.eval(dataset, silent=True)
    for name, values in result['eval_results_list'][-1].items():
        np.testing.assert_array_equal(scores[name], values)


def test_other_datasets_are_refused(make):
    with pytest.raises(DatasetError, match=r'must be an ExternalDataset, a .*, got str'):
        make().fit('a/folder')


class TestEval:
    def test_numbers_files_and_table(self, make, external, capsys, tmp_path):
        learner = make(output_name='found.json')
        scores = learner.eval(external, images_folder_name='drawn', subset_size=4, **FILES)
        assert {name: len(values) for name, values in scores.items()} == {'average_precision': 5, 'average_recall': 5}
        assert 'Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ]' in capsys.readouterr().out
        assert isinstance(json.loads((tmp_path / 'temp' / 'found.json').read_text()), list)
        subset = json.loads((tmp_path / 'temp' / 'val_subset.json').read_text())
        assert len(subset['images']) == 4

    def test_the_documents_name_of_the_subset(self, make, external, tmp_path):
        make().eval(external, images_folder_name='drawn', val_subset=False, silent=True, **FILES)
        assert not (tmp_path / 'temp' / 'val_subset.json').exists()

    @pytest.mark.slow
    def test_real_weights_find_coco_people(self, own_omz, assets):
        options = {'images_folder_name': 'train2017', 'annotations_filename': 'person_keypoints_train2017.json'}
        scores = own_omz.eval(ExternalDataset(assets / 'coco', 'COCO'), silent=True, subset_size=40, **options)
        assert scores['average_precision'][0] > 0.2
        assert scores['average_recall'][0] > scores['average_precision'][0]

    def test_pictures_can_be_looked_at(self, make, external, monkeypatch):
        shown = []
        monkeypatch.setattr(cv2, 'imshow', lambda name, image: shown.append(image.shape))
        monkeypatch.setattr(cv2, 'destroyWindow', lambda name: None)
        monkeypatch.setattr(cv2, 'waitKey', lambda delay: 27 if len(shown) == 2 else ord(' '))
        scores = make(visualize=True).eval(external, images_folder_name='drawn', silent=True, **FILES)
        assert shown == [(120, 160, 3)] * 2  # Esc ends it, with the scores of what was seen
        assert len(scores['average_precision']) == 5

    def test_several_scales(self, make, external):
        learner = make(scales=[0.75, 1.0])
        assert len(learner.eval(external, images_folder_name='drawn', silent=True, **FILES)['average_recall']) == 5


@pytest.mark.slow
def test_training_example(shared, external, tmp_path, monkeypatch):
    """The seed's own, on drawn people rather than COCO and with an ImageNet file that is there already."""
    import textwrap

    document = next((shared / 'seeds').glob('001_*.txt')).read_text()
    blocks = [textwrap.dedent(block) for block in re.findall(r'^ *```python\n(.*?)^ *```', document, re.M | re.S)]
    (code,) = [block for block in blocks if 'training_dataset' in block]
    code = re.sub(r'from OpenDR\.[\w.]+ import \\\n *(\w+)', r'from pose_estimation_ros import \1', code)
    code = re.sub(r'from OpenDR\.[\w.]+ import (\w+)', r'from pose_estimation_ros import \1', code)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'parent_dir').mkdir()
    network = build_network(NetworkOptions())
    published = {f'module.{name}': value for name, value in network.state_dict().items() if name.startswith('model')}
    torch.save({'state_dict': published}, tmp_path / 'parent_dir' / 'mobilenet_sgd_68.848.pth.tar')
    (tmp_path / 'data').mkdir()
    for part in ('train2017', 'val2017'):
        (tmp_path / 'data' / part).symlink_to(tmp_path.__class__(external.path) / 'drawn')
        (tmp_path / 'data' / f'person_keypoints_{part}.json').symlink_to(
            tmp_path.__class__(external.path) / 'people.json'
        )
    code = code.replace('batch_size=8, device="cuda"', 'batch_size=2, num_workers=0, epochs=1, device="cuda"')
    exec(code, {})
    assert (tmp_path / 'saved_models' / 'trained_model' / 'trained_model.pth').exists()
    assert list((tmp_path / 'logs').rglob('events*'))
