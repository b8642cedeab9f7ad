"""The classifier of images: infer, save, load, optimize, and what it refuses."""

import numpy as np
import pytest
import torch
from reference_networks import settle

from pose_estimation_ros import ImageClassifier
from pose_estimation_ros.classification.preprocess import InputSettings, network_input
from pose_estimation_ros.classification.scores import softmax
from pose_estimation_ros.core.errors import DatasetError, SettingsError, WeightsError
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE
from pose_estimation_ros.models.folder import write_model

NARROW = {'width': 4, 'stem_width': 4, 'classes': 6, 'device': 'cpu'}
NAMES = ('cat', 'dog', 'cup', 'car', 'tree', 'boat')


@pytest.fixture
def classifier(tmp_path):
    learner = ImageClassifier(64, labels=NAMES, temp_path=tmp_path / 'temp', backend='torch', **NARROW)
    learner.init_model(seed=1)
    settle(learner.network)
    return learner


@pytest.fixture(scope='module')
def images():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in ((90, 70), (64, 200))]


def test_infer_gives_the_best_classes_of_the_network(classifier, images):
    best = classifier.infer(images[0])
    with torch.no_grad():
        inputs = torch.from_numpy(network_input(images[0], InputSettings(64)))[None]
        expected = softmax(classifier.network.eval()(inputs)[0][0, :, 0, 0].numpy())
    np.testing.assert_allclose([each.probability for each in best], np.sort(expected)[::-1][:5], rtol=1e-3)
    np.testing.assert_allclose(
        [each.probability for each in best], expected[[each.class_index for each in best]], rtol=1e-3
    )
    assert all(each.label == NAMES[each.class_index] for each in best)
    assert len(classifier.infer(images[0], top=2)) == 2


def test_a_batch_gives_what_single_images_give(classifier, images):
    for single, batched in zip(images, classifier.infer_batch(images), strict=True):
        assert [each.label for each in classifier.infer(single)] == [each.label for each in batched]
    assert classifier.logits(images).shape == (2, 6)


@pytest.mark.parametrize('precision', ['', 'fp32', 'fp16', pytest.param('int8', marks=pytest.mark.slow)])
def test_saved_models_load_again_and_say_the_same(classifier, images, tmp_path, precision):
    expected = classifier.logits(images)
    if precision:
        classifier.optimize(True, precision=precision, calibration=images if precision == 'int8' else ())
    classifier.save(tmp_path / 'saved')
    assert (tmp_path / 'saved' / ('saved.onnx' if precision else 'saved.pth')).exists()
    loaded = ImageClassifier(device='cpu', backend='onnxruntime' if precision else 'torch')
    loaded.load(tmp_path / 'saved')
    assert (loaded.labels, loaded.input) == (NAMES, InputSettings(64))
    tolerance = {'fp16': 0.02, 'int8': 0.3}.get(precision, 1e-4)
    np.testing.assert_allclose(loaded.logits(images), expected, atol=tolerance * expected.std())


def test_an_exported_file_of_its_own_declares_classes_and_input(classifier, images, tmp_path):
    expected = classifier.logits(images)
    classifier.optimize()
    classifier.save(tmp_path / 'saved')
    (tmp_path / 'saved' / 'saved.onnx').rename(tmp_path / 'alone.onnx')
    loaded = ImageClassifier(device='cpu', backend='torch')
    loaded.load(tmp_path / 'alone.onnx')
    assert loaded.labels == NAMES
    np.testing.assert_allclose(loaded.logits(images), expected, atol=1e-2 * expected.std())
    with pytest.raises(WeightsError, match='there is no torch network'):
        _ = loaded.network


