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
        fields = {name: getattr(self.options, name) for name in declared.to_dict() if name in self.explicit}
        changed = {name: value for name, value in fields.items() if value != getattr(declared, name)}
        for name, value in changed.items():
            LOG.warning('%s=%s overrides %s=%s of the weights file', name, value, name, getattr(declared, name))
        return replace(declared, **changed)

    def input_height(self, file: ModelFile) -> int:
        """Return the input height of a file's model."""
        declared = file.metadata.get('base_height')
        return declared if isinstance(declared, int) and 'base_height' not in self.explicit else self.base_height

    def input_preprocessing(self, file: ModelFile, known: Preprocessing | None = None) -> Preprocessing:
        """Return the preprocessing of a file's model; `known` is what files of its kind are known to expect."""
        declared = known or file.preprocessing() or self.preprocessing
        fields = {name: getattr(self.preprocessing, name) for name in INPUT_FIELDS if name in self.explicit}
        chosen = replace(declared, **fields)
        if chosen != declared:
            LOG.warning('%s: using %s as requested; the file declares %s', file.path, chosen, declared)
        return chosen
