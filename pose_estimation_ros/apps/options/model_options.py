"""Command-line options that choose and configure a model, generated from the settings table."""

from collections.abc import Mapping
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace
from jsonargparse.typing import extend_base_type

from pose_estimation_ros.apps.options.option_words import name_options
from pose_estimation_ros.apps.options.parser import TYPES_IN_WORDS, add_flag
from pose_estimation_ros.core.settings import Setting, settings_of
from pose_estimation_ros.inference.backends.backend import BackendSettings
from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.settings_table import (
    ModelChoice,
    SharedSetting,
    check_given,
    chosen,
    learner_arguments,
    shared_settings,
)
from pose_estimation_ros.methods.systems import SYSTEMS, find_system
from pose_estimation_ros.models.embedded import embedded_model
from pose_estimation_ros.models.folder import find_model
from pose_estimation_ros.tracking.trackers import TrackerChoice

TITLES = {
    'model': 'model',
    'network': 'network (explicit arguments override what the weights file declares)',
    'passes': 'two passes',
    'decoding': 'decoding',
    'people': 'person detector',
}
option_name = attrgetter('option_name')
"""How the command line calls a setting, such as --height."""
MODEL_CHOICE_NAMES = tuple(each.argument_name for each in settings_of(ModelChoice))
TRACKER_CHOICE_NAMES = tuple(each.argument_name for each in settings_of(TrackerChoice))
BACKEND_NAMES = tuple(each.argument_name for each in settings_of(BackendSettings))


def add_model_options(parser: Any, scoring: bool = False) -> None:
    """Add the options of all systems; with `scoring`, with the defaults of published evaluations."""
    for group, title in TITLES.items():
        own = [
            each for name, each in shared_settings().items() if each.group == group and name not in TRACKER_CHOICE_NAMES
        ]
        systems = {each.systems for each in own}
        only = systems.pop() if len(systems) == 1 else ''
        target = parser.add_argument_group(f'{title}, of {only}' if only else title)
        for each in own:
            _add(target, each, each.systems if each.systems != only else '', scoring)


def add_tracker_option(parser: Any) -> None:
    """Add the tracker option."""
    for name in TRACKER_CHOICE_NAMES:
        _add(parser, shared_settings()[name])


def add_backend_options(parser: Any) -> None:
    """Add the options of where and how a model runs, for commands whose model is no pose model."""
    for name in BACKEND_NAMES:
        _add(parser, shared_settings()[name])


def _add(parser: Any, shared: SharedSetting, only: str = '', scoring: bool = False) -> None:
    one = shared.first
    if not one.option_name:
        return
    if one.kind is bool and not one.option_values:
        add_flag(parser, one.option_name, shared.text)
        return
    fixed, default = _fixed_default(shared), ''
    if fixed is None:
        published = {name: system.method.scoring if scoring else {} for name, system in SYSTEMS.items()}
        default = shared.by_system(lambda name, each: _default_text(each, published[name]))
    allowed = '' if shared.choices or one.option_values else shared.by_system(lambda _, each: each.allowed)
    remarks = '; '.join(filter(None, (allowed, default and f'default: {default}', only and f'only {only}')))
    kind, metavar = _kind(shared), {'metavar': one.metavar} if one.metavar else {}
    parser.add_argument(
        one.option_name,
        type=kind if fixed is not None else kind | None,
        default=fixed,
        help=(f'{shared.text} [{remarks}]' if remarks else shared.text).replace('%', '%%'),
        **metavar,
    )


def _kind(shared: SharedSetting) -> Any:
    """Return the type that the parser reads."""
    one = shared.widest
    choices = tuple(one.option_values) or shared.choices
    if choices:
        return Literal[choices]
    if one.kind in (int, float) and one.range:
        return _number(one.kind, one.range, one.in_words)
    return str if one.kind is tuple else one.kind


@cache
def _number(kind: Any, limits: tuple[float, float], in_words: str) -> Any:
    """Return a number type with limits; the parser's errors describe it as `in_words`."""
    low, high = limits
    name = f'{kind.__name__}_{low:g}_to_{high:g}'.replace('.', '_')
    TYPES_IN_WORDS[name] = in_words

    def check(_: type, value: Any) -> None:
        if not low <= kind(value) <= high:
            raise ValueError(f'{value} does not conform')  # Parser replaces this text

    return extend_base_type(name, kind, check, register_key=(name,))


