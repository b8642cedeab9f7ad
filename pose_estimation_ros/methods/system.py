"""A published system: one row of the table in systems.py."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pose_estimation_ros.methods.method import Method
from pose_estimation_ros.methods.published_tables import PublishedTables


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
