"""The classifier's input, classes, labels and drawing against thawro's."""

import json

import cv2
import numpy as np
import pytest

from pose_estimation_ros.classification.labels import Label, numbered_labels, read_labels
from pose_estimation_ros.classification.plot import draw_predictions
from pose_estimation_ros.classification.preprocess import VALIDATION, InputSettings, network_input
from pose_estimation_ros.classification.scores import Prediction, best_predictions, cross_entropy, softmax, top_error
from pose_estimation_ros.core.errors import DatasetError, SettingsError
from pose_estimation_ros.fetching.imagenet import labels_yaml


@pytest.fixture(scope='module')
def arrays(golden):
    return golden('classification')


@pytest.fixture(scope='module')
def whole(shared):
    """The vectors with the tall image and the drawing."""
    return np.load(shared / 'golden' / 'classification.npz')


def assert_published(given, arrays, name):
    step = 1 if f'{name}_every1' in arrays else 5
    np.testing.assert_allclose(given[:, ::step, ::step], arrays[f'{name}_every{step}'], atol=1e-4)
    np.testing.assert_allclose(given.astype(np.float64).sum((1, 2)), arrays[f'{name}_sum64'], atol=1e-5 * given[0].size)


@pytest.mark.parametrize('size', [256, 224, 64])
@pytest.mark.parametrize('name', ['wide', 'small'])
def test_input_is_the_published_one(arrays, name, size):
    given = network_input(arrays[f'{name}_image'][..., ::-1], InputSettings(size))
    assert given.shape == tuple(arrays[f'{name}_input_{size}_shape'])
    assert given.dtype == np.float32
    assert_published(given, arrays, f'{name}_input_{size}')


@pytest.mark.parametrize('name', ['wide', 'small'])
def test_validation_resizes_and_crops_as_published(arrays, name):
    assert_published(network_input(arrays[f'{name}_image'][..., ::-1], VALIDATION), arrays, f'{name}_validation_224')


def test_input_of_a_tall_image_is_the_published_one(whole):
    image = whole['tall_image'][..., ::-1]
    for size in (256, 224, 64):
        assert_published(network_input(image, InputSettings(size)), whole, f'tall_input_{size}')
    assert_published(network_input(image, VALIDATION), whole, 'tall_validation_224')


@pytest.mark.parametrize('hw', [(1, 1), (1, 300), (500, 50), (64, 64)])
def test_any_image_has_an_input_and_a_plain_one_stays_plain(hw):
    given = network_input(np.full((*hw, 3), (0, 0, 255), np.uint8), InputSettings(64))
    expected = (np.array([1, 0, 0]) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(given, np.broadcast_to(expected[:, None, None], (3, 64, 64)), atol=1e-5)


@pytest.mark.parametrize('values', [(250, 0), (16, 0), (256, 288), (256, 100), (256.0, 0)])
def test_bad_sizes_are_refused_with_a_sentence(values):
    with pytest.raises(SettingsError, match=r'input_size|crop_size'):
        InputSettings(*values)
    assert (InputSettings().side, VALIDATION.side) == (256, 224)


def test_best_classes_errors_and_loss_are_the_published_ones(arrays):
    logits, targets = arrays['logits'], arrays['targets']
    labels = [label.name for label in numbered_labels(logits.shape[1])]
    best = best_predictions(logits[0], labels)
    assert [each.class_index for each in best] == arrays['top5_of_first'].tolist()
    assert [str(each) for each in best] == arrays['lines_of_first'].tolist()
    np.testing.assert_allclose(softmax(logits[0]), arrays['probabilities_of_first'], atol=1e-6)
    assert top_error(logits, targets) == pytest.approx(float(arrays['top1_error']))
    assert top_error(logits, targets, 5) == pytest.approx(float(arrays['top5_error']))
    assert cross_entropy(logits, targets) == pytest.approx(float(arrays['cross_entropy']), rel=1e-5)
    assert len(best_predictions(logits[0, :3], labels)) == 3, 'fewer classes than five'


def test_drawing_is_the_published_one(whole):
    if not cv2.__version__.startswith('5.0'):
        pytest.skip(f'the stored pixels are those of OpenCV 5.0, this is {cv2.__version__}')
    logits = whole['logits'][0]
    best = best_predictions(logits, [label.name for label in numbered_labels(len(logits))])
    drawn = draw_predictions(whole['plot_source'], best)
    assert drawn.shape == tuple(whole['plot_top_preds_shape'])
    np.testing.assert_array_equal(drawn[:150, :300], whole['plot_top_preds'])


@pytest.mark.parametrize('hw', [(1, 1), (20, 400), (400, 20)])
def test_any_image_is_drawn_on_and_not_changed(hw):
    image = np.zeros((*hw, 3), np.uint8)
    drawn = draw_predictions(image, [Prediction(0, 'a' * 40, 1.0)], 'right')
    assert drawn.shape[0] == 512
    assert drawn[-1, -1].tolist() == [64, 204, 64], 'the right class is on green'
    assert not image.any()


SYNSETS = 'n01443537 goldfish, Carassius auratus\nn01440764 tench, Tinca tinca\n'


@pytest.mark.parametrize(
    'text', [labels_yaml(SYNSETS), json.dumps({'0': ['n01440764', 'tench'], '1': ['n01443537', 'goldfish']})]
)
def test_labels_of_both_layouts_are_read(tmp_path, text):
    (tmp_path / 'wordnet_labels.yaml').write_text(text)
    assert read_labels(tmp_path / 'wordnet_labels.yaml') == (
        Label('n01440764', 'tench'),
        Label('n01443537', 'goldfish'),
    )


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (None, 'there are no labels at'),
        (b'', 'must number its 0 classes'),
        (b'- tench\n- goldfish\n', 'holds no labels'),
        (b'{"0": "tench"}', 'holds no labels'),
        (b'[1, 2]', 'holds no labels'),
        (b'{"0": ["n1", "tench"], "2": ["n2", "goldfish"]}', 'must number its 2 classes from 0 to 1'),
        (b'\xff\xfe\x00', 'cannot be read as labels'),
    ],
)
def test_files_without_labels_are_refused_with_a_sentence(tmp_path, content, words):
    path = tmp_path / 'labels.yaml'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=words) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)
    assert '`prepare imagenet` writes it' in str(caught.value)
