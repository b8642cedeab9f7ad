"""What a recipe leaves out is what was published for its method, and what it may say of the augmentation."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import yaml

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.methods.systems import SYSTEMS, find_method
from pose_estimation_ros.training.pose.datasets import make_transform
from pose_estimation_ros.training.pose.recipe import PoseRecipe, TransformSettings
from test.training.conftest import StickPeople

RECIPES = Path(__file__).resolve().parents[2] / 'config' / 'train'
PUBLISHED = [*('lightweight_openpose', 'lightweight_openpose_step2', 'lightweight_openpose_step3')]
PUBLISHED += ['simple_baseline_coco', 'simple_baseline_mpii', 'higherhrnet_w32']


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_recipes_have_the_numbers_of_the_methods_row(name):
    content = yaml.safe_load((RECIPES / f'{name}.yaml').read_text())
    defaults = PoseRecipe.defaults(content.get)
    written = {f'{part}.{key}': value for part in ('optimizer', 'schedule') for key, value in content[part].items()}
    written |= {f'trainer.{key}': content['trainer'][key] for key in ('max_epochs', 'batch_size')}
    for key, value in written.items():
        assert value == (list(defaults[key]) if isinstance(value, list) else defaults[key]), key
    assert content['validation']['limit'] == defaults.get('validation.limit', 0)
    method = find_method(content['method'])
    options = method.options(content['network'])
    assert content['validation'].get('height', content['transform'].get('size')) in (None, method.input_hw(options)[0])
    assert method.augmentation(options, settings=content.get('augmentation')) == method.augmentation(options)


@pytest.mark.parametrize('system', SYSTEMS.values(), ids=lambda system: system.name)
def test_learners_start_from_the_numbers_of_the_methods_row(system):
    parameters = inspect.signature(system.learner_class().__init__).parameters
    published = system.method.training
    assert parameters['lr'].default == published.optimizer['lr']
    assert parameters['epochs'].default == published.trainer['max_epochs']
    assert parameters['batch_size'].default == published.trainer['batch_size']


def test_an_unknown_method_is_left_to_be_reported_by_the_task():
    assert PoseRecipe.defaults({'method': 'posenet'}.get) == {}
    assert PoseRecipe.defaults({}.get)['optimizer.lr'] == 4e-5


def transformed(method, transform=None, **recipe):
    made = PoseRecipe(method=method, transform=transform or TransformSettings(), **recipe)
    found = find_method(method)
    return make_transform(made, found, found.options())


def test_settings_of_the_augmentation_reach_it():
    rng = np.random.default_rng
    chain = transformed('lightweight_openpose', TransformSettings(size=64), augmentation={'flip': 1, 'rotation': 0})
    mirroring = transformed('lightweight_openpose', TransformSettings(size=64), augmentation={'flip': 0, 'rotation': 0})
    sample = StickPeople().sample(0)
    one, other = chain(sample, rng(3)), mirroring(sample, rng(3))
    assert one.image.shape == (64, 64, 3)
    np.testing.assert_array_equal(one.image[:, ::-1], other.image)
    still = transformed('simple_baseline', augmentation={'scale': 0, 'rotation': 0, 'flip': 0})
    assert (still(people := one, rng(1)).keypoints == still(people, rng(2)).keypoints).all()


def test_earlier_names_work_with_a_warning(caplog):
    old = TransformSettings(person_scale=0.1, person_rotation=5)
    new = transformed('simple_baseline', augmentation={'scale': 0.1, 'rotation': 5})
    assert not caplog.messages
    assert transformed('simple_baseline', old) == new
    assert caplog.messages == [
        f'transform.person_{name} is now augmentation.{name}; use the new name' for name in ('scale', 'rotation')
    ]
    both = transformed('simple_baseline', old, augmentation={'scale': 0.2})
    assert both == transformed('simple_baseline', augmentation={'scale': 0.2, 'rotation': 5})
    # Recipes that earlier versions wrote down have these fields for bottom-up methods too, which never used them.
    assert transformed('lightweight_openpose', old) == transformed('lightweight_openpose')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            {'augmentation': {'spin': 3}},
            r'settings of the augmentation are scale, rotation, flip, got spin; remove or rename it',
        ),
        ({'augmentation': {'rotation': 400.0}}, r'augmentation.rotation must be a number from 0 to 90, got 400'),
        ({'augmentation': {'scale': 'wide'}}, r"augmentation.scale must be a number from 0 to below 1, got 'wide'"),
        ({'transform': TransformSettings('varied')}, r'transform.kind must be published for simple_baseline, got var'),
    ],
)
def test_wrong_augmentations(arguments, message):
    with pytest.raises(SettingsError, match=message):
        transformed('simple_baseline', **arguments)


def test_settings_of_an_augmentation_that_is_not_used_are_refused():
    with pytest.raises(SettingsError, match=r'augmentation is for transform.kind published, got varied; leave out one'):
        transformed('lightweight_openpose', TransformSettings('varied'), augmentation={'rotation': 3})
