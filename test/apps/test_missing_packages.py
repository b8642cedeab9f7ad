"""What a user is told who left packages out: a sentence with the package and how to get it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.packages import EXTRAS, missing_package
from pose_estimation_ros.models import embedded

START = """
import sys
from importlib.machinery import PathFinder

find = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition('.')[0] in {absent} else find(name, path, target)

PathFinder.find_spec = staticmethod(find_spec)
from pose_estimation_ros.apps.start import main
sys.exit(main(sys.argv[1:]))
"""
"""The command line in a Python that has never heard of some packages."""


@pytest.fixture
def without(spawn):
    """Function that returns the sentence of a command in a process that lacks packages."""

    def run(absent, *arguments):
        return spawn(*arguments, code=START.replace('{absent}', repr(set(absent)))).sentence()

    return run


@pytest.fixture(scope='module')
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp('picture') / 'grey.png'
    cv2.imwrite(str(path), np.full((120, 160, 3), 128, np.uint8))
    return path


@pytest.fixture(scope='module')
def checkpoint():
    pytest.importorskip('torch')
    return next(embedded.embedded_model('lightweight_openpose', torch=True).glob('*.pth'))


def test_reading_a_checkpoint_needs_torch(without, picture, checkpoint):
    for command in (('infer', picture), ('export', 'model.onnx')):
        sentence = without({'torch'}, *command, '--weights', checkpoint)
        assert sentence.endswith(
            f'reading {checkpoint} needs the package torch, which is not installed: pip install '
            "'pose_estimation_ros[torch,export]'"
        )


def test_reading_onnx_needs_onnxruntime(without, picture):
    absent = {'torch', 'openvino', 'onnxruntime'}
    assert without(absent, 'infer', picture).endswith(
        'needs the package onnxruntime, which is not installed: pip install onnxruntime'
    )


@pytest.mark.parametrize('absent', [{'onnx'}, {'onnx', 'openvino'}])
def test_running_a_checkpoint_as_onnx_needs_onnx(without, picture, checkpoint, absent):
    sentence = without(absent, 'infer', picture, '--weights', checkpoint)
    assert sentence.endswith("needs the package onnx: pip install 'pose_estimation_ros[export]'")


@pytest.mark.parametrize('package', ['torch', 'lightning', 'tensorboard'])
def test_training_needs_its_extra(without, tmp_path, package):
    pytest.importorskip(package)
    data = '[{kind: synthetic, count: 2, size: [64, 64], persons: [1, 1]}]'
    options = ('--data.train', data, '--trainer.batch_size', 2, '--trainer.num_workers', 0, '--transform.size', 64)
    sentence = without({package}, 'train', *options, '--output', tmp_path / 'run', '--trainer.max_epochs', 1)
    assert f'train needs the package {package}, which is not installed' in sentence
    assert sentence.endswith("pip install 'pose_estimation_ros[train]'")


@pytest.mark.parametrize(
    ('package', 'cure'),
    [('tqdm', 'tqdm'), ('jsonargparse', "'jsonargparse[signatures]'"), ('cv2', 'opencv-python'), ('numpy', 'numpy')],
)
def test_the_command_line_itself_needs_packages(without, package, cure):
    assert without({package}, 'infer', '--help') == (
        f'pose_estimation: the command line needs the package {package}, which is not installed: pip install {cure}'
    )


def test_mistakes_of_our_own_are_no_missing_packages():
    assert missing_package(ModuleNotFoundError(name='pose_estimation_ros.nowhere'), 'this') == ''
    assert missing_package(ModuleNotFoundError(), 'this') == ''
    assert missing_package(ModuleNotFoundError(name='lightning.pytorch'), 'this').startswith('this needs the package l')


def test_extras_are_those_of_the_package():
    setup = (Path(__file__).parents[2] / 'setup.py').read_text()
    for extras in EXTRAS.values():
        assert all(f"'{extra}': " in setup for extra in extras.split(',') if extra), extras
