"""`evaluate`: a dataset of painted pictures, real COCO pictures, and what is refused."""

import json
import re
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18

pytest.importorskip('pycocotools')
NAMES = ['AP', 'AP50', 'AP75', 'APm', 'APl', 'AR', 'AR50', 'AR75', 'ARm', 'ARl']
FILES = {'coco_output.txt', 'config.yaml', 'results.json', 'detections.json', 'val2017_results.json'}
OUT = Path('out')


@pytest.fixture(scope='module')
def people(standing):
    """By image id, the people (18, 2) of a picture."""
    return {3: [standing(80), standing(220)], 4: [standing(150, scale=1.6)], 8: []}


@pytest.fixture
def dataset(tmp_path, painted, people):
    """A dataset like COCO of three painted pictures."""
    folder = tmp_path / 'data'
    (folder / 'val2017').mkdir(parents=True)
    (folder / 'annotations').mkdir()
    annotations = []
    for image_id, everybody in people.items():
        cv2.imwrite(str(folder / 'val2017' / f'{image_id}.png'), painted(everybody))
        for xy in everybody:
            rows = OPENPOSE_18.convert(np.column_stack([xy + 0.5, np.full(18, 2)]), COCO_17)
            size = np.ptp(xy, axis=0)
            annotations.append(
                {
                    'id': len(annotations), 'image_id': image_id, 'category_id': 1, 'iscrowd': 0, 'num_keypoints': 17,
                    'keypoints': rows.ravel().tolist(), 'bbox': [*xy.min(axis=0).tolist(), *size.tolist()],
                    'area': float(size.prod()),
                }
            )  # fmt: skip
    images = [{'id': each, 'file_name': f'{each}.png', 'width': 320, 'height': 256} for each in people]
    truth = {'images': images, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'person'}]}
    (folder / 'annotations' / 'person_keypoints_val2017.json').write_text(json.dumps(truth))
    return folder


@pytest.fixture
def evaluate(cli, dataset, seeing):
    """Function that evaluates the seer on the dataset and returns its numbers, and what was printed."""

    def run(*arguments):
        outcome = cli('evaluate', '--dataset', dataset, '--json', 'numbers.json', *seeing, *arguments)
        assert outcome.code == 0, outcome
        return json.loads(Path('numbers.json').read_text()), outcome

    return run


@pytest.fixture
def coco(assets):
    """Options of the real pictures and weights."""
    return [
        *('--dataset', assets / 'coco', '--images-folder', 'train2017'),
        *('--annotations', 'person_keypoints_train2017.json', '--weights', assets / 'weights' / 'lwop_omz.onnx'),
        *('--backend', 'onnxruntime', '--device', 'cpu'),
    ]


def test_numbers_and_tables(evaluate):
    numbers, outcome = evaluate()
    assert list(numbers) == [*NAMES, 'images', 'detections', 'ms_per_image']
    assert numbers['AP'] > 0.8
    assert numbers['AP50'] == pytest.approx(1)
    assert numbers['APl'] is None  # nobody is large
    assert (numbers['images'], numbers['detections']) == (3, 3)
    assert numbers['ms_per_image'] > 0
    lines = outcome.out.splitlines()
    printed = [float(line.rpartition('=')[2]) for line in lines[:10]]
    assert printed == pytest.approx([-1 if numbers[name] is None else numbers[name] for name in NAMES], abs=5e-4)
    assert lines[10] == ' 3 images, 3 detections'
    stages = [line.split()[0] for line in lines[11:16]]
    assert stages == ['ms', 'preprocess', 'forward', 'decode', 'total']
    assert outcome.complaints == []


@pytest.mark.parametrize('json_option', [['--json'], ['--json', '-']])
def test_json_on_standard_output(cli, dataset, seeing, json_option):
    outcome = cli('evaluate', '--dataset', dataset, *seeing, '--output', OUT, *json_option)
    assert outcome.code == 0
    assert json.loads(outcome.out)['images'] == 3
    assert 'Average Precision' in outcome.err


def test_folder(evaluate, dataset):
    numbers, outcome = evaluate('--output', OUT, '--height', 256, '--decode', 'evaluation')
    assert {path.name for path in OUT.iterdir()} == FILES
    assert json.loads((OUT / 'results.json').read_text()) == numbers
    assert (OUT / 'coco_output.txt').read_text().splitlines() == outcome.out.splitlines()[:-1]
    settings = dict(line.split(': ', 1) for line in (OUT / 'config.yaml').read_text().splitlines())
    expected = {
        'height': '256', 'decode': '"evaluation"', 'backend': '"onnxruntime"', 'device': '"cpu"', 'flip': 'false',
        'scales': 'null', 'stride': '8', 'dataset': json.dumps(str(dataset)),
    }  # fmt: skip
    assert settings.items() >= expected.items()
    again, _ = evaluate('--output', OUT)
    assert again['images'] == 3


