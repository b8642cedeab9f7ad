"""The table of settings: what systems may word and limit for themselves, and what they must agree on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import setting
from pose_estimation_ros.learners.settings_table import check_given, shared_settings
from pose_estimation_ros.methods.systems import SYSTEMS

WORDS = 'Short side of the input.'
FIRST = next(iter(SYSTEMS.values()))


@dataclass(frozen=True)
class OtherInput:
    base_height: int = setting(96, WORDS, range=(16, 512), option='height')


@dataclass(frozen=True)
class OtherName:
    base_height: int = setting(96, WORDS)


@dataclass(frozen=True)
class AlwaysSet:
    num_refinement_stages: int = setting(1, 'Stages.', option='stages')


@pytest.fixture
def add_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], None]]:
    def add(kind: Any) -> None:
        monkeypatch.setitem(SYSTEMS, 'other', replace(FIRST, name='other', settings=(kind,)))
        shared_settings.cache_clear()

    yield add
    shared_settings.cache_clear()


def test_a_system_has_its_own_words_and_limits(add_system: Callable[[Any], None]) -> None:
    add_system(OtherInput)
    height = shared_settings()['base_height']
    assert height.text.endswith(f' other: {WORDS}')
    assert height.first.text in height.text
    assert height.first.range == (32, 4320)
    assert height.widest.range == (16, 4320)
    check_given('other', {'base_height': 16}, lambda each: each.option_name)
    with pytest.raises(SettingsError, match='--height must be a whole number from 16 to 512, got 600'):
        check_given('other', {'base_height': 600}, lambda each: each.option_name)
    with pytest.raises(SettingsError, match='--height must be a whole number from 32 to 4320, got 16'):
        check_given(FIRST.name, {'base_height': 16}, lambda each: each.option_name)


def test_systems_agree_on_names(add_system: Callable[[Any], None]) -> None:
    add_system(OtherName)
    with pytest.raises(ValueError, match=r'base_height has different names .*, other; give it one'):
        shared_settings()


def test_a_node_can_leave_every_option_of_a_network_to_the_weights_file(add_system: Callable[[Any], None]) -> None:
    add_system(AlwaysSet)
    with pytest.raises(ValueError, match=r'other: weights files declare num_refinement_stages, .*give it unset=VALUE'):
        shared_settings()
