"""Settings: names, types and limits of dataclass fields, and what is said about wrong values."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import check_settings, field_names, setting, settings_from, settings_of


@dataclass(frozen=True)
class Inner:
    min_keypoints: int = setting(3, 'Minimum number of keypoints.', range=(1, 18), live=True)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Example:
    threshold: float = setting(0.1, 'Minimum score.', range=(0, 1), live=True, parameter='score.minimum')
    window: int = setting(5, 'Width of the window.', range=(1, 15), step=2)
    side: int = setting(256, 'Input side.', range=(64, 1024), step=32, cure='published networks take 256')
    share: float = setting(0.8, 'Share of samples.', range=(0, 1), below=1)
    rate: float = setting(1.0, 'Learning rate.', above=0)
    height: int | None = setting(None, 'Input height.', range=(1, math.inf), option='input_height', parameter=None)
    order: Literal['bgr', 'rgb'] = setting('bgr', 'Channel order.')
    device: str = setting('auto', 'Device.', pattern=r'auto|cuda(:\d+)?', expected='auto, cuda or cuda:N', option=None)
    flip: bool = setting(False, 'Average with the mirrored input.')
    stages: int = setting(1, 'Refinement stages.', range=(0, math.inf), unset=-1, parameter_range=(0, 10))
    inner: Inner = field(default_factory=Inner)
    note: str = ''

    def __post_init__(self) -> None:
        check_settings(self)


BY_NAME = {each.name: each for each in settings_of(Example)}


def test_settings_of_nested_dataclasses_are_included_and_other_fields_are_not() -> None:
    assert list(BY_NAME)[-2:] == ['stages', 'min_keypoints']
    assert BY_NAME['min_keypoints'].live
    assert field_names(Example)[-2:] == ('min_keypoints', 'note')


@pytest.mark.parametrize(
    ('name', 'words', 'short'),
    [
        ('threshold', 'a number from 0 to 1', '0 to 1'),
        ('window', 'an odd whole number from 1 to 15', 'odd, 1 to 15'),
        ('side', 'a whole number from 64 to 1024 in steps of 32', '64 to 1024 in steps of 32'),
        ('share', 'a number from 0 to below 1', '0 to below 1'),
        ('rate', 'a number above 0', 'above 0'),
        ('height', 'a whole number, 1 or more', '1 or more'),
        ('order', 'one of bgr, rgb', 'bgr, rgb'),
        ('device', 'auto, cuda or cuda:N', 'auto, cuda or cuda:N'),
        ('flip', 'true or false', ''),
    ],
)
def test_allowed_values_in_words(name: str, words: str, short: str) -> None:
    assert (BY_NAME[name].in_words, BY_NAME[name].allowed) == (words, short)


def test_names_of_options_and_parameters() -> None:
    assert (BY_NAME['threshold'].option_name, BY_NAME['threshold'].parameter_name) == ('--threshold', 'score.minimum')
    assert (BY_NAME['height'].option_name, BY_NAME['height'].parameter_name) == ('--input-height', '')
    assert (BY_NAME['device'].option_name, BY_NAME['device'].parameter_name) == ('', 'device')


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        *(('threshold', value) for value in (-0.1, 1.1, math.nan, True, '0.5', None)),
        *(('window', value) for value in (0, 4, 17, 5.0)),
        *(('side', value) for value in (32, 100, 1056)),
        *(('share', value) for value in (1, -1)),
        *(('rate', value) for value in (0, math.inf)),
        *(('height', value) for value in (0, 1.5)),
        *(('order', value) for value in ('gbr', 1)),
        *(('device', value) for value in ('cpu', 'cuda:', 'auto ')),
        *(('flip', value) for value in (1, 'true')),
        *(('stages', value) for value in (-1, True)),
        ('min_keypoints', 0),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf'^{name} must be .*, got '):
        settings_from(Example, {name: value})


def test_an_error_says_expected_value_and_cure_and_names_every_wrong_value() -> None:
    with pytest.raises(SettingsError) as error:
        Example(side=100, window=4)
    assert str(error.value) == (
        'window must be an odd whole number from 1 to 15, got 4; '
        'side must be a whole number from 64 to 1024 in steps of 32, got 100; published networks take 256'
    )


def test_values_by_name_reach_nested_dataclasses_and_misspelt_names_are_refused() -> None:
    made = settings_from(Example, {'threshold': 1, 'min_keypoints': 5, 'note': 'a'})
    assert made == Example(threshold=1, inner=Inner(5), note='a')
    with pytest.raises(
        SettingsError, match=r'^decoding settings are threshold, .*, got treshold; remove or rename it$'
    ):
        settings_from(Example, {'treshold': 1}, 'decoding settings')


def test_a_node_parameter_has_its_own_name_default_and_limits() -> None:
    parameter = BY_NAME['stages'].as_parameter()
    assert (parameter.default, parameter.allowed) == (-1, '-1 to 10')
    assert [parameter.checked(value) for value in (-1, 0, 10)] == [-1, 0, 10]
    with pytest.raises(SettingsError, match='stages must be a whole number from -1 to 10, got 11'):
        parameter.checked(11)
    assert BY_NAME['threshold'].as_parameter().name == 'score.minimum'
    assert type(BY_NAME['threshold'].checked(1)) is float
