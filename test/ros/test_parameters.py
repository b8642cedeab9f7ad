import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from toy_system.options import ToyDecoding

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.core.settings import settings_of
from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.ros.parameters import parameter_texts
from pose_estimation_ros.ros.parameters.camera_settings import CAMERA_PARAMETERS, CameraSettings
from pose_estimation_ros.ros.parameters.node_settings import (
    DEFAULT_METHOD,
    changed,
    learner_options,
    live_options,
    parameters_of,
    settings_from,
)

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULTS = settings_from({})
PARAMETERS = parameters_of(DEFAULT_METHOD)


def flat(values: dict, prefix: str = '') -> dict:
    parts = (flat(v, f'{prefix}{k}.') if isinstance(v, dict) else {prefix + k: v} for k, v in values.items())
    return {name: value for part in parts for name, value in part.items()}


def in_file(name: str) -> dict:
    content = yaml.safe_load((REPOSITORY / 'config' / name).read_text())
    assert list(content) == ['/**']
    assert list(content['/**']) == ['ros__parameters']
    return flat(content['/**']['ros__parameters'])


# --- one table ---


def learner_of(values, **options):
    settings = settings_from(values)
    return create_learner(settings.method, **{**learner_options(settings), **options})


def test_settings_hold_every_parameter():
    assert DEFAULTS.values() == {name: each.default for name, each in PARAMETERS.items()}


@pytest.mark.parametrize('method', SYSTEMS)
def test_defaults_are_allowed_and_described(method):
    for parameter in parameters_of(method).values():
        assert parameter.checked(parameter.default) == parameter.default
        assert parameter.text.endswith('.')
        assert '|' not in parameter.text
        assert not (parameter.range and parameter.choices)


def test_yaml_file_is_the_tables_and_says_the_defaults():
    assert (REPOSITORY / parameter_texts.yaml_file('pose_node')).read_text() == parameter_texts.to_yaml(), (
        parameter_texts.COMMAND
    )
    values = in_file('pose_node.yaml')
    follow = {'base_height', 'keypoint_threshold', 'max_persons', 'person_threshold', 'min_keypoints'}
    assert values == {name: each.default for name, each in PARAMETERS.items() if name not in follow}
    assert all(type(value) is PARAMETERS[name].kind for name, value in values.items())
    text = (REPOSITORY / parameter_texts.yaml_file('pose_node')).read_text()
    assert '[0 to 1; default: 0.1; simple_baseline: 0.2; live]\n    # keypoint_threshold: 0.1\n' in text


def test_yaml_file_of_the_camera_is_its_tables():
    assert (REPOSITORY / 'config/camera_node.yaml').read_text() == parameter_texts.to_yaml('camera_node')
    assert in_file('camera_node.yaml') == CameraSettings().values()


def test_page_has_the_tables():
    page = (REPOSITORY / parameter_texts.PAGE_FILE).read_text()
    assert parameter_texts.with_tables(page) == page, parameter_texts.COMMAND
    assert all(f'`{name}`' in page for name in [*PARAMETERS, *CAMERA_PARAMETERS])


@pytest.mark.parametrize('name', ['jetson.yaml', 'high_accuracy.yaml', 'high_resolution.yaml', 'higher_hrnet.yaml'])
def test_other_files_differ_from_the_defaults_by_what_is_allowed(name):
    assert settings_from(in_file(name)) != DEFAULTS


def test_jetson_is_the_published_full_setting():
    settings = settings_from(in_file('jetson.yaml'))
    names = ('mobilenet_use_stride', 'num_refinement_stages', 'half_precision')
    assert [settings[name] for name in names] == [True, 0, True]


