"""The table of settings: what every system offers its users, and the learner's arguments that follow from it.

Command-line options, node parameters, config files and documentation are generated from this table.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.core.settings import Setting, setting, settings_of
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.inference.detectors.person_detector import DetectorChoice
from pose_estimation_ros.inference.detectors.yolox import YoloxSettings
from pose_estimation_ros.inference.top_down import TopDownSettings
from pose_estimation_ros.methods.system import System
from pose_estimation_ros.methods.systems import SYSTEMS, find_system
from pose_estimation_ros.models.folder import find_model
from pose_estimation_ros.tracking.trackers import TRACKERS, TrackerChoice

Named = Callable[[Setting], str]
"""How an interface calls a setting, such as --height or base_height."""


@dataclass(frozen=True)
class ModelChoice:
    """Which model runs."""

    method: str = setting(next(iter(SYSTEMS)), 'Published system to run.', choices=tuple(SYSTEMS))
    weights: str | None = setting(
        None, 'Weights: a saved folder, or a published .pth, .onnx or OpenVINO .xml file.',
        metavar='PATH', parameter='model_path', unset='', default_text='the embedded model',
    )  # fmt: skip
    trust_weights: bool = setting(
        False, 'Read a .pth that needs more than tensors. It can run arbitrary code: use it only for files you trust.',
        parameter=None,
    )  # fmt: skip


@dataclass(frozen=True)
class HalfPrecision:
    """The published argument for fp16."""

    half_precision: bool = setting(False, 'Calculate in fp16: faster on GPUs, fp32 on CPUs.', option=None)


SETTINGS_OF_INPUT: dict[str, tuple[Any, ...]] = {
    'image': (),
    'person': (TopDownSettings, DetectorChoice, YoloxSettings),
}
"""By what networks see: dataclasses of settings besides those of the system."""


@dataclass(frozen=True)
class SharedSetting:
    """One setting over all systems that have it; each has its own words, default and limits."""

    group: str
    settings: Mapping[str, Setting]
    """By system."""

    @property
    def first(self) -> Setting:
        """The setting of the first system that has it."""
        return next(iter(self.settings.values()))

    def of(self, system: str) -> Setting:
        """Return the setting of a system, or of the first that has it."""
        return self.settings.get(system, self.first)

    @property
    def text(self) -> str:
        """What it means, with the words of the systems that differ."""
        texts = {name: each.text for name, each in self.settings.items()}
        return ' '.join(
            [self.first.text, *(f'{name}: {text}' for name, text in texts.items() if text != self.first.text)]
        )

    @property
    def widest(self) -> Setting:
        """The first system's, with the limits of any; `check_given` knows the system's own."""
        limits = [each.range for each in self.settings.values() if each.range]
        if not limits:
            return self.first
        return replace(self.first, range=(min(low for low, _ in limits), max(high for _, high in limits)))

    @property
    def choices(self) -> tuple[Any, ...]:
        """Allowed values of any system; () if the values are free."""
        return tuple(dict.fromkeys(choice for each in self.settings.values() for choice in each.choices))

    @property
    def systems(self) -> str:
        """Names of the systems that have it; '' if all do."""
        return '' if len(self.settings) == len(SYSTEMS) else ', '.join(self.settings)

    def by_system(self, words: Callable[[str, Setting], str]) -> str:
        """Return words about the setting of each system, such as '0.1; other_system: 0.2'."""
        texts = {name: words(name, each) for name, each in self.settings.items()}
        usual = next(iter(texts.values()))
        return '; '.join([usual, *(f'{name}: {text}' for name, text in texts.items() if text != usual)])


def kinds_of(system: System) -> tuple[Any, ...]:
    """Return the dataclasses whose settings a system offers."""
    of_input = SETTINGS_OF_INPUT[system.method.sees]
    return (ModelChoice, BackendSettings, HalfPrecision, *system.settings, *of_input, TrackerChoice)


@cache
def shared_settings() -> dict[str, SharedSetting]:
    """Return all settings of all systems, by the learners' names for them.

    Raises:
        ValueError: Two systems name the same setting differently, or a node could not leave a network's option to the
            weights file.

    """
    found: dict[str, tuple[str, dict[str, Setting]]] = {}
    for system in SYSTEMS.values():
        for group, each in _settings_of_system(system):
            _, settings = found.setdefault(each.argument_name, (group, {}))
            settings[system.name] = each
    for name, (_, settings) in found.items():
        if len({(each.option_name, each.parameter_name, each.kind) for each in settings.values()}) > 1:
            raise ValueError(f'{name} has different names or types in {", ".join(settings)}; give it one')
    return {name: SharedSetting(group, settings) for name, (group, settings) in found.items()}


def _settings_of_system(system: System) -> Iterable[tuple[str, Setting]]:
    declared = system.method.options().to_dict()
    for kind in kinds_of(system):
        for each in settings_of(kind):
            if each.parameter_name and each.name in declared and each.unset is None:
                raise ValueError(
                    f'{system.name}: weights files declare {each.name}, which the parameter {each.parameter_name} would'
                    ' always override; give it unset=VALUE, the parameter that leaves it to the file, or parameter=None'
                )
            if each.option_name or each.parameter_name:
                yield getattr(kind, 'group', 'model'), each
    names = system.method.decoder_names()
    yield 'decoding', Setting(names[0], system.decoding_text, name='decode', kind=str, choices=names, parameter=None)


def chosen(values: Mapping[str, Any], untouched: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a user has chosen: the values that differ from those of an interface that nobody has touched."""
    return {name: value for name, value in values.items() if value != untouched[name]}