def test_what_was_written_can_be_scored_again(evaluate, cli, dataset):
    numbers, _ = evaluate('--output', OUT)
    outcome = cli('evaluate', '--dataset', dataset, '--detections', OUT / 'detections.json', '--json')
    again = json.loads(outcome.out)
    assert again.pop('ms_per_image') is None
    assert again == {name: numbers[name] for name in again}


def test_yaml_is_yaml(evaluate):
    yaml = pytest.importorskip('yaml')
    evaluate('--output', OUT, '--keypoint-threshold', '0.2')
    settings = yaml.safe_load((OUT / 'config.yaml').read_text())
    assert settings['keypoint_threshold'] == 0.2
    assert settings['limit'] is None


def test_limit_and_subset(evaluate):
    assert evaluate('--limit', 2)[0]['images'] == 2
    assert evaluate('--subset', 2)[0]['images'] == 2
    assert evaluate('--subset', 9, '--batch-size', 2)[0]['images'] == 3


def test_batches_give_the_same_numbers(evaluate):
    one, many = evaluate()[0], evaluate('--batch-size', 3)[0]
    assert {name: many[name] for name in NAMES} == pytest.approx({name: one[name] for name in NAMES})


def test_flips_and_scales_reach_the_model(evaluate):
    """The seer reads single pixels, so that it sees nobody in mirrored or enlarged pictures."""
    plain, _ = evaluate()
    assert evaluate('--scales', '1')[0]['AP'] == plain['AP']
    assert evaluate('--flip', '--keypoint-threshold', '0.7')[0]['AP'] < plain['AP']
    evaluate('--scales', '0.5, 1', '--output', OUT)
    assert 'scales: [0.5, 1.0]' in (OUT / 'config.yaml').read_text()


class Page:
    """A report, taken apart."""

    def __init__(self, path):
        self.text = path.read_text()
        self.headings = re.findall(r'<h2>(.*?)</h2>', self.text)
        self.pictures = re.findall(r'<img src="([^"]+)"', self.text)


def test_report(evaluate, dataset, people):
    truth = dataset / 'annotations' / 'person_keypoints_val2017.json'
    content = json.loads(truth.read_text())
    ghost = {**content['annotations'][0], 'image_id': 8, 'id': 77}
    content['annotations'].append(ghost)  # somebody whom nobody can find
    truth.write_text(json.dumps(content))
    _, outcome = evaluate('--output', OUT, '--report')
    assert {path.name for path in OUT.iterdir()} == {*FILES, 'report.html'}
    assert 'report.html' in outcome.out
    page = Page(OUT / 'report.html')
    assert page.headings[:3] == ['Score', 'Precision and recall', 'Keypoints of the people found']
    assert page.headings[3:] == ['Worst images', 'Time', 'Settings']
    assert page.text.count('<svg') == 2
    assert 'prefers-color-scheme: dark' in page.text
    assert '3 images, 4 people with keypoints, 1 missed, 3 detections' in page.text
    assert all(picture.startswith('data:image/jpeg;base64,') for picture in page.pictures)
    assert page.text.index('<b>8.png</b>') < page.text.index('<b>3.png</b>')  # the worst first
    assert 'OKS missed' in page.text


def test_report_fetches_nothing(evaluate):
    evaluate('--output', OUT, '--report')
    text = Page(OUT / 'report.html').text
    addresses = set(re.findall(r'(?:src|href)="([^"]{0,30})', text)) | set(re.findall(r'url\(([^)]{0,30})', text))
    assert all(address.startswith(('data:', '#')) for address in addresses), addresses
    assert '<script' not in text
    assert '<link' not in text
    assert '@import' not in text


def test_report_of_detections_without_pictures(cli, dataset, evaluate):
    evaluate('--output', OUT)
    for path in (dataset / 'val2017').iterdir():
        path.unlink()
    options = ['--detections', OUT / 'detections.json', '--output', 'again', '--report']
    assert cli('evaluate', '--dataset', dataset, *options).code == 0
    page = Page(Path('again/report.html'))
    assert page.pictures == []
    assert 'Time' not in page.headings


