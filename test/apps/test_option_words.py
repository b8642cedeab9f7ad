"""Learners' messages name the options that a user types."""

import logging

import pytest

from pose_estimation_ros.apps.options.option_words import as_options, name_options
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.models.embedded import embedded_model


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('num_refinement_stages=5 overrides num_refinement_stages=0', '--stages 5 overrides --stages 0'),
        ('use_stride=True overrides use_stride=False', '--stride 16 overrides --stride 8'),
        ('its stride; assuming 16 (mobilenet_use_stride)', 'its stride; assuming 16 (--stride)'),
        ('use_stride is for mobilenet', '--stride is for mobilenet'),
        ('build the network with num_refinement_stages=1', 'choose --stages 1'),
        ('build the network with use_stride=False, num_refinement_stages=1', 'choose --stride 8, --stages 1'),
        ('build the network with variant=omz', 'build the network with variant=omz'),
        ('refinement_stages.0.weight (missing)', 'refinement_stages.0.weight (missing)'),
        ('/data/use_stride/a.pth of another backbone', '/data/use_stride/a.pth of another backbone'),
    ],
)
def test_arguments_become_options(text, expected):
    assert as_options(text) == expected


def test_errors_keep_their_kind_and_the_log_its_words_afterwards(caplog):
    log = logging.getLogger('pose_estimation_ros')
    with pytest.raises(WeightsError, match=r'^--stages 1 is wrong$'), name_options():
        raise WeightsError('num_refinement_stages=1 is wrong')
    log.warning('num_refinement_stages')
    assert caplog.messages == ['num_refinement_stages']


def test_errors_and_warnings_name_stages_as_the_user_typed_them(cli):
    pytest.importorskip('torch')
    weights = next(embedded_model('lightweight_openpose', torch=True).glob('*.pth'))
    outcome = cli('export', 'model.onnx', '--weights', weights, '--stages', 5)
    assert outcome.code == 2
    assert 'pose_estimation: --stages 5 overrides --stages 0 of the weights file\n' in outcome.err
    assert 'choose --stages 0' in outcome.err
    assert 'num_refinement_stages' not in outcome.err


def test_warnings_name_the_stride_as_the_user_typed_it(cli):
    pytest.importorskip('torch')
    weights = next(embedded_model('lightweight_openpose', torch=True).glob('*.pth'))
    outcome = cli('export', 'model.onnx', '--weights', weights, '--stride', 16)
    assert outcome.code == 0, outcome.err
    assert 'pose_estimation: --stride 16 overrides --stride 8 of the weights file\n' in outcome.err
    assert 'use_stride' not in outcome.err
