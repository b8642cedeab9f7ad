"""A published system, one row of the table in systems.py, and the measurements that it was published with."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pose_estimation_ros.methods.method import Method

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


@dataclass(frozen=True)
class System:
    """What users choose with `--method`: one learner, and the methods whose models it runs."""

    name: str
    methods: tuple[Method, ...]
    """One for each skeleton that it was published for, the default first."""
    learner: str
    """Its learner as 'module:Class'. It is imported when it is needed, since learners stand above methods."""
    embedded: str = ''
    """Folder in embedded/ of the system's model, '' for none."""
    downloads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Download modes and the backbones of each; () if the file is the same for all."""
    settings: tuple[type[Any], ...] = ()
    """Frozen dataclasses whose fields command line, node and recipes offer for this system."""
    decoding_text: str = 'How network outputs are decoded.'
    """Help of the option that chooses a decoder."""
    tables: PublishedTables | None = None
    """Published measurements that the benchmark repeats."""

    @property
    def method(self) -> Method:
        return self.methods[0]

    def learner_class(self) -> Any:
        """Import and return the class of its learner."""
        module, _, name = self.learner.partition(':')
        return getattr(importlib.import_module(module), name)