def test_published_checkpoints_load_with_what_they_do_not_declare(classifier, images, tmp_path, capsys):
    torch.save(classifier.network.state_dict(), tmp_path / 'published.pth')
    loaded = ImageClassifier(device='cpu', backend='torch')
    loaded.load(tmp_path / 'published.pth', verbose=True)
    assert 'loaded 1956 of 1956 tensors' in capsys.readouterr().out
    assert loaded.input == InputSettings()
    assert loaded.labels[5] == 'class_5'
    sized = ImageClassifier(64, labels=NAMES, device='cpu', backend='torch')
    sized.load(tmp_path / 'published.pth')
    assert sized.infer(images[0]) == classifier.infer(images[0])


def test_explicit_sizes_override_those_of_the_file(classifier, tmp_path):
    classifier.save(tmp_path / 'saved')
    for sizes, expected in (((96, 64), InputSettings(96, 64)), ((128, None), InputSettings(128))):
        loaded = ImageClassifier(*sizes, device='cpu')
        loaded.load(tmp_path / 'saved')
        assert loaded.input == expected


def test_other_models_are_refused_with_a_sentence(classifier, tmp_path):
    pose = SIMPLE_BASELINE.network(SIMPLE_BASELINE.options({'depth': 18}))
    torch.save(pose.state_dict(), tmp_path / 'pose.pth')
    write_model(tmp_path / 'pose', {'.pth': (tmp_path / 'pose.pth').read_bytes()}, 'resnet18', {'method': 'x'}, False)
    for path, words in (
        (tmp_path / 'pose.pth', 'expected a network on an HRNet trunk, got'),
        (tmp_path / 'pose', r'is a pose model \(x\), expected a classifier; `infer` runs it'),
        (tmp_path / 'none.pth', 'there are no weights at'),
    ):
        with pytest.raises(WeightsError, match=words):
            classifier.load(path)
    assert len(classifier.labels) == 6, 'the previous model stays'
    with pytest.raises(WeightsError, match='no weights are loaded'):
        ImageClassifier(device='cpu').infer(np.zeros((8, 8, 3), np.uint8))


def test_wrong_settings_are_refused_with_a_sentence(classifier, tmp_path, images):
    classifier.save(tmp_path / 'saved')
    few = ImageClassifier(labels=['a', 'b'], device='cpu')
    with pytest.raises(SettingsError, match='expected the names of 6 classes, got 2 labels'):
        few.load(tmp_path / 'saved')
    with pytest.raises(SettingsError, match='a multiple of 32 pixels'):
        ImageClassifier(100)
    with pytest.raises(SettingsError, match='width must be'):
        ImageClassifier(width=1000)
    with pytest.raises(SettingsError, match='top must be'):
        classifier.infer(images[0], top=0)
    with pytest.raises(SettingsError, match='batch_size must be a whole number above 0, got 0'):
        classifier.eval([(images[0], 0)], batch_size=0)
    with pytest.raises(SettingsError, match='int8 needs calibration images'):
        classifier.optimize(precision='int8')


def test_fit_changes_what_infer_says_and_validates_as_eval(images, tmp_path):
    small = {'lr': 1e-3, 'batch_size': 2, 'num_workers': 0, 'val_after': 1, 'checkpoint_after_iter': 1}
    learner = ImageClassifier(32, temp_path=tmp_path, backend='torch', **NARROW, **small)
    learner.init_model(seed=3)
    before, known = learner.logits(images), [(image, index) for index, image in enumerate(images)]
    result = learner.fit(known, known, silent=True, epochs=2)
    assert not np.allclose(learner.logits(images), before)
    assert len(result['losses']) == 2
    scores = learner.eval(known, silent=True)
    assert result['eval_results_list'][-1]['loss'] == pytest.approx(scores['cross_entropy'], rel=1e-3)
    assert (tmp_path / 'default_checkpoints' / 'best.pth').exists()
    with pytest.raises(DatasetError, match=r'an image is of class 6, but the network has the classes 0 to 5'):
        learner.fit([(images[0], 6)] * 2, silent=True)
    with pytest.raises(SettingsError, match=r'epochs must be 1 or more, got 0'):
        learner.fit(known, silent=True, epochs=0)
