"""What a learner's caller asked for, and how that stands against what a model file says of itself."""

import logging
from dataclasses import dataclass, replace
from typing import Any

from pose_estimation_ros.methods.method import Preprocessing
from pose_estimation_ros.models.content import stated_preprocessing
from pose_estimation_ros.models.folder import ModelFile

LOG = logging.getLogger(__name__)

INPUT_FIELDS = ('mean', 'scale', 'pad_value', 'channel_order')


@dataclass(frozen=True)
class Asked:
    """A constructor's arguments. Those in `named` were given by the caller and stand against a file, others do not."""

    options: Any
    base_height: int
    preprocessing: Preprocessing
    named: frozenset[str] = frozenset()
    """Fields of the network's options and of Preprocessing, and base_height."""

    def options_for(self, seen: Any) -> Any:
        """Return a file's network options, but for those that the caller named."""
        fields = {name: getattr(self.options, name) for name in seen.to_dict() if name in self.named}
        changed = {name: value for name, value in fields.items() if value != getattr(seen, name)}
        for name, value in changed.items():
            LOG.warning('%s is %s as asked for; the weights say %s', name, value, getattr(seen, name))
        return replace(seen, **changed)

    def height_for(self, file: ModelFile) -> int:
        """Return the height that pictures are scaled to."""
        stated = file.metadata.get('base_height')
        return stated if isinstance(stated, int) and 'base_height' not in self.named else self.base_height

    def preprocessing_for(self, file: ModelFile, published: Preprocessing | None = None) -> Preprocessing:
        """Return how pictures are normalised; `published` is what files like this one are known to expect."""
        stated = published or stated_preprocessing(file) or self.preprocessing
        fields = {name: getattr(self.preprocessing, name) for name in INPUT_FIELDS if name in self.named}
        chosen = replace(stated, **fields)
        if chosen != stated:
            LOG.warning('%s is fed with %s as asked for; it says %s', file.path, chosen, stated)
        return chosen
