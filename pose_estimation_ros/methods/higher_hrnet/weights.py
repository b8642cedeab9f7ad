"""Published HigherHRNet weights: which network a file is of, and loading all of it or saying why not."""

from dataclasses import replace

from torch import nn

from pose_estimation_ros.backbones.hrnet_weights import (
    THAWRO_TRUNK,
    Rules,
    is_classifier,
    renamed,
    trunk_widths,
)
from pose_estimation_ros.backbones.weights_file import (
    FETCH_AGAIN,
    StateDict,
    Tensors,
    find_mismatches,
    missing_batch_counters,
    summary_of,
)
from pose_estimation_ros.backbones.weights_file import read_state_dict as read_weights
from pose_estimation_ros.core.errors import WeightsError
from pose_estimation_ros.methods.higher_hrnet.options import HigherHRNetOptions

__all__ = ['fit_weights', 'infer_options', 'keypoints_of', 'published_names', 'read_weights']

COARSE_OUTPUT = 'final_layers.0.weight'
FINE_OUTPUT = 'final_layers.1.weight'

THAWRO: Rules = (
    *THAWRO_TRUNK,
    (r'init_heatmaps_head\.', 'final_layers.0.'),
    (r'deconv_layers\.0\.deconv\.', 'deconv_layers.0.0.'),
    (r'deconv_layers\.0\.resid_blocks\.(\d)\.', lambda match: f'deconv_layers.0.{int(match[1]) + 1}.0.'),
    (r'deconv_layers\.0\.final_layer\.', 'final_layers.1.'),
)
"""From the names of thawro's code to the published ones."""


def published_names(state_dict: Tensors) -> StateDict:
    """Return the tensors of a file, of either code, under the names of the published network."""
    return renamed(state_dict, THAWRO)


def keypoints_of(state_dict: Tensors, source: str) -> int:
    """Return the number of keypoints of a file's network; raises WeightsError for another network."""
    coarse, fine = state_dict.get(COARSE_OUTPUT), state_dict.get(FINE_OUTPUT)
    if coarse is None or fine is None or coarse.shape[0] != 2 * fine.shape[0]:
        raise WeightsError(f'{source}: expected a HigherHRNet pose network, got {_kind_and_cure(state_dict)}')
    return int(fine.shape[0])


def infer_options(
    state_dict: Tensors, hint: HigherHRNetOptions | None = None, source: str = 'the weights'
) -> HigherHRNetOptions:
    """Return the options of the network that a file, with published names, is of; raises WeightsError for others."""
    keypoints_of(state_dict, source)
    return replace(hint or HigherHRNetOptions(), **trunk_widths(state_dict, source))


def fit_weights(network: nn.Module, state_dict: Tensors, source: str = 'the weights') -> str:
    """Load all of a file into a network; raises WeightsError, and changes nothing, when anything does not fit."""
    given, wanted = published_names(state_dict), network.state_dict()
    odd = find_mismatches(wanted, given)
    if odd:
        raise WeightsError(f'{source}: {summary_of(odd, len(wanted.keys() | given.keys()))}; {_cure(given, wanted)}')
    network.load_state_dict({**wanted, **given})
    total = len(wanted) - len(missing_batch_counters(wanted, given))
    return f'loaded {len(given)} of {total} tensors from {source}'


def _kind_and_cure(state_dict: Tensors) -> str:
    if is_classifier(state_dict):
        return 'an HRNet classifier; use it to classify images or to start a training (--start.backbone)'
    first = next(iter(state_dict), 'none')
    return f'{len(state_dict)} tensors of another, such as {first}; choose a pose checkpoint of this method'


def _cure(given: Tensors, wanted: Tensors) -> str:
    """Return the options that would fit the file, if it is from this system."""
    try:
        theirs, ours = infer_options(given).to_dict(), infer_options(wanted).to_dict()
    except WeightsError as error:
        return str(error).partition(': ')[2]
    different = [f'{name} {value}' for name, value in theirs.items() if value != ours[name]]
    if different:
        return f'build the network with {" and ".join(different)}'
    return f'it is an altered or incomplete file of this network, {FETCH_AGAIN}'
