"""`classify`: names and probabilities of images, and a classifier's errors on a prepared ImageNet."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from reference_networks import settle

from pose_estimation_ros.core.image import read_image
from pose_estimation_ros.fetching.imagenet import labels_yaml
from pose_estimation_ros.learners.image_classifier import ImageClassifier

SYNSETS = 'n01 red, crimson\nn02 green\nn03 blue sky\n'
NAMES = ['red', 'green', 'blue_sky']
OUT, RESULTS = Path('out'), Path('results.json')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A published file of a small classifier, which declares nothing."""
    classifier = ImageClassifier(width=4, stem_width=4, classes=3, device='cpu')
    classifier.init_model(seed=0)
    settle(classifier.network)
    path = tmp_path_factory.mktemp('classifier') / 'classifier.pth'
    torch.save(classifier.network.state_dict(), path)
    return path


@pytest.fixture
def labels():
    path = Path('data/ImageNet/wordnet_labels.yaml')
    path.parent.mkdir(parents=True)
    path.write_text(labels_yaml(SYNSETS))
    return path


@pytest.fixture
def images():
    random, paths = np.random.default_rng(0), [Path('a.png'), Path('b.jpg')]
    for path in paths:
        cv2.imwrite(str(path), random.integers(0, 256, (80, 100, 3), dtype=np.uint8))
    return paths


@pytest.fixture
def classify(cli, weights):
    """Function that runs `classify` with the small classifier, in the backend that starts fastest."""
    return lambda *arguments: cli(
        'classify', *arguments, '--weights', weights, '--backend', 'torch', '--input-size', '64'
    )


def test_images_get_their_classes_as_text_json_and_drawings(classify, images, labels, weights):
    outcome = classify(*images, '--json', RESULTS, '--output', OUT, '--top', '2')
    assert outcome.code == 0, outcome
    classifier = ImageClassifier(64, labels=NAMES, device='cpu', backend='torch')
    classifier.load(weights)
    records = json.loads(RESULTS.read_text())['images']
    assert [(each['source'], each['width'], each['height']) for each in records] == [
        ('a.png', 100, 80),
        ('b.jpg', 100, 80),
    ]
    for path, record in zip(images, records, strict=True):
        expected = classifier.infer(path, top=2)
        assert [each['label'] for each in record['predictions']] == [each.label for each in expected]
        assert [each['index'] for each in record['predictions']] == [each.class_index for each in expected]
        probabilities = [each['probability'] for each in record['predictions']]
        assert probabilities == pytest.approx([each.probability for each in expected], abs=1e-5)
        assert f'{path}: {expected[0].label} {expected[0].probability:.3f}, ' in outcome.out
        assert read_image(OUT / path.name).shape == (512, 640, 3)


def test_json_on_standard_output_is_alone_there(classify, images, labels):
    outcome = classify(images[0], '--json', '-')
    (record,) = json.loads(outcome.out)['images']
    assert {each['label'] for each in record['predictions']} == set(NAMES)


def test_saved_models_bring_their_labels_and_numbers_can_be_asked_for(cli, classify, images, weights):
    assert 'class_1 ' in classify(images[0], '--labels', 'none').out
    classifier = ImageClassifier(64, labels=NAMES, device='cpu')
    classifier.load(weights)
    classifier.save('saved')
    outcome = cli('classify', images[0], '--weights', 'saved', '--backend', 'torch')
    assert outcome.code == 0, outcome
    assert 'green ' in outcome.out


def test_errors_on_a_prepared_folder_are_those_of_single_images(cli, classify, labels, weights):
    random = np.random.default_rng(1)
    for index, wnid in enumerate(('n01', 'n02', 'n03')):
        folder = labels.parent / 'val' / wnid
        folder.mkdir(parents=True)
        for number in range(index + 1):
            cv2.imwrite(str(folder / f'{number}.png'), random.integers(0, 256, (70, 90, 3), dtype=np.uint8))
    outcome = classify('--dataset', labels.parent, '--json', RESULTS)
    assert outcome.code == 0, outcome
    scores = json.loads(RESULTS.read_text())
    classifier = ImageClassifier(64, device='cpu', backend='torch')
    classifier.load(weights)
    wrong = [
        classifier.infer(path, 1)[0].class_index != index
        for index, wnid in enumerate(('n01', 'n02', 'n03'))
        for path in (labels.parent / 'val' / wnid).iterdir()
    ]
    assert (scores['images'], scores['top1_error'], scores['top5_error']) == (6, pytest.approx(np.mean(wrong)), 0)
    assert f'6 images: top-1 error {np.mean(wrong):.2%}, top-5 error 0.00%' in outcome.out
    classifier.name_classes(NAMES[::-1])
    classifier.save('reversed')
    outcome = cli('classify', '--dataset', labels.parent, '--weights', 'reversed', '--backend', 'torch')
    assert 'are not those of reversed in their order' in outcome.sentence()


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ([], 'classify takes either images or --dataset DIR'),
        (['a.png', '--dataset', 'data'], 'classify takes either images or --dataset DIR'),
        (['a.png'], 'there are no labels at data/ImageNet/wordnet_labels.yaml: `prepare imagenet` writes it'),
        (['a.png', '--labels', 'names.yaml'], 'there are no labels at names.yaml'),
        (['a.png', '--labels', 'two.yaml'], 'expected the names of 3 classes, got 2 labels'),
        (['none.png', '--labels', 'none'], 'none.png'),
        (['a.png', '--labels', 'none', '--crop-size', '100'], 'crop_size'),
        (['--dataset', 'data'], 'there are no labels at data/wordnet_labels.yaml'),
        (['--dataset', 'tree'], 'there is no folder tree/val'),
        (['--dataset', 'tree', '--output', 'out'], '--output is for images'),
        (['--dataset', 'tree', '--labels', 'two.yaml'], '--labels is for images'),
        (['a.png', '--json', 'a.png', '--labels', 'none'], 'would be overwritten'),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(classify, images, arguments, words):
    Path('two.yaml').write_text(labels_yaml('n01 red\nn02 green\n'))
    Path('tree').mkdir()
    Path('tree/wordnet_labels.yaml').write_text(labels_yaml(SYNSETS))
    before = sorted(Path().rglob('*'))
    assert words in classify(*arguments).sentence()
    assert sorted(Path().rglob('*')) == before


def test_pose_models_are_refused_with_a_sentence(cli, images, tiny, weights):
    assert 'is a pose model' in cli('classify', 'a.png', '--weights', tiny).sentence()
    outcome = cli('infer', 'a.png', '--method', 'simple_baseline', '--weights', weights)
    assert 'expected a SimpleBaselines network' in outcome.sentence()
