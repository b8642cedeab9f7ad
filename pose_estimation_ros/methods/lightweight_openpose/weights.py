"""Published Lightweight OpenPose weights: which network a file is of, and loading all of it or saying why not."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from pose_estimation_ros.backbones import efficientnet_lite, mobilenet, mobilenetv2, shufflenet
from pose_estimation_ros.backbones.weights_file import FETCH_AGAIN, Tensors, load_tensors
from pose_estimation_ros.backbones.weights_file import read_state_dict as read_weights
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.methods.lightweight_openpose.options import BACKBONES, SLIM_WIDTH, NetworkOptions

__all__ = ['LoadReport', 'fit_weights', 'infer_options', 'load_backbone', 'read_weights']

BACKBONE = 'model.'
COMMON_WIDTHS = (1.0, 0.75, 0.5, 1.4, 0.35, 0.25, 1.3)


@dataclass(frozen=True)
class LoadReport:
    """What came of loading: `loaded` of the network's `total` tensors (missing batch counters not counted)."""

    loaded: int
    total: int
    dropped_stages: int
    """Refinement stages of the file that the network does not have."""
    text: str


def infer_options(
    state_dict: Tensors, hint: NetworkOptions | None = None, source: str = 'the weights'
) -> NetworkOptions:
    """Return the options of the network that a file is of.

    What tensors do not determine, such as the stride, is taken from `hint`. Raises WeightsError for another network.
    """
    hint = hint or NetworkOptions()
    if 'initial_stage.trunk.0.0.weight' not in state_dict or 'cpm.align.0.weight' not in state_dict:
        raise WeightsError(
            f'{source}: expected a Lightweight OpenPose network, got {len(state_dict)} tensors of another, such as'
            f' {next(iter(state_dict), "none")}; choose a pose checkpoint of this method'
        )
    seen: dict[str, Any] = {'num_refinement_stages': len(_stages(state_dict)), 'variant': _variant(state_dict)}
    return replace(hint, **seen, **_backbone_options(state_dict, hint, source))


def fit_weights(
    network: nn.Module, state_dict: Tensors, source: str = 'the weights', new_stages: bool = False
) -> LoadReport:
    """Load all of a file into a network; refinement stages that the network lacks are dropped and reported.

    `new_stages` is for the last step of the published training: refinement stages that the file lacks keep their
    values. Raises WeightsError, and changes nothing, when anything else is missing, unexpected or of another shape.
    """
    target = network.state_dict()
    network_stages, file_stages = _stages(target), _stages(state_dict)
    dropped = file_stages - network_stages
    added = network_stages - file_stages if new_stages else set()
    wanted = {name: value for name, value in target.items() if _stage(name) not in added}
    given = {name: value for name, value in state_dict.items() if _stage(name) not in dropped}
    total = load_tensors(network, wanted, given, source, lambda: _cure(given, wanted)) + len(target) - len(wanted)
    text = f'loaded {len(given)} of {total} tensors from {source}'
    if dropped:
        text += f'; {counted(len(dropped), "refinement stage")} of it not used, as the network has fewer'
    if added:
        start = 'starts' if len(added) == 1 else 'start'
        text += f'; {counted(len(added), "refinement stage")} not in it {start} from random values'
    return LoadReport(len(given), total, len(dropped), text)


def load_backbone(network: nn.Module, state_dict: Tensors, source: str = 'the weights') -> LoadReport:
    """Load a published ImageNet classifier into the backbone; its classifying part is not used.

    Raises WeightsError, and changes nothing, unless every tensor of the backbone is found.
    """
    wanted = {name: value for name, value in network.state_dict().items() if name.startswith(BACKBONE)}
    in_file = len(state_dict)
    if '_conv_stem.weight' in state_dict and '_bn0.running_mean' in state_dict:
        state_dict = efficientnet_lite.from_published(state_dict, BACKBONE)
    # MobileNet's published names begin with `model.`, those of the others do not.
    found = {name: state_dict.get(name, state_dict.get(name.removeprefix(BACKBONE))) for name in wanted}
    given = {name: value for name, value in found.items() if value is not None}
    cure = 'choose the ImageNet file of this backbone'
    total = load_tensors(network, wanted, given, source, lambda: cure, 'backbone tensors')
    unused = in_file - len(given)
    text = f'loaded {len(given)} of {total} backbone tensors from {source}; {unused} others in it are not used'
    return LoadReport(len(given), total, 0, text)


