import json
import os
import re
import signal
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest

from pose_estimation_ros.apps.commands import prepare
from pose_estimation_ros.fetching.coco import COCO_2017, images_part
from pose_estimation_ros.fetching.imagenet import IMAGENET


@pytest.fixture
def archives(tmp_path):
    """Folder with the archive of a val2017 of three pictures."""
    folder = tmp_path / 'zips'
    folder.mkdir()
    with zipfile.ZipFile(folder / 'val2017.zip', 'w') as file:
        for index in range(3):
            file.writestr(f'val2017/{index}.jpg', os.urandom(60_000))
    return folder


@pytest.fixture
def small(monkeypatch):
    """Expect miniatures."""
    monkeypatch.setattr(prepare, 'COCO_2017', (images_part('val2017', 3, 180_000),))
    monkeypatch.setattr(prepare, 'IMAGENET', replace(IMAGENET, train=1, val=1, classes=1))


def test_coco(cli, archives, small, tmp_path):
    arguments = ['prepare', 'coco', '--output', 'd', '--archives', archives, '--parts', 'val2017', '--json', 't.json']
    outcome = cli(*arguments)
    assert outcome.code == 0, outcome
    assert re.search(
        r'part +files +size +state +where\nval2017 +3 +175\.8 KiB +made now +d/images/val2017', outcome.out
    )
    assert 'complete; evaluation needs' in outcome.out
    assert 'unpacking val2017: 100%' in outcome.err
    table = json.loads((tmp_path / 'here' / 't.json').read_text())
    row = {'name': 'val2017', 'path': 'd/images/val2017', 'files': 3, 'bytes': 180_000, 'state': 'made now'}
    assert table == [row]
    again = cli(*arguments)
    assert again.code == 0
    assert 'nothing to do' in again.out
    assert 'there already' in again.out


def test_the_next_command_is_named(cli, archives, monkeypatch, tmp_path):
    text = '{"images": [1], "annotations": [1]}'
    with zipfile.ZipFile(archives / 'annotations_trainval2017.zip', 'w') as file:
        for name in COCO_2017[3].names:
            file.writestr(f'annotations/{name}', text)
    annotations = replace(COCO_2017[3], images_by_file=dict.fromkeys(COCO_2017[3].images_by_file, 1))
    monkeypatch.setattr(prepare, 'COCO_2017', (images_part('val2017', 3, 180_000), annotations))
    outcome = cli('prepare', 'coco', '--output', 'd', '--archives', archives, '--parts', 'val2017, annotations')
    assert 'next: python -m pose_estimation_ros evaluate --dataset d --weights PATH' in outcome.out


def test_imagenet(cli, small, tmp_path):
    archive = tmp_path / 'kaggle.zip'
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('ILSVRC/Data/CLS-LOC/train/n01/n01_1.JPEG', b'1')
        file.writestr('ILSVRC/Data/CLS-LOC/val/a.JPEG', b'2')
        file.writestr('LOC_synset_mapping.txt', 'n01 tench, Tinca tinca\n')
        file.writestr('LOC_val_solution.csv', 'ImageId,PredictionString\na,n01 1 2 3 4\n')
    outcome = cli('prepare', 'imagenet', '--archive', archive)
    assert outcome.code == 0, outcome
    assert (tmp_path / 'here' / 'data' / 'ImageNet' / 'val' / 'n01' / 'a.JPEG').read_bytes() == b'2'
    assert 'data/ImageNet/wordnet_labels.yaml' in outcome.out


def test_dry_run_of_the_published_dataset(cli, tmp_path):
    outcome = cli('prepare', 'coco', '--dry-run')
    assert outcome.code == 0
    assert 'would fetch 18.0 GiB from http://images.cocodataset.org/zips/train2017.zip' in outcome.out
    assert 'would unpack 118287 files' in outcome.out
    assert list((tmp_path / 'here').iterdir()) == []


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['mpii'], 'WHAT must be one of coco, imagenet'),
        (['imagenet'], 'downloading ImageNet needs an account'),
        (['imagenet', '--archive', 'none.zip'], r'there is no archive none\.zip'),
        (['imagenet', '--url', 'http://x'], '--url is for prepare coco, not for prepare imagenet'),
        (['imagenet', '--keep-archives'], '--keep-archives is for prepare coco'),
        (['coco', '--archive', 'a.zip'], '--archive is for prepare imagenet'),
        (['coco', '--parts', 'val2018'], "annotations, got 'val2018'"),
        (['coco', '--parts', ','], 'no part of COCO is given'),
        (['coco', '--archives', 'nowhere'], r'train2017\.zip is not in nowhere'),
        (['coco', '--parts', 'val2017', '--url', 'gopher://x'], 'must begin with'),
    ],
)
def test_bad_input(cli, arguments, sentence, monkeypatch):
    assert re.search(sentence, cli('prepare', *arguments).sentence())


