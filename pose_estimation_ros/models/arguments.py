"""Constructor arguments on the model, and how they combine with what a model file declares."""

import logging
from dataclasses import dataclass, replace
from typing import Any

from pose_estimation_ros.methods.method import Method, Preprocessing
from pose_estimation_ros.models.folder import ModelFile

LOG = logging.getLogger(__name__)

INPUT_FIELDS = ('mean', 'scale', 'pad_value', 'channel_order')


@dataclass(frozen=True)
class ModelArguments:
    """A constructor's arguments on its model. Those in `explicit` override what a file declares, defaults do not."""

    method: Method
    options: Any
    """Of the network."""
    base_height: int
    preprocessing: Preprocessing
    explicit: frozenset[str] = frozenset()
    """Names of the arguments that the caller passed: fields of options and preprocessing, and base_height."""

    @property
    def changes_network(self) -> bool:
        """Whether an explicit argument is an option of the network."""
        return not self.explicit.isdisjoint(self.options.to_dict())

    def network_options(self, declared: Any) -> Any:
        """Return a file's network options, with the explicit ones in their place."""
        return self._overriding(declared, self.options, tuple(declared.to_dict()))

    def input_height(self, file: ModelFile) -> int:
        """Return the input height of a file's model."""
        declared = file.metadata.get('base_height')
        return declared if isinstance(declared, int) and 'base_height' not in self.explicit else self.base_height

    def input_preprocessing(self, file: ModelFile, known: Preprocessing | None = None) -> Preprocessing:
        """Return the preprocessing of a file's model; `known` is what files of its kind are known to expect."""
        declared = known or file.preprocessing() or self.preprocessing
        chosen: Preprocessing = self._overriding(declared, self.preprocessing, INPUT_FIELDS)
        return chosen

    def _overriding(self, declared: Any, own: Any, fields: tuple[str, ...]) -> Any:
        """Return what a file declares with the explicit fields of `own`, and warn of each that differs."""
        changed = {name: getattr(own, name) for name in fields if name in self.explicit}
        changed = {name: value for name, value in changed.items() if value != getattr(declared, name)}
        for name, value in changed.items():
            LOG.warning('%s=%s overrides %s=%s of the weights file', name, value, name, getattr(declared, name))
        return replace(declared, **changed)