def test_report_names_are_escaped(cli, dataset, evaluate):
    evaluate('--output', OUT)
    strange = Path('<b>&.json')
    (OUT / 'detections.json').rename(strange)
    assert cli('evaluate', '--dataset', dataset, '--detections', strange, '--output', OUT, '--report').code == 0
    text = Page(OUT / 'report.html').text
    assert '<h1>&lt;b&gt;&amp;.json on' in text


class TestBadInput:
    @pytest.fixture
    def sentence(self, cli, dataset, seeing):
        """Function that returns the sentence that evaluating ends with; nothing is written."""

        def run(*arguments, model=True):
            options = ['--dataset', dataset, *(seeing if model else []), '--output', OUT]
            sentence = cli('evaluate', *options, *arguments).sentence()
            assert not list(OUT.glob('*'))
            return sentence

        return run

    def test_no_such_dataset(self, cli, seeing, dataset):
        sentence = cli('evaluate', '--dataset', dataset.parent / 'cocoa', *seeing).sentence()
        assert sentence.endswith('cocoa; beside it there are: data, here')

    def test_no_such_folder(self, sentence):
        said = sentence('--images-folder', 'train2017')
        assert 'no folder train2017 in' in said
        assert said.endswith('--images-folder must name one of those there: annotations, val2017')

    def test_no_such_annotations(self, sentence):
        assert sentence('--annotations', 'some.json').endswith('one of the files there: person_keypoints_val2017.json')

    def test_broken_annotations(self, sentence, dataset):
        (dataset / 'annotations' / 'cut.json').write_text('{"images": [{"id": 1')
        assert re.search(r'cut.json is not JSON \(.*\); it begins with', sentence('--annotations', 'cut.json'))

    def test_missing_pictures(self, sentence, dataset):
        for name in ('3.png', '8.png'):
            (dataset / 'val2017' / name).unlink()
        assert '2 of 3 images of person_keypoints_val2017.json are not in' in sentence()
        assert '3.png, 8.png; copy them' in sentence()

    def test_unreadable_pictures(self, sentence, dataset, cli, seeing):
        (dataset / 'val2017' / '4.png').write_bytes(b'nothing')
        assert re.search(r'image 4 of the dataset: .*4\.png is not an image', sentence())
        outcome = cli('evaluate', '--dataset', dataset, *seeing, '--skip-unreadable')
        assert outcome.code == 0
        assert ' 2 images, 2 detections\n 1 unreadable image skipped' in outcome.out
        assert any('4.png' in line and 'skipped' in line for line in outcome.complaints)

    @pytest.mark.parametrize(
        ('content', 'expected'),
        [
            ('<!DOCTYPE html>', 'is not JSON'),
            ('{"images": []}', 'must be a list of detections'),
            ('[{"image_id": 3, "score": 1}]', 'lacks category_id, keypoints'),
            (
                '[{"image_id": 99, "category_id": 1, "score": 1, "keypoints": %s}]',
                'of 1 image not among the 3',
            ),
        ],
    )
    def test_detections(self, sentence, content, expected):
        Path('found.json').write_text(content.replace('%s', str([1.0] * 51)))
        assert expected in sentence('--detections', 'found.json', model=False)

    def test_no_detections_file(self, sentence):
        assert 'cannot read found.json: No such file' in sentence('--detections', 'found.json', model=False)

    @pytest.mark.parametrize('scales', ['big', '1,,2', '0', '1,-2', 'nan', 'inf'])
    def test_scales(self, sentence, scales):
        assert f'separated by commas, such as 0.5,1,1.5,2, got {scales!r}' in sentence(f'--scales={scales}')

    def test_scales_out_of_range(self, sentence):
        assert 'the input height must be from 32 to 4320 pixels, got 3' in sentence('--scales', '0.01,1')

    def test_options_that_contradict_each_other(self, cli, dataset, seeing):
        assert '--report needs --output DIR' in cli('evaluate', '--dataset', dataset, '--report', *seeing).sentence()
        Path('found.json').write_text('[]')
        found = ('evaluate', '--dataset', dataset, '--detections', 'found.json')
        assert '--flip: with --detections no model is run' in cli(*found, '--flip').sentence()
        idle = cli(*found, '--weights', 'a.onnx', '--boxes', 'ground_truth', '--skip-unreadable').sentence()
        assert '--weights, --boxes, --skip-unreadable: with --detections' in idle

    def test_output_that_cannot_be(self, cli, dataset, seeing):
        Path('file').write_text('')
        assert (
            'cannot make the folder file'
            in cli('evaluate', '--dataset', dataset, *seeing, '--output', 'file').sentence()
        )

    @pytest.mark.parametrize(
        ('package', 'module'), [('pycocotools', 'pycocotools.cocoeval'), ('matplotlib', 'matplotlib.figure')]
    )
    def test_missing_packages(self, sentence, monkeypatch, package, module):
        monkeypatch.setitem(sys.modules, module, None)
        assert f'needs the package {package}, which is not installed: pip install' in sentence('--report')

    def test_no_detections_at_all(self, cli, dataset):
        Path('found.json').write_text('[]')
        outcome = cli(
            'evaluate', '--dataset', dataset, '--detections', 'found.json', '--json', '--output', OUT, '--report'
        )
        numbers = json.loads(outcome.out)
        assert (numbers['AP'], numbers['AR'], numbers['APl'], numbers['detections']) == (0, 0, None, 0)
        assert '3 missed' in Page(OUT / 'report.html').text

    def test_detections_of_other_images(self, cli, dataset):
        one = {'image_id': 8, 'category_id': 1, 'score': 1, 'keypoints': [1.0] * 51}
        Path('found.json').write_text(json.dumps([one, one]))
        scored = ('evaluate', '--dataset', dataset, '--detections', 'found.json')
        outcome = cli(*scored, '--limit', 1)
        assert 'all 2 detections of found.json are of other images than these' in outcome.complaints[0]
        assert cli(*scored).complaints == []

    def test_nobody_is_annotated(self, cli, dataset, seeing):
        path = dataset / 'annotations' / 'person_keypoints_val2017.json'
        truth = json.loads(path.read_text())
        said = 'no people are annotated in these images: nothing to score'
        assert said not in cli('evaluate', '--dataset', dataset, *seeing).out
        path.write_text(json.dumps({**truth, 'annotations': []}))
        assert said in cli('evaluate', '--dataset', dataset, *seeing).out


