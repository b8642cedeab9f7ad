"""How the high-resolution learner composes two passes: heights, regions, and the pipelines of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.two_pass.first_pass import PeopleFinder, RegionFinder, RegionSettings
from pose_estimation_ros.inference.two_pass.one_region import OneRegionFinder
from pose_estimation_ros.inference.two_pass.second_pass import PackedRegions, SingleRegions
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.methods.high_resolution.options import TwoPassSettings
from pose_estimation_ros.methods.high_resolution.published_region import PublishedRegion
from pose_estimation_ros.methods.lightweight_openpose.decoding import DecodingSettings
from pose_estimation_ros.methods.method import Decoder, Method

PERSON_SHARE = 0.37
"""Height of people in the second pass, as a share of its input height: 200 pixels of the published 540."""
CANDIDATE_SHARE = 0.6
"""Minimum keypoint score in the first pass, as a share of the decoder's."""
CANDIDATE_KEYPOINTS = 2
DEFAULTS = DecodingSettings()


@dataclass(frozen=True)
class Passes:
    """Input heights of the two passes, and how regions are cut for the second."""

    first_pass_height: int = 360
    second_pass_height: int = 540
    regions: Literal['people', 'published'] = 'people'
    region_settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of RegionSettings or, for published regions, of PublishedRegion."""

    def __post_init__(self) -> None:
        TwoPassSettings(self.first_pass_height, self.second_pass_height, self.regions)  # checks them
        self.cutting()  # wrong values are refused now, not at the first image
        if self.regions == 'published':
            self.published()

    def cutting(self) -> RegionSettings:
        """Return how regions are cut around people."""
        own = self.region_settings if self.regions == 'people' else {}
        height = PERSON_SHARE * self.second_pass_height
        return settings_from(RegionSettings, {'person_height': height, **own}, 'settings of people regions')

    def published(self) -> PublishedRegion:
        """Return the published rule's numbers."""
        heights = {'first_pass_height': self.first_pass_height, 'second_pass_height': self.second_pass_height}
        for name in heights.keys() & self.region_settings.keys():
            raise SettingsError(f'{name} is an argument of the learner, not one of region_settings')
        return settings_from(PublishedRegion, {**self.region_settings, **heights}, 'settings of published regions')

    def over(
        self,
        plain: Pipeline,
        first: Pipeline,
        method: Method,
        decoding: Mapping[str, Any],
        scales: tuple[float, ...] = (1.0,),
    ) -> TwoPass:
        """Return a pipeline of both passes.

        Args:
            plain: Runs the model of the second pass; its height counts only where the model takes no other.
            first: The same for the first pass; it may be the same pipeline.
            method: The first pass's.
            decoding: Settings of its decoder.
            scales: Of the second pass; every region is processed at each.

        """
        model, has_one_size = _with_height(plain, self.second_pass_height), plain.backend.fixed_hw is not None
        second = model.with_looks(scales)
        whole = has_one_size or self.regions == 'published'
        look = SingleRegions(second) if whole else PackedRegions(second, plain.stride)
        finder = self._finder(_with_height(first, self.first_pass_height), method, decoding)
        return TwoPass(model, finder, look, self.cutting(), decoding.get('max_persons', 0))

    def _finder(self, first: Pipeline, method: Method, decoding: Mapping[str, Any]) -> RegionFinder:
        if self.regions == 'published':
            return OneRegionFinder(first.backend, self.published())
        return PeopleFinder(first, candidates_of(method, decoding), self.cutting(), len(method.skeleton))

    def with_heights(self, first_pass_height: int | None, second_pass_height: int | None) -> 'Passes':
        """Return the same with other heights, None for one that stays; raises SettingsError."""
        return replace(
            self,
            first_pass_height=self.first_pass_height if first_pass_height is None else first_pass_height,
            second_pass_height=self.second_pass_height if second_pass_height is None else second_pass_height,
        )


def check_first_pass(learner: Learner) -> None:
    """Raise SettingsError unless a learner can make the first pass of two."""
    if learner.takes_boxes or learner.method.skeleton is not OPENPOSE_18:
        raise SettingsError(
            f'first_pass must be a learner of whole images that finds the {len(OPENPOSE_18)} keypoints of'
            f' Lightweight OpenPose, got one of {learner.method.name}'
        )


def first_pipeline(learner: Learner, upsample_ratio: int | None) -> Pipeline:
    """Return a learner's pipeline as the first pass; raises SettingsError where that is one of two passes itself."""
    pipeline = learner.pipeline(upsample_ratio)
    if not isinstance(pipeline, Pipeline):
        raise SettingsError(
            f'first_pass must be a learner of one pass, got {type(learner).__name__}; give the learner of its model,'
            ' such as LightweightOpenPoseLearner'
        )
    return pipeline


def _with_height(pipeline: Pipeline, height: int) -> Pipeline:
    """Return the same with another height, or as it is where its model takes no other."""
    return pipeline if pipeline.backend.fixed_hw is not None else pipeline.with_size(height)


def candidates_of(method: Method, decoding: Mapping[str, Any]) -> Decoder:
    """Return a decoder that also returns people whom the settings would drop."""
    threshold = decoding.get('keypoint_threshold', DEFAULTS.keypoint_threshold)
    score = decoding.get('min_mean_score', DEFAULTS.grouping.min_mean_score)
    return method.decoder(
        method.decoder_names()[0],
        keypoint_threshold=CANDIDATE_SHARE * threshold,
        min_mean_score=score / 2,
        min_keypoints=min(CANDIDATE_KEYPOINTS, decoding.get('min_keypoints', CANDIDATE_KEYPOINTS)),
    )


def people_map(pipeline: Pipeline, passes: Passes, image: ByteArray, keypoints: int) -> FloatArray:
    """Return a map (h, w) of where people are in an image, by the first pass over a model of so many keypoints."""
    if passes.regions == 'published':
        settings = passes.published()
        fields, _, _ = OneRegionFinder(pipeline.backend, settings).fields(image)
        strength: FloatArray = np.where(fields < settings.threshold, 0, fields).sum(axis=0)
        return strength
    height = pipeline.base_size if pipeline.backend.fixed_hw else passes.first_pass_height
    heatmaps = pipeline.with_size(height).forward([image])[0].maps[0]
    heat: FloatArray = heatmaps[:keypoints].max(axis=0)
    return heat
