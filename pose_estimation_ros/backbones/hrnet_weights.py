"""Files of HRNets: which trunk they have, names of other codes, ImageNet files for trunks, and whole classifiers."""

import re
from collections.abc import Callable, Sequence

from torch import nn

from pose_estimation_ros.backbones.weights_file import (
    FETCH_AGAIN,
    StateDict,
    Tensors,
    find_mismatches,
    missing_batch_counters,
    summary_of,
)
from pose_estimation_ros.core.errors import WeightsError

Replacement = str | Callable[[re.Match[str]], str]
Rules = Sequence[tuple[str, Replacement]]
"""Regular expressions on the start of a name, and what it becomes; the first one that matches counts."""

WIDTH_TENSOR = 'transition1.0.0.weight'
STEM_TENSOR = 'conv1.weight'
CLASSES_TENSOR = 'classifier.weight'
TRUNK = re.compile(r'(conv|bn)[12]\.|layer1\.|transition[123]\.|stage[234]\.')
CLASSIFYING = ('incre_modules.', 'downsamp_modules.', 'final_layer.', 'classifier.', 'classification_head.', 'head.')
"""Heads of published ImageNet files; `head.` is another one than HRNetClassifier's."""


def _transition(match: re.Match[str]) -> str:
    """Return the published name of the transition at the end of a stage; that to a new branch is nested once more."""
    stage, branch = int(match[1]) + 1, int(match[2])
    return f'transition{stage}.{branch}.' + ('0.' if branch == stage else '')


def _exchange(match: re.Match[str]) -> str:
    """Split the list in which thawro counts branches and fusions of a stage."""
    part = 'branches' if match[3] == 'blocks' else 'fuse_layers'
    return f'stage{int(match[1]) + 1}.{int(match[2]) // 2}.{part}.'


THAWRO_TRUNK: Rules = (
    (r'backbone\.((?:conv|bn)[12]\.)', r'\1'),
    (r'backbone\.stages\.0\.blocks\.0\.scales_blocks\.0\.', 'layer1.'),
    (r'backbone\.stages\.(\d)\.transition_layer\.transition_blocks\.(\d)\.', _transition),
    (r'backbone\.stages\.(\d)\.blocks\.(\d)\.scales_(blocks|fusion_layers)\.', _exchange),
)
THAWRO_CLASSIFIER: Rules = (
    *THAWRO_TRUNK,
    (r'classification_head\.chann_incr_blocks\.(\d)\.', r'incre_modules.\1.0.'),
    (r'classification_head\.downsample_blocks\.', 'downsamp_modules.'),
    (r'classification_head\.final_conv\.', 'final_layer.'),
    (r'classification_head\.classifier\.', 'classifier.'),
)


def renamed(state_dict: Tensors, rules: Rules) -> StateDict:
    """Return tensors under the names that rules give them; a name without a rule stays."""
    return {_renamed(name, rules): value for name, value in state_dict.items()}


def trunk_widths(state_dict: Tensors, source: str) -> dict[str, int]:
    """Return `width` and `stem_width` of the trunk in a file; raises WeightsError if it has none."""
    tensors = [state_dict.get(name) for name in (WIDTH_TENSOR, STEM_TENSOR)]
    widths = [tensor.shape[0] for tensor in tensors if tensor is not None and tensor.ndim == 4]
    if len(widths) < len(tensors):
        raise WeightsError(
            f'{source}: expected a network on an HRNet trunk, got {len(state_dict)} tensors of another, such as'
            f' {next(iter(state_dict), "none")}; choose a checkpoint of this network'
        )
    return dict(zip(('width', 'stem_width'), widths, strict=True))


def is_classifier(state_dict: Tensors) -> bool:
    """Whether a file has an ImageNet head, whichever."""
    return any(name.startswith(CLASSIFYING) for name in state_dict)


