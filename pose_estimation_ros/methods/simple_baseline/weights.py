"""Published SimpleBaselines weights: which network a file is of, and loading all of it or saying why not."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from pose_estimation_ros.backbones.resnet import DEPTHS, STAGE_CHANNELS
from pose_estimation_ros.backbones.weights_file import FETCH_AGAIN, Tensors, load_tensors
from pose_estimation_ros.backbones.weights_file import read_state_dict as read_weights
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.methods.simple_baseline.options import PoseResNetOptions

__all__ = ['fit_weights', 'infer_options', 'keypoints_of', 'load_backbone', 'read_weights']

HEAD = ('deconv_layers.', 'final_layer.')
"""What a network has above its ImageNet backbone."""

SIZE_IN_NAME = re.compile(r'(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)')
"""Height and width of the crop, as in pose_resnet_50_256x192.pth.tar."""

OUTPUT = 'final_layer.weight'


def keypoints_of(state_dict: Tensors, source: str) -> int:
    """Return the number of keypoints of a file's network; raises WeightsError for another network."""
    if not {'deconv_layers.0.weight', OUTPUT, 'layer4.0.conv1.weight'} <= state_dict.keys():
        raise WeightsError(
            f'{source}: expected a SimpleBaselines network (pose_resnet), got {len(state_dict)} tensors of another,'
            f' such as {next(iter(state_dict), "none")}; choose a pose checkpoint of this method'
        )
    return int(state_dict[OUTPUT].shape[0])


def infer_options(state_dict: Tensors, hint: PoseResNetOptions, path: Path) -> PoseResNetOptions:
    """Return the options of the network that a file is of.

    The crop's size is read from the file's published name if it is there; this and what else tensors do not determine
    is taken from `hint`. Raises WeightsError if the file is of another network.
    """
    keypoints_of(state_dict, str(path))
    seen: dict[str, Any] = {'depth': _depth(state_dict, str(path))}
    size = SIZE_IN_NAME.search(path.name)
    if size:
        seen |= {'input_height': int(size[1]), 'input_width': int(size[2]), 'size_declared': True}
    return replace(hint, **seen)


def fit_weights(network: nn.Module, state_dict: Tensors, source: str = 'the weights') -> str:
    """Load all of a file into a network; raises WeightsError, and changes nothing, when anything does not fit."""
    total = load_tensors(network, network.state_dict(), state_dict, source, lambda: _cure(state_dict, source))
    return f'loaded {len(state_dict)} of {total} tensors from {source}'


def load_backbone(network: nn.Module, state_dict: Tensors, source: str = 'the weights') -> str:
    """Load an ImageNet ResNet, without its classifying part, and return a sentence on it.

    Raises WeightsError, and changes nothing, unless every tensor of the backbone is found.
    """
    wanted = {name: value for name, value in network.state_dict().items() if not name.startswith(HEAD)}
    given = {name: value for name, value in state_dict.items() if name in wanted}
    cure = 'choose the ImageNet file of a ResNet of this depth'
    total = load_tensors(network, wanted, given, source, lambda: cure, 'backbone tensors')
    unused = len(state_dict) - len(given)
    return f'loaded {len(given)} of {total} backbone tensors from {source}; {unused} others in it are not used'


def _depth(state_dict: Tensors, source: str) -> int:
    """Return the depth that has as many blocks of this kind."""
    blocks = tuple(
        len({name.split('.')[1] for name in state_dict if name.startswith(f'layer{stage}.')})
        for stage in range(1, len(STAGE_CHANNELS) + 1)
    )
    bottleneck = 'layer1.0.conv3.weight' in state_dict
    for depth, facts in DEPTHS.items():
        if facts.blocks == blocks and facts.bottleneck == bottleneck:
            return depth
    raise WeightsError(
        f'{source}: expected a ResNet of {", ".join(map(str, DEPTHS))} layers, got stages of'
        f' {", ".join(map(str, blocks))} blocks; {FETCH_AGAIN}'
    )


def _cure(state_dict: Tensors, source: str) -> str:
    """Return the options that would fit the file, if it is from this system."""
    try:
        count = keypoints_of(state_dict, source)
        return f'build the network with depth {_depth(state_dict, source)} and {count} keypoints'
    except WeightsError:
        return f'it is not of this network or incomplete, {FETCH_AGAIN}'
