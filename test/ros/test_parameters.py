from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml
from ros_fakes import system_with

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.methods.systems import SYSTEMS
from pose_estimation_ros.ros.parameters import parameter_texts
from pose_estimation_ros.ros.parameters.learner_parameters import decoding_options, heights, learner_options
from pose_estimation_ros.ros.parameters.parameters import (
    BY_NAME,
    PARAMETERS,
    NodeSettings,
    changed,
    settings_from,
)

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULTS = settings_from({})


def flat(values: dict, prefix: str = '') -> dict:
    parts = (flat(v, f'{prefix}{k}.') if isinstance(v, dict) else {prefix + k: v} for k, v in values.items())
    return {name: value for part in parts for name, value in part.items()}


def in_file(name: str) -> dict:
    content = yaml.safe_load((REPOSITORY / 'config' / name).read_text())
    assert list(content) == ['/**']
    assert list(content['/**']) == ['ros__parameters']
    return flat(content['/**']['ros__parameters'])


# --- one table ---


def test_settings_have_the_fields_and_types_of_the_table():
    assert len(BY_NAME) == len(PARAMETERS)
    hints = get_type_hints(NodeSettings)
    assert {parameter.field: parameter.type for parameter in PARAMETERS} == {
        field.name: hints[field.name] for field in fields(NodeSettings)
    }


@pytest.mark.parametrize('parameter', PARAMETERS, ids=lambda each: each.name)
def test_defaults_are_allowed_and_described(parameter):
    assert parameter.checked(parameter.default) == parameter.default
    assert parameter.description.endswith('.')
    assert '|' not in parameter.description
    assert not (parameter.range and parameter.choices)


def test_yaml_file_is_the_tables_and_says_the_defaults():
    assert (REPOSITORY / parameter_texts.YAML_FILE).read_text() == parameter_texts.to_yaml(), parameter_texts.COMMAND
    values = in_file('pose_node.yaml')
    assert values == {parameter.name: parameter.default for parameter in PARAMETERS}
    assert {name: type(value) for name, value in values.items()} == {each.name: each.type for each in PARAMETERS}


def test_page_has_the_table():
    page = (REPOSITORY / parameter_texts.PAGE_FILE).read_text()
    assert parameter_texts.with_table(page) == page, parameter_texts.COMMAND
    assert all(f'`{parameter.name}`' in page for parameter in PARAMETERS)


@pytest.mark.parametrize('name', ['jetson.yaml', 'high_accuracy.yaml', 'high_resolution.yaml'])
def test_other_files_differ_from_the_defaults_by_what_is_allowed(name):
    assert settings_from(in_file(name)) != DEFAULTS


def test_jetson_is_the_published_full_setting():
    settings = settings_from(in_file('jetson.yaml'))
    assert (settings.mobilenet_use_stride, settings.num_refinement_stages, settings.half_precision) == (True, 0, True)


def test_writing_texts_again_changes_nothing(tmp_path):
    page = tmp_path / parameter_texts.PAGE_FILE
    page.parent.mkdir()
    page.write_text(f'before\n{parameter_texts.BEGIN}old\n{parameter_texts.END}after\n')
    assert parameter_texts.main([str(tmp_path)]) == 0
    text = page.read_text()
    assert text.startswith('before\n')
    assert text.endswith('after\n')
    assert parameter_texts.to_markdown() in text
    assert parameter_texts.with_table(text) == text
    assert (tmp_path / 'config/pose_node.yaml').read_text() == parameter_texts.to_yaml()


def test_writing_texts_elsewhere_is_refused(tmp_path, capsys):
    assert parameter_texts.main([str(tmp_path)]) == 2
    assert 'checkout' in capsys.readouterr().err
    with pytest.raises(ValueError, match='must hold'):
        parameter_texts.with_table('no markers')


