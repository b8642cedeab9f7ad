"""The learner of HigherHRNet."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.pipeline import Pipeline, check_size
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.learners.runner import Runner, WholeImages
from pose_estimation_ros.learners.settings import normalisation, records_explicit
from pose_estimation_ros.methods.higher_hrnet.options import HigherHRNetOptions
from pose_estimation_ros.methods.higher_hrnet.published import fetch_published
from pose_estimation_ros.methods.higher_hrnet.system import SYSTEM
from pose_estimation_ros.models.arguments import ModelArguments
from pose_estimation_ros.models.store import ModelStore

PUBLISHED_WORDS = {'input_size': 'base_height', 'use_flip': 'flip'}
"""Arguments of pytorch-human-pose, and what they are called here."""
PUBLISHED_DECODING = {'det_thr': 'keypoint_threshold', 'tag_thr': 'tag_threshold'}
"""The same for keys of `decoding`."""

FIELD_OF_ARGUMENT = {'backbone': 'width', 'input_size': 'base_height', 'img_mean': 'mean', 'img_scale': 'scale'}
"""Constructor arguments whose field of options or preprocessing has another name."""


class HigherHRNetLearner(Learner):
    """Bottom-up 2D poses of 17 keypoints (Cheng et al. 2019), grouped to people by associative embeddings.

    Both widths of the network are read from weights files, official ones and those of pytorch-human-pose. Arguments
    that are not documented here are Learner's.

    Args:
        lr: Learning rate of Adam; it falls to a tenth at epochs 200 and 260.
        backbone: Trunk of the network, hrnet_w32 or hrnet_w48 as published, or hrnet_w and another number of channels.
        base_height: Short side of the input in pixels, rounded up to a multiple of 64.
        flip: Run every image mirrored too: heatmaps are averaged, the tags of the mirror image are compared besides.
        scales: Scales that `eval` runs every image at, such as (0.5, 1, 2) as published.
        stem_width: Channels of the first layers of the trunk.
        decode: fast, published (the official code) or thawro (pytorch-human-pose).
        decoding: keypoint_threshold, tag_threshold, max_persons, min_keypoints, min_mean_score, nms_window, adjust,
            refine.
        input_size: What pytorch-human-pose calls base_height.
        det_thr: What it calls keypoint_threshold.
        tag_thr: What it calls tag_threshold.
        use_flip: What it calls flip.

    """

    losses: ClassVar[Mapping[str, str]] = {
        'coarse_heatmap_losses': 'hm_0_loss',
        'heatmap_losses': 'hm_1_loss',
        'push_losses': 'push_0_loss',
        'pull_losses': 'pull_0_loss',
    }
    _runner: Runner[Pipeline]

    @records_explicit
    def __init__(
        self,
        lr: float = 1e-3,
        epochs: int = 300,
        batch_size: int = 12,
        backbone: str = 'hrnet_w32',
        base_height: int = 512,
        flip: bool = False,
        *,
        stem_width: int = 64,
        scales: Sequence[float] | None = None,
        decode: str = 'fast',
        decoding: dict[str, Any] | None = None,
        input_size: int | None = None,
        det_thr: float | None = None,
        tag_thr: float | None = None,
        use_flip: bool | None = None,
        **shared: Any,
    ) -> None:
        own = dict(locals())
        arguments = _in_our_words({**shared, **{name: own[name] for name in own if name not in ('self', 'shared')}})
        super().__init__(arguments, network_model(arguments, self.explicit), WholeImages(decode))
        self.look(flip=arguments['flip'])

    @property
    def base_height(self) -> int:
        """Short side of the input in pixels."""
        return self._model.loaded.base_height

    def download(
        self, path: str | Path | None = None, mode: str = 'pretrained', verbose: bool = False, url: str = ''
    ) -> list[Path]:
        """Download published files and return their paths; other arguments are Learner.download's.

        `mode` is 'weights' (ImageNet's of the backbone) or 'pretrained' (a pose network, which its publishers keep
        where only a browser gets it: the error says where; `url` says where to fetch it instead).
        """
        folder = Path(path) if path is not None else self.temp_path
        return fetch_published(mode, self._model.arguments.options.backbone, folder, url, verbose)


def network_model(arguments: Mapping[str, Any], explicit: frozenset[str]) -> ModelStore:
    """Return a model without weights for a constructor's arguments, of which the caller passed those in `explicit`.

    Raises:
        SettingsError: The network is unknown, or the input size is out of range.

    """
    method, height = SYSTEM.method, arguments['base_height']
    width = re.fullmatch(r'hrnet_w(\d{1,4})', str(arguments['backbone']))
    if width is None:
        raise SettingsError(
            f'backbone must be hrnet_w and a number of channels, such as hrnet_w32, got {arguments["backbone"]!r}'
        )
    check_size(height, method.base_side)
    options = HigherHRNetOptions(int(width[1]), arguments['stem_width'])
    fields = frozenset(FIELD_OF_ARGUMENT.get(name, name) for name in explicit)
    return ModelStore(ModelArguments(method, options, height, normalisation(method.preprocessing, arguments), fields))


def _in_our_words(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with those of pytorch-human-pose under our names, which they override."""
    given = {name: value for name, value in arguments.items() if value is not None}
    renamed = {ours: given[theirs] for theirs, ours in PUBLISHED_WORDS.items() if theirs in given}
    decoding = {ours: given[theirs] for theirs, ours in PUBLISHED_DECODING.items() if theirs in given}
    return {**arguments, **renamed, 'decoding': {**(arguments.get('decoding') or {}), **decoding}}
