"""HigherHRNet on the command line: a narrow random network through all commands, plots, and what is refused."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.learners.higher_hrnet import HigherHRNetLearner

OUT = Path('out')
PLOTS = ('associative_embedding', 'connections', 'heatmaps')


@pytest.fixture(scope='module')
def narrow(tmp_path_factory):
    """Options of a narrow network with random weights, whose maps have peaks."""
    import torch
    from reference_networks import lively

    learner = HigherHRNetLearner(backbone='hrnet_w4', stem_width=4, base_height=64, device='cpu')
    learner.init_model()
    with torch.no_grad():
        for head in lively(learner.network).final_layers:
            head.weight *= 0.3
    folder = tmp_path_factory.mktemp('narrow') / 'narrow'
    learner.save(folder)
    return ('--method', 'higher_hrnet', '--weights', folder, '--device', 'cpu', '--threads', '1')


@pytest.fixture
def image(tmp_path):
    path = tmp_path / 'photo.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    return path


def people_of(path):
    return [frame['poses'] for frame in json.loads(Path(path).read_text())['frames']]


def ran(outcome):
    assert outcome.code == 0, outcome
    return outcome


def test_plots_of_images(cli, narrow, image):
    outcome = ran(cli('infer', image, *narrow, '--output', OUT, '--plots', '--json', 'poses.json'))
    assert sorted(path.name for path in OUT.iterdir()) == ['photo', 'photo.png']
    assert [path.stem for path in sorted((OUT / 'photo').iterdir())] == list(PLOTS)
    assert all(str(OUT / 'photo' / f'{name}.jpg') in outcome.out for name in PLOTS)
    heatmaps = cv2.imread(str(OUT / 'photo' / 'heatmaps.jpg'))
    assert heatmaps.shape[0] > 100
    assert len(people_of('poses.json')[0]) > 0


def test_plots_of_videos(cli, narrow, clip):
    ran(cli('infer', clip, *narrow, '--output', OUT, '--plots', '--limit', 3))
    own = OUT / clip.stem
    assert [path.name for path in sorted(own.iterdir())] == [f'{name}.mp4' for name in PLOTS]
    for path in own.iterdir():
        assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_images_of_one_name_have_folders_of_their_own(cli, narrow, image, tmp_path):
    (tmp_path / 'more').mkdir()
    cv2.imwrite(str(tmp_path / 'more' / 'photo.png'), cv2.imread(str(image)))
    ran(cli('infer', image, tmp_path / 'more' / 'photo.png', *narrow, '--output', OUT, '--plots'))
    assert {path.name for path in OUT.iterdir() if path.is_dir()} == {'photo', 'photo_2'}


def test_plots_need_a_folder_and_a_method_that_explains_itself(cli, narrow, seeing, image):
    assert '--plots needs --output DIR' in cli('infer', image, *narrow, '--plots').sentence()
    sentence = cli('infer', image, *seeing, '--plots', '--output', OUT).sentence()
    assert 'lightweight_openpose does not explain its poses' in sentence
    assert not OUT.exists()


def test_mirrored_inputs_and_scales_change_the_poses(cli, narrow, image):
    for name, options in {'plain': (), 'flip': ('--flip',), 'scales': ('--scales', '0.5,1,2')}.items():
        ran(cli('infer', image, *narrow, *options, '--json', f'{name}.json'))
    plain, flip, scales = (people_of(f'{name}.json') for name in ('plain', 'flip', 'scales'))
    assert plain != flip != scales != plain
    assert '--scales must be numbers above 0' in cli('infer', image, *narrow, '--scales', 'a').sentence()


def test_other_methods_mirror_and_scale_as_well(cli, seeing, picture):
    found = []
    for options in ((), ('--flip',), ('--scales', '1,1.5')):
        ran(cli('infer', picture, *seeing, *options, '--json', 'poses.json'))
        found.append(people_of('poses.json')[0])
    assert all(found)
    assert found[0] != found[1] != found[2] != found[0]


def test_decoders_and_their_settings(cli, narrow, image):
    for decode in ('fast', 'published', 'thawro'):
        options = ('--decode', decode, '--height', 128, '--tag-threshold', 0.3, '--nms-window', 3, '--max-persons', 2)
        ran(cli('infer', image, *narrow, *options, '--json', 'poses.json'))
        assert len(people_of('poses.json')[0]) <= 2
    assert 'upsample-ratio' in cli('infer', image, *narrow, '--upsample-ratio', 2).sentence()


def test_evaluate_writes_the_files_of_pytorch_human_pose(cli, narrow, tmp_path):
    pytest.importorskip('pycocotools')
    ran(cli('prepare', 'synthetic', '--count', 2, '--output', 'data'))
    options = ('--output', OUT, '--flip', '--decode', 'thawro', '--json', 'numbers.json', '--score-detected-only')
    ran(cli('evaluate', '--dataset', 'data', *narrow, *options))
    results = json.loads((OUT / 'val2017_results.json').read_text())
    assert results == json.loads((OUT / 'detections.json').read_text())
    assert json.loads(Path('numbers.json').read_text())['images'] == len({each['image_id'] for each in results}) == 2
    assert 'Average Precision' in (OUT / 'coco_output.txt').read_text()
    assert 'decode: "thawro"' in (OUT / 'config.yaml').read_text()


def test_only_images_with_detections_are_scored_if_asked(cli, tmp_path):
    pytest.importorskip('pycocotools')
    ran(cli('prepare', 'synthetic', '--count', 2, '--output', 'data'))
    truth = json.loads(Path('data/annotations/person_keypoints_val2017.json').read_text())
    person = next(each for each in truth['annotations'] if each['num_keypoints'])
    perfect = {**{key: person[key] for key in ('image_id', 'category_id', 'keypoints')}, 'score': 1.0}
    Path('found.json').write_text(json.dumps([perfect]))
    counts = []
    for options in ((), ('--score-detected-only',)):
        common = ('evaluate', '--dataset', 'data', '--detections', 'found.json', '--json', 'numbers.json')
        ran(cli(*common, *options))
        counts.append(json.loads(Path('numbers.json').read_text())['images'])
    assert counts == [2, 1]
    Path('found.json').write_text('[]')
    assert 'nobody was found on 2 images' in cli(*common, '--score-detected-only').sentence()


def test_export_and_benchmark(cli, narrow, image):
    ran(cli('export', 'higher.onnx', *narrow))
    method = ('--method', 'higher_hrnet', '--device', 'cpu', '--threads', '1')
    for backend in ('onnxruntime', 'openvino'):
        ran(cli('infer', image, *method, '--weights', 'higher.onnx', '--backend', backend))
    rows = ('--people', 1, '--frames', 1, '--json', 'rows.json', '--height', 64)
    ran(cli('benchmark', *narrow, *rows))
    published, ours = json.loads(Path('rows.json').read_text())['rows']
    assert (published['backend'], published['decode'], ours['decode']) == ('torch', 'published', 'fast')
    assert published['height'] == ours['height'] == 64


def test_download_says_where_files_are(cli):
    sentence = cli('download', 'pretrained', '--method', 'higher_hrnet', '--output', 'pretrained').sentence()
    assert 'pose_higher_hrnet_w32_512.pth' in sentence
    assert 'https://drive.google.com/' in sentence
    assert 'pretrained/pose_higher_hrnet_w32_512.pth' in sentence
    other = cli('download', 'pretrained', '--method', 'higher_hrnet', '--backbone', 'hrnet_w48').sentence()
    assert 'pose_higher_hrnet_w48_640.pth' in other


def test_without_weights(cli, image):
    sentence = cli('infer', image, '--method', 'higher_hrnet').sentence()
    assert 'none of higher_hrnet come with this package' in sentence
    assert 'download pretrained --method higher_hrnet` fetches one or says where it is' in sentence