# --- checking ---


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('base_height', 127, 'base_height must be a whole number (128 to 1080), got 127'),
        ('base_height', 256.0, 'got 256.0'),
        ('base_height', True, 'got True'),
        ('base_height', None, 'got None'),
        ('keypoint_threshold', 1.01, 'keypoint_threshold must be a number (0 to 1), got 1.01'),
        ('keypoint_threshold', float('nan'), 'got nan'),
        ('max_rate', float('inf'), 'got inf'),
        ('max_rate', -1, 'got -1.0'),
        ('track', 1, 'track must be true or false, got 1'),
        ('depth.window', 4, 'depth.window must be a whole number (odd, 1 to 15), got 4'),
        ('depth.window', 17, 'got 17'),
        ('device', 'gpu', "device must be auto, cpu, cuda, cuda:N, got 'gpu'"),
        ('device', 'cuda:', "got 'cuda:'"),
        ('backend', 'tensorflow', 'backend must be auto, torch'),
        ('method', 'openpose', 'method must be lightweight_openpose'),
        ('image_transport', 'theora', 'image_transport must be raw, compressed'),
        ('model_path', 3, 'model_path must be a text, got 3'),
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
    assert type(settings.values()[name]) is BY_NAME[name].type


def test_everything_wrong_is_named_at_once():
    with pytest.raises(SettingsError) as error:
        settings_from({'base_height': 0, 'track': 'no', 'nonsense': 1})
    assert all(name in str(error.value) for name in ('base_height', 'track', 'nonsense'))


def test_bodies_need_ids():
    with pytest.raises(SettingsError, match=r'hri\.enabled needs track'):
        settings_from({'hri.enabled': True, 'track': False})


# --- changing ---


def test_change_replaces_the_whole():
    new = changed(DEFAULTS, {'base_height': 368, 'max_persons': 2}, configured=True)
    assert (new.base_height, new.max_persons, DEFAULTS.base_height) == (368, 2, 256)


def test_wrong_change_changes_nothing():
    with pytest.raises(SettingsError, match='max_persons'):
        changed(DEFAULTS, {'base_height': 368, 'max_persons': -1}, configured=True)


@pytest.mark.parametrize('parameter', [each for each in PARAMETERS if not each.dynamic], ids=lambda each: each.name)
def test_what_is_fixed_is_refused_while_active(parameter):
    other = {bool: not parameter.default, int: 1, float: 0.5, str: (parameter.choices or ('', 'cpu'))[-1]}
    value = other[parameter.type]
    if value != parameter.default:
        with pytest.raises(SettingsError, match=f'{parameter.name} cannot change .* deactivate'):
            changed(DEFAULTS, {parameter.name: value}, configured=True)
    assert changed(DEFAULTS, {parameter.name: value}, configured=False).values()[parameter.name] == value
    assert (
        changed(DEFAULTS, {parameter.name: parameter.default, 'base_height': 300}, configured=True).base_height == 300
    )


def test_heights_of_the_method_are_taken(monkeypatch):
    system = system_with(lambda first_pass_height=1, second_pass_height=2: None)
    monkeypatch.setitem(SYSTEMS, 'lightweight_openpose', system)
    new = changed(DEFAULTS, {'first_pass_height': 300}, configured=True)
    assert heights(new) == {'first_pass_height': 300, 'second_pass_height': 540}
    with pytest.raises(SettingsError, match='no base_height'):
        changed(DEFAULTS, {'base_height': 300}, configured=True)


# --- to the learner ---


@pytest.mark.parametrize('method', SYSTEMS)
def test_every_method_takes_the_defaults(method):
    name, options = learner_options(settings_from({'method': method}))
    assert isinstance(create_learner(name, **options), SYSTEMS[method].learner_class())


def test_settings_reach_the_learner():
    values = {'half_precision': True, 'num_refinement_stages': 0, 'mobilenet_use_stride': True, 'base_height': 300}
    decoding = {'keypoint_threshold': 0.3, 'person_threshold': 0.4, 'min_keypoints': 5, 'max_persons': 6}
    method, options = learner_options(settings_from({**values, **decoding, 'device': 'cpu', 'backbone': 'mobilenet'}))
    learner = create_learner(method, **options)
    assert learner.explicit >= {'backbone', 'num_refinement_stages', 'mobilenet_use_stride', 'base_height'}
    assert learner.options.use_stride
    assert learner.options.num_refinement_stages == 0
    assert learner.base_height == 300
    assert (learner.backend_settings.device, learner.backend_settings.precision) == ('cpu', 'fp16')
    assert not learner.backend_settings.may_fall_back
    assert options['decoding'] == {
        'keypoint_threshold': 0.3, 'min_mean_score': 0.4, 'min_keypoints': 5, 'max_persons': 6,
    }  # fmt: skip