def _variant(state_dict: Tensors) -> str:
    if 'cpm.red.0.weight' in state_dict:
        return 'omz'
    slim = _channels(state_dict, 'model.0.0.weight') == mobilenet.STEM_CHANNELS * SLIM_WIDTH
    return 'slim' if slim else 'published'


def _backbone_options(state_dict: Tensors, hint: NetworkOptions, source: str) -> dict[str, Any]:
    if 'model.features.0.0.weight' in state_dict:
        width = _mobilenetv2_width(state_dict, hint.mobilenetv2_width, source)
        return {'backbone': 'mobilenetv2', 'mobilenetv2_width': width, 'use_stride': False}
    if 'model.stage2.ShuffleUnit_Stage2_0.depthwise_conv3x3.weight' in state_dict:
        groups = _shufflenet_groups(state_dict, source)
        return {'backbone': 'shufflenet', 'shufflenet_groups': groups, 'use_stride': False}
    if 'model.coarse.0.conv.0.weight' in state_dict:
        return {'backbone': 'efficientnet_lite', 'use_stride': hint.use_stride and hint.backbone == 'efficientnet_lite'}
    if 'model.0.0.weight' in state_dict:
        return {'backbone': 'mobilenet'}
    raise WeightsError(
        f'{source}: expected a backbone {", ".join(BACKBONES)}, got none of their tensors; {FETCH_AGAIN}'
    )


def _mobilenetv2_width(state_dict: Tensors, hint: float, source: str) -> float:
    """Widths are rounded to channels, so several fit a file: the hint if it does, else a common one."""
    seen = [_channels(state_dict, name) for name in _mobilenetv2_names()]
    for width in (hint, *COMMON_WIDTHS, *(step / 100 for step in range(10, 401))):
        if seen == [*mobilenetv2.group_channels(width), mobilenetv2.last_channels(width)]:
            return width
    raise WeightsError(
        f'{source}: expected a MobileNetV2 of one width, got the channels {seen}, which belong to none; {FETCH_AGAIN}'
    )


def _mobilenetv2_names() -> Iterable[str]:
    """Name the last convolution of each group's first block, and that of the backbone."""
    index = 1
    for expansion, _, blocks, _ in mobilenetv2.GROUPS:
        yield f'model.features.{index}.conv.{3 if expansion == 1 else 6}.weight'
        index += blocks
    yield f'model.features.{index}.0.weight'


def _shufflenet_groups(state_dict: Tensors, source: str) -> int:
    seen = _channels(state_dict, 'cpm.align.0.weight', axis=1)
    for groups, channels in shufflenet.STAGE_CHANNELS.items():
        if channels[-1] == seen:
            return groups
    known = ', '.join(str(channels[-1]) for channels in shufflenet.STAGE_CHANNELS.values())
    raise WeightsError(f'{source}: expected a ShuffleNet of {known} channels, got {seen}; {FETCH_AGAIN}')


def _channels(state_dict: Tensors, name: str, axis: int = 0) -> int | None:
    tensor = state_dict.get(name)
    return tensor.shape[axis] if tensor is not None and tensor.ndim == 4 else None


def _stage(name: str) -> int | None:
    match = re.match(r'refinement_stages\.(\d{1,4})\.', name)
    return int(match[1]) if match else None


def _stages(names: Iterable[str]) -> set[int]:
    return {stage for name in names if (stage := _stage(name)) is not None}


def _cure(given: Tensors, wanted: Tensors) -> str:
    """Return the options that would fit the file, if it is from this system."""
    try:
        theirs, ours = infer_options(given).to_dict(), infer_options(wanted).to_dict()
    except WeightsError:
        return 'it is not of this network, choose a Lightweight OpenPose checkpoint'
    different = [f'{name}={value}' for name, value in theirs.items() if value != ours[name]]
    if different:
        return f'build the network with {", ".join(different)}'
    return f'it is an altered or incomplete file of this network, {FETCH_AGAIN}'
