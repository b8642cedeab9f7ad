"""The examples of the learner's published document (seed 001) run as they are written, apart from import paths."""

import re
import textwrap

import cv2
import numpy as np
import onnx
import pytest

from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner

PICTURE = 'dataset/image/000000000785.jpg'
IMPORTS = {
    'LightweightOpenPoseLearner': 'from pose_estimation_ros import LightweightOpenPoseLearner',
    'draw, get_bbox': 'from pose_estimation_ros import draw, get_bbox',
    'ExternalDataset': 'from pose_estimation_ros import ExternalDataset',
}


@pytest.fixture
def example(shared):
    """Function that returns the example whose code contains a text, ready to run here."""
    document = next((shared / 'seeds').glob('001_*.txt')).read_text()
    blocks = [textwrap.dedent(block) for block in re.findall(r'^ *```python\n(.*?)^ *```', document, re.M | re.S)]

    def find(text):
        (code,) = [block for block in blocks if text in block]
        return re.sub(r'from OpenDR\.[\w.]+ import (?:\\\n *)?(.*)', lambda match: IMPORTS[match[1]], code)

    return find


@pytest.fixture
def published(tmp_path, serve, monkeypatch):
    """Function that puts a learner's model and a picture on the server that `download` asks by default."""

    def publish(learner, picture):
        server = tmp_path / 'server'
        learner.save(server / 'openpose_default')
        (server / PICTURE).parent.mkdir(parents=True)
        cv2.imwrite(str(server / PICTURE), picture)
        (server / 'dataset' / 'annotation.json').write_text('{}')
        *others, _ = LightweightOpenPoseLearner.download.__defaults__
        monkeypatch.setattr(LightweightOpenPoseLearner.download, '__defaults__', (*others, serve(server)))

    return publish


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder in which the examples run."""
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    return tmp_path / 'here'


@pytest.fixture
def shown(monkeypatch):
    """What the example shows in windows."""
    windows = []
    monkeypatch.setattr(cv2, 'imshow', lambda name, image: windows.append((name, image.copy())))
    monkeypatch.setattr(cv2, 'waitKey', lambda delay: -1)
    return windows


@pytest.fixture
def random_learner():
    learner = LightweightOpenPoseLearner(num_refinement_stages=2)
    learner.init_model()
    return learner


def test_inference_example(example, published, here, shown, random_learner, grey):
    published(random_learner, grey)
    exec(example('cv2.imshow'), variables := {})
    assert variables['current_poses'] == []
    ((name, image),) = shown
    assert name == 'Result'
    assert (image == cv2.imread(str(here / 'parent_dir' / PICTURE))).all()
    assert (here / 'parent_dir' / 'openpose_default' / 'openpose_default.pth').exists()


def test_inference_example_with_people(example, published, here, shown, omz, photo):
    published(omz, photo)
    exec(example('cv2.imshow'), variables := {})
    poses = variables['current_poses']
    assert len(poses) >= 3
    ids = [pose.id for pose in poses if pose.id is not None]
    assert sorted(ids) == list(range(len(ids)))
    assert len(ids) >= 3
    ((_, image),) = shown
    original = cv2.imread(str(here / 'parent_dir' / PICTURE))
    marked = abs(image.astype(int) - original).sum(axis=2) > 30
    assert marked.any()
    rows, columns = np.nonzero(marked)
    boxes = [variables['get_bbox'](pose) for pose in poses]
    near = [
        (columns >= x - 5) & (columns <= x + width + 5) & (rows >= y - 5) & (rows <= y + height + 5)
        for x, y, width, height in boxes
    ]
    assert np.any(near, axis=0).all()


def test_optimization_example(example, published, here, random_learner, grey):
    published(random_learner, grey)
    exec(example('do_constant_folding=True'), variables := {})
    folder = here / 'parent_dir' / 'optimized_model'
    assert sorted(path.name for path in folder.iterdir()) == ['optimized_model.json', 'optimized_model.onnx']
    onnx.checker.check_model(str(folder / 'optimized_model.onnx'))
    assert variables['pose_estimator'].infer(grey) == []
    fresh = LightweightOpenPoseLearner()
    fresh.load(folder)
    assert fresh.infer(grey) == []