def test_high_resolution_takes_its_heights_now_and_later():
    first = {'method': 'high_resolution', 'first_pass_height': 300, 'second_pass_height': 400, 'newcomers_interval': 7}
    settings = settings_from({**first, 'max_persons': 4})
    method, options = learner_options(settings)
    assert options['newcomers_interval'] == 7
    learner = create_learner(method, **options)
    assert (learner.passes.first_pass_height, learner.passes.second_pass_height) == (300, 400)
    new = changed(settings, {'second_pass_height': 600}, configured=True)
    learner.tune(**heights(new), **decoding_options(new))
    assert (learner.passes.first_pass_height, learner.passes.second_pass_height) == (300, 600)
    with pytest.raises(SettingsError, match='newcomers_interval cannot change'):
        changed(settings, {'newcomers_interval': 2}, configured=True)


def test_regions_of_high_resolution():
    published = {'method': 'high_resolution', 'regions': 'published'}
    method, options = learner_options(settings_from(published))
    assert create_learner(method, **options).passes.regions == 'published'
    with pytest.raises(SettingsError, match='newcomers_interval is for regions of people'):
        settings_from({**published, 'newcomers_interval': 7})


def test_thresholds_of_the_detector():
    one = {'method': 'simple_baseline', 'detector': 'yolox.onnx'}
    assert 'detector_settings' not in learner_options(settings_from(one))[1]
    _, options = learner_options(settings_from({**one, 'detector_score_threshold': 0.5}))
    assert options['detector_settings'] == {'score_threshold': 0.5}
    with pytest.raises(SettingsError, match='detector_nms_threshold: only with a detector'):
        learner_options(settings_from({'method': 'simple_baseline', 'detector_nms_threshold': 0.5}))


def test_weights_speak_for_themselves_where_nothing_is_asked():
    _, options = learner_options(DEFAULTS)
    assert options.keys().isdisjoint({'backbone', 'num_refinement_stages', 'mobilenet_use_stride'})


def test_options_of_other_methods_are_refused_by_name():
    method, options = learner_options(settings_from({'method': 'lightweight_openpose', 'regions': 'published'}))
    with pytest.raises(SettingsError, match='lightweight_openpose has no option regions'):
        create_learner(method, **options)


@pytest.mark.parametrize(
    ('method', 'name', 'cure'),
    [
        ('lightweight_openpose', 'first_pass_height', 'its heights: base_height'),
        ('high_resolution', 'base_height', 'its heights: first_pass_height, second_pass_height'),
        ('simple_baseline', 'base_height', 'its heights: none'),
    ],
)
def test_heights_that_would_have_no_effect_are_refused(method, name, cure):
    """At configure and later; that they have their defaults is no fault."""
    expected = f'{method} has no {name}; {cure}'
    with pytest.raises(SettingsError, match=expected):
        learner_options(settings_from({'method': method, name: 300}))
    with pytest.raises(SettingsError, match=expected):
        changed(settings_from({'method': method}), {name: 300}, configured=True)
    assert changed(settings_from({'method': method}), {name: 300}, configured=False).values()[name] == 300


@pytest.mark.parametrize(('file', 'expected'), [('lwop_omz.pth', False), ('lwop_omz.onnx', None)])
def test_published_checkpoints_are_for_stride_8(assets, file, expected):
    _, options = learner_options(settings_from({'model_path': str(assets / 'weights' / file)}))
    assert options.get('mobilenet_use_stride') is expected


def test_missing_model_is_left_to_the_learner(tmp_path):
    path = str(tmp_path / 'none.pth')
    method, options = learner_options(settings_from({'model_path': path}))
    with pytest.raises(WeightsError, match=r'none\.pth'):
        create_learner(method, **options).load(path)
