"""How the high-resolution learner composes two passes: heights, regions, and the pipelines of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
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

REGIONS = ('people', 'published')
PERSON_SHARE = 0.37
"""Of the second pass's height: how tall it shows people. At the published 540 rows that is 200 pixels."""
CANDIDATE_SHARE = 0.6
"""Of the decoder's own keypoint threshold: from here the first pass has an inkling of somebody."""
CANDIDATE_KEYPOINTS = 2
DEFAULTS = DecodingSettings()
HEIGHTS = frozenset(('first_pass_height', 'second_pass_height'))


@dataclass(frozen=True)
class Passes:
    """How to look twice."""

    first_pass_height: int = 360
    second_pass_height: int = 540
    regions: Literal['people', 'published'] = 'people'
    region_settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of RegionSettings, or of PublishedRegion, that are to be other than they are."""

    def __post_init__(self) -> None:
        TwoPassSettings(self.first_pass_height, self.second_pass_height, self.regions)  # checks them
        settings = RegionSettings if self.regions == 'people' else PublishedRegion
        known = {each.name for each in fields(settings)} - HEIGHTS
        unknown = self.region_settings.keys() - known
        if unknown:
            names = ', '.join(sorted(known))
            raise SettingsError(
                f'{self.regions} regions have no setting {", ".join(sorted(unknown))}; they have {names}'
            )
        self.cutting()  # wrong values are told now, not at the first picture
        if self.regions == 'published':
            self.published()

    def cutting(self) -> RegionSettings:
        """Return how regions are cut around people."""
        own = self.region_settings if self.regions == 'people' else {}
        return RegionSettings(**{'person_height': PERSON_SHARE * self.second_pass_height, **own})

    def published(self) -> PublishedRegion:
        """Return the published rule's numbers."""
        return PublishedRegion(self.first_pass_height, self.second_pass_height, **self.region_settings)

    def over(
        self,
        plain: Pipeline,
        first: Pipeline,
        method: Method,
        decoding: Mapping[str, Any],
        scales: tuple[float, ...] = (1.0,),
    ) -> TwoPass:
        """Return both passes; the pipelines' heights do not matter unless their models take no other.

        Args:
            plain: Runs the model of the second pass.
            first: Runs that of the first, which may be the same.
            method: The first pass's.
            decoding: Settings of its decoder.
            scales: Of the second pass; more than one see every region at several sizes.

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
            f'first_pass must be a learner that sees whole pictures and finds the {len(OPENPOSE_18)} keypoints of'
            f' Lightweight OpenPose, got one of {learner.method.name}'
        )


def first_pipeline(learner: Learner, upsample_ratio: int) -> Pipeline:
    """Return a learner's pipeline as the first pass; raises SettingsError where that is one of two passes itself."""
    pipeline = learner.pipeline(upsample_ratio)
    if not isinstance(pipeline, Pipeline):
        raise SettingsError(
            f'first_pass must look at pictures once, got {type(learner).__name__}; give the learner of its model, such'
            ' as LightweightOpenPoseLearner'
        )
    return pipeline


def _with_height(pipeline: Pipeline, height: int) -> Pipeline:
    """Return the same with another height, or as it is where its model takes no other."""
    return pipeline if pipeline.backend.fixed_hw is not None else pipeline.with_size(height)


def candidates_of(method: Method, decoding: Mapping[str, Any]) -> Decoder:
    """Return a decoder that also tells people whom the settings would have it leave out."""
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