def test_writing_texts_again_changes_nothing(tmp_path):
    page = tmp_path / parameter_texts.PAGE_FILE
    page.parent.mkdir()
    markers = re.findall(r'<!-- .* -->\n', (REPOSITORY / parameter_texts.PAGE_FILE).read_text())
    page.write_text('before\n' + 'old\n'.join(marker for marker in markers if 'not run' not in marker) + 'after\n')
    assert parameter_texts.main([str(tmp_path)]) == 0
    text = page.read_text()
    assert text.startswith('before\n')
    assert text.endswith('after\n')
    assert all(parameter_texts.to_markdown(node) in text for node in parameter_texts.TABLES)
    assert parameter_texts.with_tables(text) == text
    for node in parameter_texts.TABLES:
        assert (tmp_path / f'config/{node}.yaml').read_text() == parameter_texts.to_yaml(node)


def test_writing_texts_elsewhere_is_refused(tmp_path, capsys):
    assert parameter_texts.main([str(tmp_path)]) == 2
    assert 'checkout' in capsys.readouterr().err
    with pytest.raises(ValueError, match='must hold'):
        parameter_texts.with_tables('no markers')


# --- checking ---


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('base_height', 127, 'base_height must be a whole number from 128 to 1080, got 127'),
        ('base_height', 256.0, 'got 256.0'),
        ('base_height', True, 'got True'),
        ('base_height', None, 'got None'),
        ('keypoint_threshold', 1.01, 'keypoint_threshold must be a number from 0 to 1, got 1.01'),
        ('keypoint_threshold', float('nan'), 'got nan'),
        ('max_rate', float('inf'), 'got inf'),
        ('max_rate', -1, 'got -1'),
        ('track', 1, 'track must be true or false, got 1'),
        ('depth.window', 4, 'depth.window must be an odd whole number from 1 to 15, got 4'),
        ('depth.window', 17, 'got 17'),
        ('device', 'gpu', "device must be auto, cpu, cuda or cuda:N, got 'gpu'"),
        ('device', 'cuda:', "got 'cuda:'"),
        ('backend', 'tensorflow', 'backend must be one of auto, torch'),
        ('method', 'openpose', 'method must be one of lightweight_openpose'),
        ('image_transport', 'theora', 'image_transport must be one of raw, compressed'),
        ('model_path', 3, 'model_path must be text, got 3'),
        ('num_refinement_stages', -2, 'got -2'),
        ('base_heigth', 300, 'there is no parameter base_heigth'),
    ],
)
def test_wrong_values_are_refused(name, value, expected):
    with pytest.raises(SettingsError) as error:
        settings_from({name: value})
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ('name', 'value'),
    [('device', 'cuda:1'), ('depth.window', 15), ('base_height', 1080), ('max_rate', 30), ('model_path', 'a b/ü.pth')],
)
def test_right_values_are_taken(name, value):
    settings = settings_from({name: value})
    assert settings.values()[name] == value
    assert type(settings[name]) is PARAMETERS[name].kind


def test_everything_wrong_is_named_at_once():
    with pytest.raises(SettingsError) as error:
        settings_from({'base_height': 0, 'track': 'no', 'nonsense': 1})
    assert all(name in str(error.value) for name in ('base_height', 'track', 'nonsense'))


def test_bodies_need_ids():
    with pytest.raises(SettingsError, match=r'hri\.enabled requires track'):
        settings_from({'hri.enabled': True, 'track': False})


# --- changing ---


def test_change_replaces_the_whole():
    new = changed(DEFAULTS, {'base_height': 368, 'max_persons': 2}, configured=True)
    assert (new['base_height'], new['max_persons'], DEFAULTS['base_height']) == (368, 2, 256)


def test_wrong_change_changes_nothing():
    with pytest.raises(SettingsError, match='max_persons'):
        changed(DEFAULTS, {'base_height': 368, 'max_persons': -1}, configured=True)


FIXED = [each for each in PARAMETERS.values() if not each.live]


