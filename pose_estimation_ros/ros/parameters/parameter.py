"""One parameter of a node: its type, default and meaning, and what values it may have. Imports nothing of ROS."""

import math
import re
from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.core.errors import SettingsError

Value = bool | int | float | str

WORDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a text'}


@dataclass(frozen=True)
class Parameter:
    """One parameter. A default's type is the parameter's; whole numbers pass for a float."""

    name: str
    default: Value
    description: str
    dynamic: bool = False
    """Whether it may be changed while the node is active."""
    range: tuple[float, float] | None = None
    step: int = 0
    """Of whole numbers, counted from the range's beginning; 0 for all of them."""
    choices: tuple[str, ...] = ()
    pattern: str = ''
    """What the text must match where it is free; `expected` then says it in words."""
    expected: str = ''

    @property
    def type(self) -> type[Value]:
        return type(self.default)

    @property
    def field(self) -> str:
        """Name in NodeSettings."""
        return self.name.replace('.', '_')

    @property
    def constraint(self) -> str:
        """What is allowed within the type, in words; '' where everything is."""
        if self.range is None:
            return ', '.join(self.choices) or self.expected
        low, high = (f'{edge:g}' for edge in self.range)
        return f'{"odd, " if self.step == 2 else ""}{low} to {high}'

    def checked(self, value: Any) -> Value:
        """Return the value in the parameter's type; raises SettingsError where it is not allowed."""
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type or not self._allows(value):
            kind = WORDS[self.type]
            expected = self.constraint if self.type is str else ' '.join(filter(None, (kind, self._within())))
            raise SettingsError(f'{self.name} must be {expected or kind}, got {value!r}')
        allowed: Value = value
        return allowed

    def _allows(self, value: Any) -> bool:
        if self.range is not None:
            low, high = self.range
            return math.isfinite(value) and low <= value <= high and not (self.step and (value - low) % self.step)
        if self.choices:
            return value in self.choices
        return not self.pattern or re.fullmatch(self.pattern, value) is not None

    def _within(self) -> str:
        return f'({self.constraint})' if self.constraint else ''
