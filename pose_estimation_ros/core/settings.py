"""Settings: fields of frozen dataclasses that say what they mean, which values they take and where users set them.

Command-line options, node parameters, config files, documentation and checks are generated from them:

    @dataclass(frozen=True)
    class DecodingSettings:
        keypoint_threshold: float = setting(0.1, 'Minimum keypoint score.', range=(0, 1), live=True)

        def __post_init__(self) -> None:
            check_settings(self)
"""

import math
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pose_estimation_ros.core.errors import SettingsError

TYPES_IN_WORDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}

Kind = TypeVar('Kind')


@dataclass(frozen=True)
class Setting:
    """One setting: a dataclass field as users see it."""

    default: Any
    text: str  # One sentence, used in help texts, parameters and documentation alike
    name: str = ''  # Name of the field
    kind: Any = object  # Type of its values
    range: tuple[float, float] | None = None  # Lowest and highest value, both allowed; math.inf for no limit
    above: float = -math.inf  # This and the next: limits that are not allowed themselves
    below: float = math.inf
    choices: tuple[Any, ...] = ()
    step: int = 0  # Allowed are whole numbers in such steps from the lowest value; 0 for all of them
    pattern: str = ''  # Regular expression that text must match completely; `expected` describes it
    expected: str = ''
    default_text: str = ''  # Text for the default, if its value does not explain itself
    metavar: str = ''  # Placeholder of the value in --help
    requires: str = ''
    """Name of a setting without which, or with another value than `requires_value`, this one has no effect."""
    requires_value: Any = None
    cure: str = ''  # End of the error message: what to do about a wrong value
    live: bool = False  # Whether a running node accepts a change
    option: str | None = ''  # Command-line option without dashes; '' for the field's name, None for no option
    parameter: str | None = ''  # Node parameter; '' for the field's name, None for no parameter
    argument: str = ''  # Argument of learners, or key of their settings; '' is the field's name
    option_values: Mapping[Any, Any] = field(default_factory=dict)
    """Values by the text that users type, if the option uses other names for them."""
    unset: Any = None  # Value of the node parameter that stands for the default; None if the default can be written
    undeclared: Any = None
    """Value for published checkpoints, which declare nothing, if it differs from the learner's default."""
    parameter_range: tuple[float, float] | None = None  # Narrower limits of the node parameter

    @property
    def option_name(self) -> str:
        """Option as typed, such as --keypoint-threshold; '' if there is none."""
        return '' if self.option is None else f'--{(self.option or self.name).replace("_", "-")}'

    @property
    def parameter_name(self) -> str:
        """Node parameter, such as keypoint_threshold or depth.window; '' if there is none."""
        return '' if self.parameter is None else self.parameter or self.name

    @property
    def argument_name(self) -> str:
        """Argument of the learner's constructor, or key within its settings."""
        return self.argument or self.name

    @property
    def allowed(self) -> str:
        """Short description of allowed values, such as '1 to 16'; '' if the type is enough."""
        if self.choices:
            return ', '.join(map(str, self.choices))
        low, high = self._limits()
        if self.range and high < math.inf:
            odd = self.step == 2 and low % 2 == 1
            steps = f' in steps of {self.step}' if self.step > 1 and not odd else ''
            return f'{"odd, " if odd else ""}{low:g} {"to below" if self.below <= high else "to"} {high:g}{steps}'
        if self.above > -math.inf:
            return f'above {self.above:g}' + (f' to {high:g}' if high < math.inf else '')
        return f'{low:g} or more' if low > -math.inf else self.expected

    @property
    def in_words(self) -> str:
        """Type and allowed values in words, such as 'a whole number from 1 to 16'."""
        kind = TYPES_IN_WORDS.get(self.kind, self.kind.__name__)
        if self.choices:
            return f'one of {self.allowed}'
        if self.kind is str or not self.allowed:
            return self.expected or kind
        if self.allowed.startswith('odd, '):
            return f'an odd whole number from {self.allowed.removeprefix("odd, ")}'
        link = ' ' if self.allowed.startswith('above') else ' from ' if ' to ' in self.allowed else ', '
        return f'{kind}{link}{self.allowed}'

    def checked(self, value: Any, name: str = '') -> Any:
        """Return the value in the setting's type, or raise SettingsError in which it is called `name`."""
        if value is None and self.default is None:
            return None
        whole = self.kind is float and isinstance(value, int) and not isinstance(value, bool)
        typed = float(value) if whole else value
        if not self._is_allowed(typed):
            cure = f'; {self.cure}' if self.cure else ''
            raise SettingsError(f'{name or self.name} must be {self.in_words}, got {value!r}{cure}')
        return typed

    def as_parameter(self) -> 'Setting':
        """Return the setting as the node has it: with its name, its default and its limits there."""
        default, limits = self.default if self.unset is None else self.unset, self.parameter_range or self.range
        if limits and self.unset is not None:
            limits = min(limits[0], self.unset), max(limits[1], self.unset)
        return replace(self, name=self.parameter_name, default=default, range=limits)

    def _limits(self) -> tuple[float, float]:
        low, high = self.range or (-math.inf, math.inf)
        return low, min(high, self.below)

    def _is_allowed(self, value: Any) -> bool:
        if type(value) is type(self.default) and value == self.default:
            return True
        if isinstance(value, bool) != (self.kind is bool) or not isinstance(value, self.kind):
            return False
        if self.choices:
            return value in self.choices
        if self.kind in (int, float):
            low, high = self._limits()
            fits = math.isfinite(value) and low <= value <= high and self.above < value < self.below
            return fits and not (self.step and (value - low) % self.step)
        return not self.pattern or re.fullmatch(self.pattern, value) is not None