@pytest.mark.parametrize('parameter', FIXED, ids=lambda each: each.name)
def test_what_is_fixed_is_refused_while_active(parameter):
    other = {bool: not parameter.default, int: 1, float: 0.5, str: (parameter.choices or ('', 'cpu'))[-1]}
    value = other[parameter.kind]
    if value != parameter.default:
        with pytest.raises(SettingsError, match=f'{parameter.name} cannot change .* deactivate'):
            changed(DEFAULTS, {parameter.name: value}, configured=True)
    assert changed(DEFAULTS, {parameter.name: value}, configured=False)[parameter.name] == value
    assert (
        changed(DEFAULTS, {parameter.name: parameter.default, 'base_height': 300}, configured=True)['base_height']
        == 300
    )


def test_defaults_follow_the_method_and_what_was_set_stays():
    assert settings_from({'method': 'simple_baseline'})['keypoint_threshold'] == 0.2
    assert settings_from({'method': 'simple_baseline', 'keypoint_threshold': 0.1})['keypoint_threshold'] == 0.1
    new = changed(changed(DEFAULTS, {'min_keypoints': 5}, False), {'method': 'simple_baseline'}, configured=False)
    assert [new[name] for name in ('keypoint_threshold', 'person_threshold', 'min_keypoints')] == [0.2, 0.0, 5]
    assert new == settings_from({'method': 'simple_baseline', 'min_keypoints': 5})


def test_a_value_that_was_set_to_the_default_stays_when_the_method_changes():
    by_file = settings_from({'keypoint_threshold': 0.1})
    by_command = changed(DEFAULTS, {'keypoint_threshold': 0.1}, configured=True)
    for settings in (by_file, by_command):
        new = changed(settings, {'method': 'simple_baseline'}, configured=False)
        assert (new['keypoint_threshold'], new['person_threshold']) == (0.1, 0.0)
        back = changed(new, {'method': DEFAULT_METHOD}, configured=False)
        assert (back['keypoint_threshold'], back['person_threshold']) == (0.1, 0.2)
    again = changed(new, {'method': 'simple_baseline', 'keypoint_threshold': 0.2}, configured=False)
    assert changed(again, {'method': DEFAULT_METHOD}, configured=False)['keypoint_threshold'] == 0.2


# --- to the learner ---


@pytest.mark.parametrize('method', SYSTEMS)
def test_every_method_takes_the_defaults(method):
    assert isinstance(learner_of({'method': method}), SYSTEMS[method].learner_class())


def test_settings_reach_the_learner():
    values = {'half_precision': True, 'num_refinement_stages': 0, 'mobilenet_use_stride': True, 'base_height': 300}
    decoding = {'keypoint_threshold': 0.3, 'person_threshold': 0.4, 'min_keypoints': 5, 'max_persons': 6}
    values |= {**decoding, 'upsample_ratio': 2, 'device': 'cpu', 'backbone': 'mobilenet'}
    learner = learner_of(values)
    assert learner.explicit >= {'backbone', 'num_refinement_stages', 'mobilenet_use_stride', 'base_height'}
    assert learner.options.use_stride
    assert learner.options.num_refinement_stages == 0
    assert learner.base_height == 300
    assert (learner.backend_settings.device, learner.backend_settings.precision) == ('cpu', 'fp16')
    assert not learner.backend_settings.may_fall_back
    assert learner_options(settings_from(values))['decoding'] == {
        'keypoint_threshold': 0.3, 'min_mean_score': 0.4, 'min_keypoints': 5, 'max_persons': 6, 'upsample_ratio': 2,
    }  # fmt: skip


def test_high_resolution_takes_its_heights_now_and_later():
    first = {'method': 'high_resolution', 'first_pass_height': 300, 'second_pass_height': 400, 'newcomers_interval': 7}
    settings = settings_from({**first, 'max_persons': 4})
    assert learner_options(settings)['newcomers_interval'] == 7
    learner = learner_of({**first, 'max_persons': 4})
    assert (learner.passes.first_pass_height, learner.passes.second_pass_height) == (300, 400)
    new = changed(settings, {'second_pass_height': 600}, configured=True)
    learner.tune(**live_options(new))
    assert (learner.passes.first_pass_height, learner.passes.second_pass_height) == (300, 600)
    with pytest.raises(SettingsError, match='newcomers_interval cannot change'):
        changed(settings, {'newcomers_interval': 2}, configured=True)