def learner_arguments(
    system: str, given: Mapping[str, Any], named: Named, weights: Path | None = None
) -> dict[str, Any]:
    """Return the arguments of a learner's constructor for settings that a user has chosen.

    What the constructor has no argument for is a setting of its decoder.

    Args:
        system: Name of the system.
        given: Values by the learners' names; the defaults of the rest are left to the learner.
        named: How users know the settings.
        weights: Model that will be loaded.

    Raises:
        SettingsError: The system does not have a setting, a value is wrong, or two contradict each other.

    """
    learner = find_system(system).learner_class()
    check_given(system, given, named)
    known = inspect.signature(learner).parameters
    arguments: dict[str, Any] = {'require_device': True} if 'require_device' in known else {}
    for name, value in {'device': 'auto', **_undeclared(system, weights), **given}.items():
        parent, _, key = name.rpartition('.')
        if not parent and name not in known:
            parent, key = 'decoding', name
        if parent:
            arguments.setdefault(parent, {})[key] = value
        else:
            arguments[name] = TRACKERS[value]() if name == 'tracker' else value
    return arguments


def check_given(system: str, given: Mapping[str, Any], named: Named) -> None:
    """Raise SettingsError where settings are not for a system, have wrong values or contradict each other."""
    foreign = [
        named(each.first) for name, each in shared_settings().items() if name in given and system not in each.settings
    ]
    if foreign:
        similar = _similar(system, given, named)
        has = f' (it has {", ".join(similar)})' if similar else ''
        raise SettingsError(f'{system} has no {", ".join(foreign)}{has}; leave it out, or choose another method')
    for name, value in given.items():
        own = shared_settings()[name].settings[system]
        own.checked(value, named(own))
        if own.requires:
            needed = shared_settings()[own.requires].settings[system]
            if own.requires not in given and own.requires_value is None:
                raise SettingsError(f'{named(own)} has no effect without {named(needed)}; leave it out, or give both')
            if given.get(own.requires, needed.default) != own.requires_value and own.requires_value is not None:
                raise SettingsError(
                    f'{named(own)} is for {named(needed)} {own.requires_value}, got {given[own.requires]}; leave one of'
                    ' them out'
                )


def _similar(system: str, given: Mapping[str, Any], named: Named) -> list[str]:
    """Return what a system has in the place of settings that it does not have: heights for a height, and so on."""
    own = {name: named(each.settings[system]) for name, each in shared_settings().items() if system in each.settings}
    kinds = {name.rpartition('_')[2] for name in given if name not in own}
    return [called for name, called in own.items() if called and name.rpartition('_')[2] in kinds]


def _undeclared(system: str, weights: Path | None) -> dict[str, Any]:
    """Return what holds for a checkpoint that declares nothing of its network."""
    values = {
        name: each.settings[system].undeclared
        for name, each in shared_settings().items()
        if system in each.settings and each.settings[system].undeclared is not None
    }
    try:
        file = find_model(weights) if weights and values else None
    except WeightsError:  # loading will report it
        return {}
    return values if file and file.kind == 'pth' and 'network' not in file.metadata else {}