def _fixed_default(shared: SharedSetting) -> Any:
    """Return the default common to all systems; None if it depends on the method or the model."""
    one = shared.first
    alike = len({each.default for each in shared.settings.values()}) == 1 and not shared.systems
    return one.default if alike and one.default not in (None, ()) and not one.default_text else None


def _default_text(one: Setting, published: Mapping[str, Any]) -> str:
    """Return a default as a user would type it; '' for no value."""
    value = published.get(one.argument_name, one.default)
    typed = {actual: text for text, actual in one.option_values.items()}.get(value, value)
    if one.default_text or typed in (None, ()):
        return one.default_text
    return f'{typed:g}' if isinstance(typed, float) else str(typed)


def given_options(settings: Namespace) -> dict[str, Any]:
    """Return the values of the options given on the command line, by constructor argument."""
    rows = {name: each for name, each in shared_settings().items() if destination(each.first) in settings}
    values = {name: settings[destination(each.first)] for name, each in rows.items()}
    values = {name: value for name, value in values.items() if value is not None}
    found = chosen(values, {name: _untouched(each) for name, each in rows.items()})
    for name, value in found.items():
        one = rows[name].first
        found[name] = tuple(str(value).split(',')) if one.kind is tuple else one.option_values.get(value, value)
    return found


def _untouched(shared: SharedSetting) -> Any:
    """Return the value of an option that nobody has given."""
    one = shared.first
    return False if one.kind is bool and not one.option_values else _fixed_default(shared)


def destination(setting: Setting) -> str:
    """Return the attribute of an option in the parsed arguments."""
    return setting.option_name.removeprefix('--').replace('-', '_')


def destinations(*kinds: Any) -> tuple[str, ...]:
    """Return the attributes of the options of settings dataclasses in the parsed arguments."""
    return tuple(destination(each) for kind in kinds for each in settings_of(kind) if each.option_name)


def for_method(settings: Namespace, method: str) -> Namespace:
    """Return a copy for another method, with options it does not have unset."""
    changed = Namespace(settings)  # type: ignore[no-untyped-call]
    changed.method = method
    for shared in shared_settings().values():
        dest = destination(shared.first)
        if method not in shared.settings and dest and dest in changed:
            changed[dest] = None
    return changed


@name_options()
def make_learner(settings: Namespace) -> Learner:
    """Return the learner that the options choose, with its weights loaded."""
    learner = create_learner(settings.method, **learner_options(settings))
    learner.load(settings.weights, trust=settings.trust_weights)
    return learner


def learner_options(settings: Namespace) -> dict[str, Any]:
    """Return the learner's constructor arguments; raises SettingsError for an option of another method."""
    find_system(settings.method)
    given = {name: value for name, value in given_options(settings).items() if name not in MODEL_CHOICE_NAMES}
    if settings.get('boxes') == 'whole_image' and settings.method in shared_settings()['detector'].settings:
        given.setdefault('detector', 'whole_image')
    weights = Path(settings.weights) if settings.weights else None
    return learner_arguments(settings.method, given, option_name, weights)


def weights_of(settings: Namespace) -> Path:
    """Return the path of --weights, or of the embedded model (a .pth for the torch backend)."""
    if settings.weights is not None:
        return Path(settings.weights)
    return embedded_model(settings.method, torch=settings.backend == 'torch')


def node_parameters(settings: Namespace) -> dict[str, Any]:
    """Return the node parameters equivalent to the options; raises SettingsError or WeightsError as a learner would."""
    learner_options(settings)
    find_model(weights_of(settings))
    given = {**given_options(settings), 'method': settings.method, 'weights': str(weights_of(settings).resolve())}
    if given.pop('precision', None) == 'fp16':
        given['half_precision'] = True
    if 'detector' in given:
        given['detector'] = str(Path(given['detector']).resolve())
    parameters = {shared_settings()[name].first.parameter_name: value for name, value in given.items()}
    return {name: value for name, value in parameters.items() if name}


def not_for_the_node(settings: Namespace) -> list[str]:
    """Return the options given that the node has no parameter for, or whose value its parameter cannot express."""
    if settings.method not in SYSTEMS:
        return []
    given = given_options(settings)
    check_given(settings.method, given, option_name)
    given = {name: value for name, value in given.items() if (name, value) != ('precision', 'fp16')}
    own = [(shared_settings()[name].of(settings.method), value) for name, value in given.items()]
    return [
        one.option_name
        for one, value in own
        if (value != one.default if not one.parameter_name else value == one.unset)
    ]