def test_interrupted(start, dataset, seeing):
    """Ctrl-C ends a run with nothing half-written."""
    code = (
        'import os, signal, sys\n'
        'from pose_estimation_ros.apps import cli\n'
        'from pose_estimation_ros.inference.pipeline import Pipeline\n'
        'plain = Pipeline.batch\n'
        'def batch(self, images):\n'
        f'    os.kill(os.getpid(), {int(signal.SIGINT)})\n'
        '    return plain(self, images)\n'
        'Pipeline.batch = batch\n'
        'sys.exit(cli.main(sys.argv[1:]))'
    )
    process = start('evaluate', '--dataset', dataset, *seeing, '--output', OUT, '--json', 'n.json', code=code)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'Traceback' not in err
    assert not Path('n.json').exists()
    assert list(OUT.iterdir()) == []


def test_evaluator_pair(cli, assets):
    folder = assets / 'coco'
    outcome = cli(
        *('evaluate', '--dataset', folder, '--annotations', 'evaluator_gt.json', '--json'),
        *('--detections', folder / 'annotations' / 'evaluator_detections.json'),
    )
    numbers = json.loads(outcome.out)
    assert [round(numbers[name], 3) for name in NAMES[:5]] == [0.379, 0.593, 0.395, 0.321, 0.465]
    assert (numbers['images'], numbers['detections']) == (250, 524)


def test_real_pictures(cli, coco):
    outcome = cli('evaluate', *coco, '--limit', 6, '--height', 128, '--output', OUT, '--report', '--json')
    assert outcome.code == 0, outcome
    assert json.loads(outcome.out)['images'] == 6
    assert Page(OUT / 'report.html').pictures


@pytest.mark.parametrize(
    ('height', 'decode'), [(256, 'reference'), pytest.param(368, 'evaluation', marks=pytest.mark.slow)]
)
def test_detections_on_twenty_images(cli, golden, coco, height, decode):
    """test_accuracy.py measures the published accuracy of the decoders that give these detections."""
    cli('evaluate', *coco, '--height', height, '--decode', decode, '--limit', 20, '--output', OUT)
    found = json.loads((OUT / 'detections.json').read_text())
    expected = golden('coco_detections_lwop.json')[str(height)][decode]
    assert [each['image_id'] for each in found] == [each['image_id'] for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one['keypoints'] == pytest.approx(other['keypoints'], abs=0.02)
