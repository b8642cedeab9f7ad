"""Measurements that a system was published with, as the benchmark repeats them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RowKey = tuple[str, int | None, str]
"""System, input height of a single pass or None for two, and the name of the setting."""


@dataclass(frozen=True)
class PublishedSetting:
    """One of the published configurations of a network."""

    name: str
    half: bool = False
    """Whether it runs in half precision."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Model options that change the network, by name; an exported model cannot be changed."""


@dataclass(frozen=True)
class PublishedTables:
    """The published tables of a system, beside those of the single-pass system that it was compared with."""

    single_pass: str
    """Name of that system."""
    single_pass_heights: tuple[int, ...]
    settings: tuple[PublishedSetting, ...]
    """The baseline first, the one with everything last."""
    machines: Mapping[str, str]
    """Machine by the kind of device."""
    columns: tuple[str, ...]
    """Tables whose numbers stand in `numbers`: the device for frames per second, otherwise the table's name."""
    numbers: Mapping[RowKey, tuple[tuple[float, ...], ...]]
    """Published columns of each row, in the order of `columns`; rows may end early."""

    def row(self, table: str, key: RowKey, device: str) -> tuple[float, ...]:
        """Return the published numbers beside a row of a measured table, () without any."""
        column = device.partition(':')[0] if table == 'speed' else table
        return dict(zip(self.columns, self.numbers.get(key, ()), strict=False)).get(column, ())