SMALL = """
import sys
from pose_estimation_ros.apps import cli
from pose_estimation_ros.apps.commands import prepare
from pose_estimation_ros.fetching.coco import images_part
prepare.COCO_2017 = (images_part('val2017', 3, 180_000),)
sys.exit(cli.main(sys.argv[1:]))
"""


def test_ctrl_c_keeps_what_came_and_the_next_run_goes_on(start, spawn, archives, tmp_path):
    content = (archives / 'val2017.zip').read_bytes()
    half, over, asked = threading.Event(), threading.Event(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            begin = int(re.search(r'\d+', self.headers['Range'] or '0')[0])
            asked.append(begin)
            self.send_response(206 if begin else 200)
            self.send_header('Content-Length', str(len(content) - begin))
            self.send_header('Content-Range', f'bytes {begin}-{len(content) - 1}/{len(content)}')
            self.send_header('Last-Modified', 'Mon, 06 Jan 2020 10:00:00 GMT')
            self.end_headers()
            if begin:
                self.wfile.write(content[begin:])
                return
            self.wfile.write(content[:100_000])
            half.set()
            over.wait(30)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f'http://127.0.0.1:{server.server_address[1]}'
        arguments = ['prepare', 'coco', '--parts', 'val2017', '--output', 'd', '--url', url]
        options = {'code': SMALL, 'env': {'no_proxy': '*'}}
        process = start(*arguments, **options)
        assert half.wait(60)
        part = tmp_path / 'here' / 'd' / '.preparing' / 'val2017.zip.part'
        while not (part.exists() and part.stat().st_size == 100_000):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        over.set()
        assert process.returncode == 130
        assert 'run the same command again to continue' in err
        assert 'Traceback' not in err
        assert not (tmp_path / 'here' / 'd' / 'images').exists()
        assert spawn(*arguments, **options).code == 0
        server.shutdown()
    assert asked == [0, 100_000]
    assert len(list((tmp_path / 'here' / 'd' / 'val2017').iterdir())) == 3


def test_synthetic_people_can_be_evaluated_on(cli):
    arguments = ['prepare', 'synthetic', '--output', 'd', '--count', 2]
    outcome = cli(*arguments)
    assert outcome.code == 0, outcome
    assert re.search(r'val2017 +2 .*made now', outcome.out)
    assert 'evaluate --dataset d' in outcome.out
    truth = json.loads(Path('d/annotations/person_keypoints_val2017.json').read_text())
    assert len(truth['images']) == 2
    assert all(1 <= sum(each['image_id'] == image for each in truth['annotations']) <= 8 for image in (0, 1))
    assert cv2.imread('d/val2017/000000000001.jpg').shape == (720, 1280, 3)
    drawn = Path('d/val2017/000000000000.jpg').stat().st_mtime_ns
    assert 'there already' in cli(*arguments).out
    assert Path('d/val2017/000000000000.jpg').stat().st_mtime_ns == drawn
    assert 'holds another dataset; choose another folder' in cli(*arguments, '--seed', 1).sentence()
    Path('d/val2017/000000000001.jpg').unlink()
    assert 'made now' in cli(*arguments).out
    Path('d/synthetic.json').unlink()
    assert 'holds another dataset' in cli(*arguments).sentence()


def test_seeds_share_no_picture(cli):
    for seed in (0, 1):
        assert cli('prepare', 'synthetic', '--output', f'd{seed}', '--count', 2, '--seed', seed).code == 0
    pictures = [Path(f'd{seed}/val2017/{number:012d}.jpg').read_bytes() for seed in (0, 1) for number in (0, 1)]
    assert len(set(pictures)) == 4


def test_synthetic_people_in_a_dry_run_and_with_foreign_options(cli):
    assert '5 images would be drawn' in cli('prepare', 'synthetic', '--count', 5, '--dry-run').out
    assert not Path('data').exists()
    assert (
        '--url is for prepare coco, not for prepare synthetic' in cli('prepare', 'synthetic', '--url', 'u').sentence()
    )
    assert '--seed is for prepare synthetic' in cli('prepare', 'coco', '--seed', 3).sentence()
