"""What the caller of a top-down learner asked for, and files of networks that may be of another skeleton."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pose_estimation_ros.core.errors import SettingsError, WeightsError
from pose_estimation_ros.methods.method import Preprocessing
from pose_estimation_ros.methods.simple_baseline.method import SIMPLE_BASELINE, SIMPLE_BASELINE_MPII, SimpleBaseline
from pose_estimation_ros.methods.simple_baseline.options import DEPTHS
from pose_estimation_ros.models.asked import Asked
from pose_estimation_ros.models.holder import ModelHolder

METHOD_OF_SKELETON = {'coco': SIMPLE_BASELINE, 'mpii': SIMPLE_BASELINE_MPII}
BACKBONES = {f'resnet{depth}': depth for depth in DEPTHS}

FIELDS_OF_ARGUMENT = {
    'backbone': ('depth',),
    'input_size': ('input_height', 'input_width'),
    'img_mean': ('mean',),
    'img_scale': ('scale',),
}
"""Where a constructor's argument and the settings that it is for have different names."""


@dataclass(frozen=True)
class PersonAsked:
    """A constructor's arguments that concern the network; raises SettingsError for values that there are not."""

    backbone: str
    skeleton: str
    input_size: Sequence[int] | None
    preprocessing: Preprocessing
    given: frozenset[str]
    """Arguments that the caller named."""

    def __post_init__(self) -> None:
        require_choice('skeleton', self.skeleton, METHOD_OF_SKELETON)
        require_choice('backbone', self.backbone, BACKBONES)
        require_choice('channel_order', self.preprocessing.channel_order, ('bgr', 'rgb'))
        if self.input_size is not None and len(self.input_size) != 2:
            raise SettingsError(f'input_size must be height and width, got {list(self.input_size)}')

    def holder(self, method: SimpleBaseline) -> ModelHolder:
        """Return an empty model of a method."""
        wanted: dict[str, Any] = {'depth': BACKBONES[self.backbone]}
        if self.input_size is not None:
            wanted |= {'input_height': int(self.input_size[0]), 'input_width': int(self.input_size[1])}
        options = method.published_options.changed(wanted)  # files of others say nothing else of themselves
        named = frozenset(field for each in self.given for field in FIELDS_OF_ARGUMENT.get(each, (each,)))
        return ModelHolder(method, Asked(options, options.input_height, self.preprocessing, named))

    def load(self, path: Path | None, trust: bool, first: SimpleBaseline) -> tuple[SimpleBaseline, ModelHolder, str]:
        """Read a file as of one skeleton or, where the caller named none, of the other; the first refusal counts."""
        others = [each for each in METHOD_OF_SKELETON.values() if each != first and 'skeleton' not in self.given]
        refusals = []
        for method in (first, *others):
            holder = self.holder(method)
            try:
                return method, holder, holder.load(path, trust)
            except WeightsError as error:
                refusals.append(error)
        raise refusals[0]


def require_choice(name: str, value: object, allowed: Iterable[str]) -> None:
    """Raise SettingsError unless a value is among those allowed."""
    choices = list(allowed)
    if value not in choices:
        raise SettingsError(f'{name} must be one of {", ".join(choices)}, got {value!r}')
