"""Commands that start the node: what the options say, the node's parameters say too."""

import dataclasses
import json

import pytest

from pose_estimation_ros.apps import cli as command_line
from pose_estimation_ros.apps.options.model_options import learner_options, node_parameters, not_for_the_node
from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.ros.parameters import node_settings

TWO_PASSES = ('--method', 'high_resolution', '--backend', 'onnxruntime')


@pytest.fixture
def parsed():
    """Function that reads a command line."""

    def parse(command, *arguments):
        return command_line.make_parser().parse_args([command, *map(str, arguments)])[command]

    return parse


def of_the_node(settings):
    """The learner that the node makes of a command's options, which come to it as JSON."""
    parameters = json.loads(json.dumps(node_parameters(settings)))
    chosen = node_settings.settings_from(parameters)
    return create_learner(chosen.method, **node_settings.learner_options(chosen))


def of_the_command(settings):
    return create_learner(settings.method, **learner_options(settings))


@pytest.mark.parametrize('command', ['demo', 'benchmark'])
@pytest.mark.parametrize(
    'options',
    [
        (),
        ('--first-pass-height', 300),
        ('--second-pass-height', 720, '--newcomers-interval', 9),
        ('--first-pass-height', 200, '--second-pass-height', 400, '--regions', 'published'),
        ('--keypoint-threshold', 0.3, '--min-keypoints', 5, '--max-persons', 7),
    ],
)
def test_two_passes_are_the_same_over_the_node(parsed, seer, command, options):
    settings = parsed(command, *TWO_PASSES, '--weights', seer, *options)
    node, plain = of_the_node(settings), of_the_command(settings)
    assert node.passes == plain.passes
    assert node._watch._interval == plain._watch._interval
    given = {'keypoint_threshold', 'min_keypoints', 'max_persons'} & plain._runner.settings.keys()
    assert {name: node._runner.settings[name] for name in given} == plain._runner.settings


@pytest.mark.parametrize('weights', ['seer', 'tiny'])
def test_one_pass_is_the_same_over_the_node(parsed, request, weights):
    path = request.getfixturevalue(weights)
    options = ('--height', 200, '--stages', 0, '--stride', 16, '--backend', 'onnxruntime')
    settings = parsed('demo', '--weights', path, *options)
    node, plain = of_the_node(settings), of_the_command(settings)
    assert node.base_height == plain.base_height == 200
    assert node.options == plain.options
    assert node.options.use_stride
    assert node.options.num_refinement_stages == 0
    assert node_parameters(settings)['model_path'] == str(path)
    assert dataclasses.replace(node.backend_settings, half_on_gpu_only=False) == dataclasses.replace(
        plain.backend_settings, half_on_gpu_only=False
    )


def test_every_common_option_is_a_parameter_or_told(parsed, seer):
    """A new option must be told apart here: what neither takes would be lost in silence."""
    elsewhere = {
        'command', 'config', 'verbose', 'output', 'video', 'seconds', 'seed', 'local',
        'weights', 'height', 'precision', 'stride', 'stages', 'decode', 'threads', 'providers', 'channel_order',
        'trust_weights', 'detector', 'detector_score_threshold', 'detector_nms_threshold', 'tracker',
        'tag_threshold', 'nms_window',
    }  # fmt: skip
    settings = parsed('demo', *TWO_PASSES, '--weights', seer, '--regions', 'people', '--first-pass-height', 256,
                      '--second-pass-height', 400, '--newcomers-interval', 2, '--keypoint-threshold', 0.2,
                      '--min-keypoints', 4, '--max-persons', 3)  # fmt: skip
    parameters = node_parameters(settings)
    elsewhere |= {'device', 'upsample_ratio', 'person_threshold'}  # as they are by default
    assert set(settings.keys()) - elsewhere <= parameters.keys()
    assert {'backend', 'model_path'} <= parameters.keys()


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        ((), []),
        (('--decode', 'fast', '--stride', 16, '--precision', 'fp16'), []),
        (('--decode', 'reference', '--threads', 2), ['--threads', '--decode']),
        (('--stride', 8, '--precision', 'bf16'), ['--precision', '--stride']),
        (('--providers', 'CPUExecutionProvider', '--trust-weights'), ['--trust-weights', '--providers']),
    ],
)
def test_what_the_node_does_not_take_is_told(parsed, seer, options, told):
    assert not_for_the_node(parsed('demo', '--weights', seer, *options)) == told


@pytest.mark.parametrize('command', ['demo', 'benchmark'])
def test_unknown_methods_are_refused_with_the_names_of_those_there_are(cli, command):
    expected = f"--method must be one of {', '.join(SYSTEMS)}, got 'guessing'"
    assert expected in cli(command, '--method', 'guessing').sentence()
    with pytest.raises(SettingsError, match=f"method must be one of {', '.join(SYSTEMS)}, got 'guessing'"):
        create_learner('guessing')


@pytest.mark.parametrize(
    ('options', 'error', 'sentence'),
    [
        (
            ('--method', 'high_resolution', '--height', 300),
            SettingsError,
            r'high_resolution has no --height \(it has --first-pass-height, --second-pass-height\); leave',
        ),
        (
            ('--method', 'high_resolution', '--regions', 'published', '--newcomers-interval', 3),
            SettingsError,
            '--newcomers-interval is for --regions people, got published',
        ),
        (('--regions', 'people'), SettingsError, 'lightweight_openpose has no --regions'),
        (('--method', 'high_resolution', '--weights', 'missing.onnx'), WeightsError, r'missing\.onnx'),
        (('--method', 'simple_baseline'), WeightsError, 'no weights are given'),
    ],
)
def test_what_other_commands_refuse_is_refused_before_a_node_starts(parsed, options, error, sentence):
    with pytest.raises(error, match=sentence):
        node_parameters(parsed('demo', *options))
