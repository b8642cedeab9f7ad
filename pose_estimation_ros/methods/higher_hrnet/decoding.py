"""The three decodings of HigherHRNet, from a network's maps to poses of the image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray, finite
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.geometry import Interpolation, Placement
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import COCO_17
from pose_estimation_ros.methods.explanation import Explanation
from pose_estimation_ros.methods.higher_hrnet import fast, reference
from pose_estimation_ros.methods.higher_hrnet.decoding_settings import DecodingSettings
from pose_estimation_ros.methods.higher_hrnet.grouping import SCORE, TAGS, People
from pose_estimation_ros.methods.higher_hrnet.merging import MapSizes, merge, tags_by_keypoint
from pose_estimation_ros.methods.method import Look

CANDIDATE_SHARE = 0.6
"""Candidates' minimum keypoint score, as a share of the usual one."""

FALLBACK_SCORE = 0.01
"""Of the one person that thawro's code returns where no peak is high enough."""


@dataclass(frozen=True)
class FastDecoder:
    """The default: peaks between the cells of the network's own maps, nothing enlarged to the input's size."""

    settings: DecodingSettings = field(default_factory=DecodingSettings)
    name: ClassVar[str] = 'fast'
    interpolation: ClassVar[Interpolation] = 'linear'
    sizes: ClassVar[MapSizes] = MapSizes(at_input_size=False)
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings whose defaults differ from those of DecodingSettings."""

    def merge(self, looks: Sequence[Look]) -> Look:
        """Return heatmaps (17, H, W) and tags (17, h, w), or (34, h, w) with those of mirrored inputs."""
        return merge(looks, self.sizes)

    def candidates(self) -> 'FastDecoder':
        """Return a decoder that also returns people whom the settings drop."""
        threshold = CANDIDATE_SHARE * self.settings.keypoint_threshold
        lower = replace(self.settings, keypoint_threshold=threshold, max_persons=0, min_keypoints=1, min_mean_score=0.0)
        return replace(self, settings=lower)

    def __call__(self, maps: Sequence[FloatArray], placement: Placement) -> list[Pose]:
        """Decode what `merge` returned."""
        return self.explain(maps, placement).poses

    def explain(self, maps: Sequence[FloatArray], placement: Placement) -> Explanation:
        """Decode what `merge` returned, with the maps and tags that the poses come from."""
        heatmaps, tags = finite(maps[0]), tags_by_keypoint(maps[1])
        with np.errstate(over='ignore', invalid='ignore'):
            people = self._kept(self._people(heatmaps, tags, placement.network_hw[0] / heatmaps.shape[1]))
        to_image = placement.map_to_image(1.0, pixel_centres=False)
        grouped_tags = np.where(people.tagged[..., None], people.rows[..., TAGS], np.nan)
        poses = _poses(people, to_image(people.rows[..., :2]))
        return Explanation(poses, placement, heatmaps, grouped_tags, tags, self.settings.keypoint_threshold)

    def _people(self, heatmaps: FloatArray, tags: FloatArray, stride: float) -> People:
        """Return people with x and y in network pixels from the corner of the first, as labels count."""
        people = fast.parse(fast.Maps(heatmaps, tags, stride), self.settings)
        people.rows[..., :2] = (people.rows[..., :2] + 0.5) * stride
        return people

    def _kept(self, people: People) -> People:
        """Return the people whom the settings do not drop, the best if there are too many."""
        enough = people.tagged.sum(axis=1) >= self.settings.min_keypoints
        kept = np.flatnonzero(enough & (people.scores >= self.settings.min_mean_score))
        best = np.argsort(-people.scores[kept], kind='stable')[: self.settings.max_persons or None]
        return people.chosen(kept[np.sort(best)])


@dataclass(frozen=True)
class PublishedDecoder(FastDecoder):
    """The official code: heatmaps and tags enlarged to the network's input."""

    name: ClassVar[str] = 'published'
    sizes: ClassVar[MapSizes] = MapSizes(at_input_size=True)

    def _people(self, heatmaps: FloatArray, tags: FloatArray, stride: float) -> People:
        return reference.parse(heatmaps, tags, self.settings)


def _thawro_settings() -> DecodingSettings:
    return settings_from(DecodingSettings, ThawroDecoder.defaults)


@dataclass(frozen=True)
class ThawroDecoder(FastDecoder):
    """pytorch-human-pose: other thresholds, tags enlarged in one step, and always a person."""

    settings: DecodingSettings = field(default_factory=_thawro_settings)
    name: ClassVar[str] = 'thawro'
    sizes: ClassVar[MapSizes] = MapSizes(at_input_size=True, tag_steps=1)
    defaults: ClassVar[Mapping[str, Any]] = {'keypoint_threshold': 0.05, 'tag_threshold': 0.5}

    def _people(self, heatmaps: FloatArray, tags: FloatArray, stride: float) -> People:
        people = reference.parse(heatmaps, tags, self.settings, keep_strong=True)
        if len(people.rows):
            return people
        rows = reference.highest_pixels(heatmaps, tags)
        rows[..., SCORE] = FALLBACK_SCORE
        reference.adjust(rows, heatmaps)
        return People.of(rows)


DECODERS = {decoder.name: decoder for decoder in (FastDecoder, PublishedDecoder, ThawroDecoder)}


def build_decoder(name: str = FastDecoder.name, **settings: Any) -> FastDecoder:
    """Return a decoder by name; settings are the fields of DecodingSettings and GroupingSettings.

    Raises:
        SettingsError: There is no such decoder or setting, or a value is not allowed.

    """
    if name not in DECODERS:
        raise SettingsError(f'decode must be one of {", ".join(DECODERS)}, got {name!r}')
    kind = DECODERS[name]
    return kind(settings_from(DecodingSettings, {**kind.defaults, **settings}, 'decoding settings'))


def _poses(people: People, xy_image: FloatArray) -> list[Pose]:
    found = people.rows[..., SCORE] > 0
    xy = np.where(found[..., None], xy_image, np.nan)
    keypoints = np.concatenate([xy, people.rows[..., SCORE, None] * found[..., None]], axis=2)
    return [Pose(rows, score, COCO_17) for rows, score in zip(keypoints, people.scores.tolist(), strict=True)]
