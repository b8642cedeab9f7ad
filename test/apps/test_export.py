import json
import re
from pathlib import Path

import numpy as np
import pytest

from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner

MODEL = Path('out/model.onnx')


def run_with_onnxruntime(path, image):
    """Return the maps of a model for a picture whose size is that of the network's input."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    batch = ((image.astype(np.float32) - 128) / 256).transpose(2, 0, 1)[None]
    return session.run(None, {session.get_inputs()[0].name: batch})


@pytest.fixture
def poses_of(cli, picture):
    """Function that returns the poses that weights find in the picture of three people."""

    def find(weights, *options):
        outcome = cli('infer', picture, '--weights', weights, '--json', 'poses.json', *options)
        assert outcome.code == 0, outcome
        poses = json.loads(Path('poses.json').read_text())['frames'][0]['poses']
        return sorted(poses, key=lambda pose: pose['bbox'][0])

    return find


@pytest.fixture
def export(cli, seeing):
    """Function that exports the seer and returns by how many percent of their standard deviation the maps differ."""

    def run(output, *options):
        outcome = cli('export', output, *options, *seeing)
        assert outcome.code == 0, outcome
        said = re.search(
            r'^wrote (.*); its maps differ from the source by ([\d.]+)% of their standard deviation \(RMS\)$',
            outcome.out,
        )
        assert said[1] == str(output)
        return float(said[2])

    return run


@pytest.mark.parametrize(
    ('precision', 'percent', 'pixels'), [('fp32', 0.001, 0.001), ('fp16', 0.1, 0.1), ('int8', 3, 1.5)]
)
def test_the_model_finds_the_same_people(
    export, poses_of, same_poses, seer, picture, three, precision, percent, pixels
):
    calibration = ['--calibration', picture] if precision == 'int8' else []
    assert export(MODEL, '--to', precision, *calibration) <= percent
    assert [path.name for path in MODEL.parent.iterdir()] == ['model.onnx']
    maps = run_with_onnxruntime(MODEL, three)
    assert [each.shape for each in maps] == [(1, 19, 32, 40), (1, 38, 32, 40)]
    for mine, theirs in zip(maps, run_with_onnxruntime(seer, three), strict=True):
        assert np.abs(mine - theirs).max() < 0.02
    before, after = poses_of(seer), poses_of(MODEL, '--backend', 'onnxruntime')
    assert len(after) == 3
    same_poses(after, before, pixels=pixels)


def test_nothing_else_is_left_behind(export):
    export(MODEL)
    assert sorted(map(str, Path().rglob('*'))) == ['out', 'out/model.onnx']


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_the_model_knows_its_precision(export, cli, picture, backend):
    pytest.importorskip(backend)
    export(MODEL, '--to', 'int8', '--calibration', picture)
    assert f'runs on {backend}, cpu, int8' in cli('infer', picture, '--weights', MODEL, '--backend', backend).err


def test_folder(export, poses_of, same_poses, seer):
    """A name without .onnx is a folder that loads again, with what it says of itself."""
    export('models/street', '--height', '192')
    assert sorted(path.name for path in Path('models/street').iterdir()) == ['street.json', 'street.onnx']
    description = json.loads(Path('models/street/street.json').read_text())
    assert description['model_paths'] == ['street.onnx']
    assert description['optimized'] is True
    learner = LightweightOpenPoseLearner(device='cpu', backend='onnxruntime')
    learner.load('models/street')
    assert learner.base_height == 192
    same_poses(poses_of('models/street', '--height', 256), poses_of(seer))


def test_checkpoint(cli, tiny, three):
    """From torch, in any size and batch."""
    pytest.importorskip('torch')
    outcome = cli('export', MODEL, '--weights', tiny, '--backend', 'torch')
    assert outcome.code == 0, outcome
    difference = float(re.search(r'by ([\d.]+)%', outcome.out)[1])
    assert difference < 0.1
    for height, width in ((64, 64), (128, 200)):
        heatmaps, _ = run_with_onnxruntime(MODEL, three[:height, :width])[-2:]
        assert heatmaps.shape[2:] == (height // 8, width // 8)


def test_calibration_from_a_video(export, clip, picture):
    assert export(MODEL, '--to', 'int8', '--calibration', clip, picture) < 3


def test_int8_needs_calibration(cli, seeing):
    sentence = cli('export', MODEL, '--to', 'int8', *seeing).sentence()
    assert '--to int8 needs --calibration SOURCE' in sentence
    assert not MODEL.parent.exists()


def test_openvino_model_stays_what_it_is(cli, assets):
    pytest.importorskip('openvino')
    xml = assets / 'weights' / 'omz_int8' / 'human-pose-estimation-0001.xml'
    sentence = cli('export', MODEL, '--weights', xml).sentence()
    assert 'is an OpenVINO model, which cannot be turned into ONNX' in sentence
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize('output', ['taken/model.onnx', 'taken'])
def test_place_that_takes_no_files(cli, seeing, output):
    Path('taken').write_text('mine')
    assert 'cannot make the folder taken' in cli('export', output, *seeing).sentence()
    assert [path.name for path in Path().iterdir()] == ['taken']


def test_full_disk(spawn, seeing):
    """The model does not fit; nor does any of it stay."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    sentence = spawn('export', MODEL, *seeing, preexec_fn=limit).sentence()
    assert 'File too large' in sentence
    assert not MODEL.parent.exists() or list(MODEL.parent.iterdir()) == []


def test_a_model_may_replace_itself(export, poses_of, seer):
    MODEL.parent.mkdir()
    MODEL.write_bytes(seer.read_bytes())
    export(MODEL, '--weights', MODEL)
    assert len(poses_of(MODEL)) == 3


@pytest.mark.parametrize('method', ['lightweight_openpose', 'high_resolution'])
def test_no_method_leaves_its_own_folder_behind(cli, tiny, method):
    before = set(Path.cwd().iterdir())
    outcome = cli('export', 'alone.onnx', '--method', method, '--weights', tiny, '--backend', 'torch')
    assert outcome.code == 0, outcome
    assert set(Path.cwd().iterdir()) - before == {Path.cwd() / 'alone.onnx'}