def test_regions_of_high_resolution():
    published = {'method': 'high_resolution', 'regions': 'published'}
    assert learner_of(published).passes.regions == 'published'
    with pytest.raises(SettingsError, match='newcomers_interval is for regions people, got published'):
        learner_options(settings_from({**published, 'newcomers_interval': 7}))


def test_thresholds_of_the_detector():
    one = {'method': 'simple_baseline', 'detector': 'yolox.onnx'}
    assert 'detector_settings' not in learner_options(settings_from(one))
    options = learner_options(settings_from({**one, 'detector_score_threshold': 0.5}))
    assert options['detector_settings'] == {'score_threshold': 0.5}
    with pytest.raises(SettingsError, match='detector_nms_threshold has no effect without detector'):
        learner_options(settings_from({'method': 'simple_baseline', 'detector_nms_threshold': 0.5}))


def test_weights_decide_what_nobody_sets():
    assert learner_options(DEFAULTS).keys().isdisjoint({'backbone', 'num_refinement_stages', 'mobilenet_use_stride'})


@pytest.mark.parametrize(
    ('method', 'name', 'value', 'similar'),
    [
        ('lightweight_openpose', 'first_pass_height', 300, ' (it has base_height)'),
        ('lightweight_openpose', 'regions', 'published', ''),
        ('high_resolution', 'base_height', 300, ' (it has first_pass_height, second_pass_height)'),
        ('simple_baseline', 'base_height', 300, ''),
        ('simple_baseline', 'num_refinement_stages', 1, ''),
    ],
)
def test_parameters_of_other_methods_are_refused_with_the_similar_ones_once_they_are_set(method, name, value, similar):
    """At configure and later; that they have their defaults is no fault."""
    expected = re.escape(f'{method} has no {name}{similar}; leave it out, or choose another method')
    with pytest.raises(SettingsError, match=expected):
        learner_options(settings_from({'method': method, name: value}))
    if PARAMETERS[name].live:
        with pytest.raises(SettingsError, match=expected):
            changed(settings_from({'method': method}), {name: value}, configured=True)
    assert changed(settings_from({'method': method}), {name: value}, configured=False)[name] == value
    learner_options(settings_from({'method': method, name: PARAMETERS[name].default}))


@pytest.mark.parametrize(('file', 'expected'), [('lwop_omz.pth', False), ('lwop_omz.onnx', None)])
def test_published_checkpoints_are_for_stride_8(assets, file, expected):
    options = learner_options(settings_from({'model_path': str(assets / 'weights' / file)}))
    assert options.get('mobilenet_use_stride') is expected


def test_missing_model_is_left_to_the_learner(tmp_path):
    path = str(tmp_path / 'none.pth')
    learner = learner_of({'model_path': path})
    with pytest.raises(WeightsError, match=r'none\.pth'):
        learner.load(path)


TOY_TEXTS = """
import toy_system.__main__  # registers the toy system
from pose_estimation_ros.ros.parameters import parameter_texts
print(parameter_texts.to_yaml())
print(parameter_texts.to_markdown())
"""


def test_a_system_of_its_own_shows_in_the_yaml_file_and_in_the_table():
    environment = {**os.environ, 'PYTHONPATH': f'{REPOSITORY}:{REPOSITORY / "test"}'}
    done = subprocess.run(
        [sys.executable, '-c', TOY_TEXTS], capture_output=True, text=True, env=environment, check=True
    )
    own = next(each for each in settings_of(ToyDecoding) if each.name.startswith('toy_'))
    assert f'# {own.text} [{own.allowed}; live; only toy]\n    {own.name}: {own.default}\n' in done.stdout
    assert f'| `{own.name}` | {own.default} | {own.allowed} | yes | {own.text} Only toy. |\n' in done.stdout
    assert '0.1; simple_baseline: 0.2; toy: 0.0' in done.stdout
