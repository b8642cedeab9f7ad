"""What a learner says of its arguments, in the words of the command line."""

import pytest

from pose_estimation_ros.apps.options.option_words import as_options
from pose_estimation_ros.models import embedded


@pytest.mark.parametrize(
    ('said', 'told'),
    [
        ('num_refinement_stages is 5 as asked for; the weights say 0', '--stages is 5 as asked for; the weights say 0'),
        (
            'use_stride is True as asked for; the weights say False',
            '--stride is 16 as asked for; the weights say 8',
        ),
        ('build the network with num_refinement_stages=1', 'choose --stages 1'),
        ('build the network with use_stride=False, num_refinement_stages=1', 'choose --stride 8, --stages 1'),
        ('build the network with variant=omz', 'build the network with variant=omz'),
        ('refinement_stages.0.weight (missing)', 'refinement_stages.0.weight (missing)'),
    ],
)
def test_words(said, told):
    assert as_options(said) == told


def test_stages_are_called_as_the_user_typed_them(cli):
    pytest.importorskip('torch')
    weights = next(embedded.embedded_model('lightweight_openpose', torch=True).glob('*.pth'))
    outcome = cli('export', 'model.onnx', '--weights', weights, '--stages', 5)
    assert outcome.code == 2
    assert 'pose_estimation: --stages is 5 as asked for; the weights say 0\n' in outcome.err
    assert 'choose --stages 0' in outcome.err
    assert 'num_refinement_stages' not in outcome.err
