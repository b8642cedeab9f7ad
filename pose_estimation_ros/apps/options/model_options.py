"""The options with which commands choose a model and tune it, generated from the table of settings."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace
from jsonargparse.typing import extend_base_type

from pose_estimation_ros.apps.options.parser import TYPES_IN_WORDS, add_flag
from pose_estimation_ros.core.settings import Setting, settings_of
from pose_estimation_ros.learners.create import create_learner
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.settings_table import (
    ModelChoice,
    Offer,
    check_given,
    learner_arguments,
    offers,
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
OF_THE_MODEL = tuple(each.argument_name for each in settings_of(ModelChoice))
OF_TRACKING = tuple(each.argument_name for each in settings_of(TrackerChoice))


def add_model_options(parser: Any, scoring: bool = False) -> None:
    """Add the options of all systems; with `scoring`, the defaults are those of published evaluations."""
    for group, title in TITLES.items():
        own = [each for name, each in offers().items() if each.group == group and name not in OF_TRACKING]
        systems = {each.systems for each in own}
        only = systems.pop() if len(systems) == 1 else ''
        target = parser.add_argument_group(f'{title}, of {only}' if only else title)
        for each in own:
            _add(target, each, each.systems if each.systems != only else '', scoring)


def add_tracker_option(parser: Any) -> None:
    """Add the choice of a tracker."""
    for name in OF_TRACKING:
        _add(parser, offers()[name])


def _add(parser: Any, offer: Offer, only: str = '', scoring: bool = False) -> None:
    one = offer.first
    if not one.option_name:
        return
    if one.kind is bool and not one.option_values:
        add_flag(parser, one.option_name, one.text)
        return
    fixed = _fixed_default(offer)
    said = '' if fixed is not None else offer_default(offer, scoring)
    remarks = '; '.join(filter(None, (said, f'only {only}' if only else '')))
    kind, metavar = _kind(offer), {'metavar': one.metavar} if one.metavar else {}
    parser.add_argument(
        one.option_name,
        type=kind if fixed is not None else kind | None,
        default=fixed,
        help=(f'{one.text} [{remarks}]' if remarks else one.text).replace('%', '%%'),
        **metavar,
    )


def _kind(offer: Offer) -> Any:
    """Return the type that the parser reads."""
    one = offer.first
    choices = tuple(one.option_values) or offer.choices
    if choices:
        return Literal[choices]
    if one.kind in (int, float) and one.range:
        return _number(one.kind, one.range, one.in_words)
    return str if one.kind is tuple else one.kind


@cache
def _number(kind: Any, limits: tuple[float, float], in_words: str) -> Any:
    """Return a type of numbers within limits; the parser's errors say them in words."""
    low, high = limits
    name = f'{kind.__name__}_{low:g}_to_{high:g}'.replace('.', '_')
    TYPES_IN_WORDS[name] = in_words

    def check(_: type, value: Any) -> None:
        if not low <= kind(value) <= high:
            raise ValueError(f'{value} does not conform')  # which Parser says in words

    return extend_base_type(name, kind, check, register_key=(name,))


def _fixed_default(offer: Offer) -> Any:
    """Return the default of an option that all systems have alike, None where the method or the model decides."""
    one = offer.first
    alike = len({each.default for each in offer.settings.values()}) == 1 and not offer.systems
    return one.default if alike and one.default not in (None, ()) and not one.default_text else None


def offer_default(offer: Offer, scoring: bool = False) -> str:
    """Return the default in words, for each system that has another."""
    published = {name: system.method.scoring if scoring else {} for name, system in SYSTEMS.items()}
    return offer.by_system(
        lambda name, each: each.default_text or _written(each, published[name].get(each.argument_name, each.default))
    )


def _written(one: Setting, value: Any) -> str:
    """Return a value as it is typed."""
    typed = {actual: text for text, actual in one.option_values.items()}.get(value, value)
    return '' if typed in (None, ()) else f'{typed:g}' if isinstance(typed, float) else str(typed)


def given_options(settings: Namespace) -> dict[str, Any]:
    """Return the values of the options that the user has given, by the learners' names."""
    found = {}
    for name, offer in offers().items():
        dest = dest_of(offer.first)
        value = settings.get(dest) if dest else None
        if value is None or value is False or value == _fixed_default(offer):
            continue
        if offer.first.kind is tuple:
            value = tuple(str(value).split(','))
        found[name] = offer.first.option_values.get(value, value)
    return found


def dest_of(setting: Setting) -> str:
    """Return the name of an option in the parsed arguments."""
    return setting.option_name.removeprefix('--').replace('-', '_')


def dests_of(*kinds: Any) -> tuple[str, ...]:
    """Return the names in the parsed arguments of the options of dataclasses."""
    return tuple(dest_of(each) for kind in kinds for each in settings_of(kind) if each.option_name)


def option_name(setting: Setting) -> str:
    """Return what users type for a setting."""
    return setting.option_name


def for_method(settings: Namespace, method: str, keep: Iterable[str] = ()) -> Namespace:
    """Return a copy for another method, without the options that it does not have, but for those in `keep`."""
    changed = Namespace(settings)  # type: ignore[no-untyped-call]
    changed.method = method
    for offer in offers().values():
        dest = dest_of(offer.first)
        if method not in offer.settings and dest and dest in changed and dest not in keep:
            changed[dest] = None
    return changed


def make_learner(settings: Namespace) -> Learner:
    """Return a learner with its weights loaded, as the options say."""
    learner = create_learner(settings.method, **learner_options(settings))
    learner.load(settings.weights, trust=settings.trust_weights)
    return learner


def learner_options(settings: Namespace) -> dict[str, Any]:
    """Return a learner's constructor's arguments; raises SettingsError for an option of another method."""
    find_system(settings.method)
    given = {name: value for name, value in given_options(settings).items() if name not in OF_THE_MODEL}
    if settings.get('boxes') == 'whole_image' and settings.method in offers()['detector'].settings:
        given.setdefault('detector', 'whole_image')
    weights = Path(settings.weights) if settings.weights else None
    return learner_arguments(settings.method, given, option_name, weights)


def weights_of(settings: Namespace) -> Path:
    """Return the model that is meant: the embedded one unless another is named, in torch's form where needed."""
    if settings.weights is not None:
        return Path(settings.weights)
    return embedded_model(settings.method, torch=settings.backend == 'torch')


def node_parameters(settings: Namespace) -> dict[str, Any]:
    """Return the node's parameters that say what the options say.

    Raises:
        SettingsError: An option is for other methods.
        WeightsError: There is no such model.

    """
    learner_options(settings)
    find_model(weights_of(settings))
    given = {**given_options(settings), 'method': settings.method, 'weights': str(weights_of(settings).resolve())}
    if given.pop('precision', None) == 'fp16':
        given['half_precision'] = True
    if 'detector' in given:
        given['detector'] = str(Path(given['detector']).resolve())
    parameters = {offers()[name].first.parameter_name: value for name, value in given.items()}
    return {name: value for name, value in parameters.items() if name}


def not_for_the_node(settings: Namespace) -> list[str]:
    """Return the options that were given and for which the node has no parameter, or none with that value."""
    if settings.method not in SYSTEMS:
        return []
    given = given_options(settings)
    check_given(settings.method, given, option_name)
    given = {name: value for name, value in given.items() if (name, value) != ('precision', 'fp16')}
    chosen = [(offers()[name].of(settings.method), value) for name, value in given.items()]
    return [
        one.option_name
        for one, value in chosen
        if (value != one.default if not one.parameter_name else value == one.unset)
    ]