def load_trunk(network: nn.Module, state_dict: Tensors, source: str = 'the weights') -> str:
    """Load the trunk of an ImageNet classifier into a network on the same trunk and return a sentence on it.

    Raises WeightsError, and changes nothing, unless every tensor of the network's trunk is found.
    """
    given_names = renamed(state_dict, THAWRO_CLASSIFIER)
    target = network.state_dict()
    wanted = {name: value for name, value in target.items() if TRUNK.match(name)}
    given = {name: value for name, value in given_names.items() if name in wanted}
    theirs, ours = trunk_widths(given_names, source), trunk_widths(wanted, 'the network')
    if theirs != ours:
        raise WeightsError(f'{source}: expected {_trunk_name(ours)}, got {_trunk_name(theirs)}; {_width_cure(theirs)}')
    odd = find_mismatches(wanted, given)
    if odd:
        raise WeightsError(
            f'{source}: {summary_of(odd, len(wanted), "trunk tensors")}; choose the ImageNet file of'
            f' {_trunk_name(ours)}, or {FETCH_AGAIN}'
        )
    network.load_state_dict({**target, **given})
    total = len(wanted) - len(missing_batch_counters(wanted, given))
    return f'loaded {len(given)} of {total} trunk tensors from {source}; {_left_out(given_names, given)}'


def read_classifier(state_dict: Tensors, source: str = 'the weights') -> tuple[StateDict, dict[str, int]]:
    """Return a classifier's tensors under the published names, and its `width`, `stem_width` and `classes`.

    Raises WeightsError for files of other networks.
    """
    tensors = renamed(state_dict, THAWRO_CLASSIFIER)
    widths = trunk_widths(tensors, source)
    head = tensors.get(CLASSES_TENSOR)
    if head is None or head.ndim != 2:
        others = sorted({name.partition('.')[0] for name in tensors if not TRUNK.match(name)})
        raise WeightsError(
            f'{source}: expected an HRNet classifier with the tensor {CLASSES_TENSOR}, got a network with'
            f' {", ".join(others[:4]) or "no head"} on {_trunk_name(widths)}; choose a classifier such as'
            ' hrnetv2_w32_imagenet_pretrained.pth or hrnet_32.pt'
        )
    return tensors, {**widths, 'classes': head.shape[0]}


def fit_classifier(network: nn.Module, state_dict: Tensors, source: str = 'the weights') -> str:
    """Load all of a file, with published names, into a classifier; raises WeightsError and changes nothing."""
    wanted = network.state_dict()
    odd = find_mismatches(wanted, state_dict)
    if odd:
        _, ours = read_classifier(wanted)
        _, theirs = read_classifier(state_dict, source)
        different = [f'{name} {value}' for name, value in theirs.items() if value != ours[name]]
        cure = f'build the network with {" and ".join(different)}' if different else FETCH_AGAIN
        raise WeightsError(f'{source}: {summary_of(odd, len(wanted.keys() | state_dict.keys()))}; {cure}')
    network.load_state_dict({**wanted, **state_dict})
    total = len(wanted) - len(missing_batch_counters(wanted, state_dict))
    return f'loaded {len(state_dict)} of {total} tensors from {source}'


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        changed, count = re.subn(rf'\A{pattern}', replacement, name)
        if count:
            return changed
    return name


def _trunk_name(widths: dict[str, int]) -> str:
    return 'HRNet-W{width} with a stem of {stem_width}'.format(**widths)


def _width_cure(widths: dict[str, int]) -> str:
    return 'build the network with width {width} and stem_width {stem_width}, or choose another file'.format(**widths)


def _left_out(state_dict: Tensors, given: Tensors) -> str:
    head = sum(name.startswith(CLASSIFYING) for name in state_dict)
    others = len(state_dict) - len(given) - head
    text = f'its classification head ({head} tensors) is left out' if head else 'it has no classification head'
    return text + (f', and so are {others} tensors that this network has no use for' if others else '')