def setting(default: Any, text: str, **properties: Any) -> Any:
    """Return a dataclass field for a setting; properties are the fields of Setting.

    A default of MISSING is none, `list` or `dict` is an empty one.
    """
    metadata = {'setting': Setting(default, text, **properties)}
    if default in (list, dict):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@cache
def settings_of(kind: Any) -> tuple[Setting, ...]:
    """Return the settings of a dataclass and of the dataclasses nested in it."""
    found: list[Setting] = []
    for each in fields(kind):
        if is_dataclass(each.type):
            found += settings_of(each.type)  # type: ignore[arg-type]
        elif 'setting' in each.metadata:
            found.append(_named(each))
    return tuple(found)


def check_settings(instance: Any, prefix: str = '') -> None:
    """Raise SettingsError naming every value that a dataclass's settings do not allow; `prefix` precedes the names."""
    faults = []
    for each in fields(instance):
        if 'setting' in each.metadata:
            try:
                _named(each).checked(getattr(instance, each.name), prefix + each.name)
            except SettingsError as error:
                faults.append(str(error))
    if faults:
        raise SettingsError('; '.join(faults))


def settings_from(kind: type[Kind], values: Mapping[str, Any], what: str = 'settings') -> Kind:
    """Return a dataclass from values by name, including those of nested dataclasses.

    Raises SettingsError if a name is not a field, or a value is not allowed.
    """
    if unknown := [name for name in values if name not in field_names(kind)]:
        raise SettingsError(f'{what} are {", ".join(field_names(kind))}, got {", ".join(unknown)}; remove or rename it')
    built: Kind = _built(kind, values)
    return built


def field_names(kind: Any) -> tuple[str, ...]:
    """Return the names of a dataclass's fields, with nested dataclasses replaced by their fields."""
    names: list[str] = []
    for each in fields(kind):
        if each.init:
            names += field_names(each.type) if is_dataclass(each.type) else (each.name,)
    return tuple(names)


def _built(kind: Any, values: Mapping[str, Any]) -> Any:
    arguments: dict[str, Any] = {}
    for each in fields(kind):
        if is_dataclass(each.type):
            own = {name: values[name] for name in field_names(each.type) if name in values}
            arguments |= {each.name: _built(each.type, own)} if own else {}
        elif each.name in values:
            arguments[each.name] = values[each.name]
    return kind(**arguments)


@cache
def _named(each: 'Field[Any]') -> Setting:
    """Return a field's setting with the field's name and type."""
    declared: Setting = each.metadata['setting']
    parts = get_args(each.type) if get_origin(each.type) in (Union, UnionType) else (each.type,)
    kind: Any = next(part for part in parts if part is not NoneType)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return replace(declared, name=each.name, kind=type(choices[0]), choices=declared.choices or choices)
    return replace(declared, name=each.name, kind=get_origin(kind) or kind)
