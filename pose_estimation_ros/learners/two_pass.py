"""How two passes are composed: heights, regions, and the pipelines of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import OPENPOSE_18
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.two_pass.enclosing_region import EnclosingRegionFinder, RegionRule
from pose_estimation_ros.inference.two_pass.first_pass import PeopleFinder, RegionFinder, RegionSettings
from pose_estimation_ros.inference.two_pass.second_pass import PackedRegions, SingleRegions
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.methods.method import Decoder, Method

PERSON_SHARE = 0.37
"""Height of people in the second pass, as a share of its input height: 200 pixels of the published 540."""
CANDIDATE_SHARE = 0.6
"""Minimum keypoint score in the first pass, as a share of the decoder's."""
CANDIDATE_KEYPOINTS = 2


@dataclass(frozen=True)
class Passes:
    """Input heights of the two passes, and how regions are cut for the second."""

    first_pass_height: int = 360
    second_pass_height: int = 540
    regions: Literal['people', 'published'] = 'people'
    region_settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of RegionSettings or, for published regions, of their rule."""

    def __post_init__(self) -> None:
        self.cutting()  # wrong values are refused now, not at the first image

    def cutting(self) -> RegionSettings:
        """Return how regions are cut around people."""
        own = self.region_settings if self.regions == 'people' else {}
        height = PERSON_SHARE * self.second_pass_height
        return settings_from(RegionSettings, {'person_height': height, **own}, 'settings of people regions')

    def over(
        self,
        plain: Pipeline,
        first: Pipeline,
        method: Method,
        decoding: Mapping[str, Any],
        scales: tuple[float, ...] = (1.0,),
        rule: RegionRule | None = None,
    ) -> TwoPass:
        """Return a pipeline of both passes.

        Args:
            plain: Runs the model of the second pass; its height counts only where the model takes no other.
            first: The same for the first pass; it may be the same pipeline.
            method: The first pass's.
            decoding: Settings of its decoder, with keypoint_threshold and min_mean_score.
            scales: Of the second pass; every region is processed at each.
            rule: Of the one region, where regions are published.

        """
        model, has_one_size = _with_height(plain, self.second_pass_height), plain.backend.fixed_hw is not None
        second = model.with_looks(scales)
        whole = has_one_size or rule is not None
        look = SingleRegions(second) if whole else PackedRegions(second, plain.stride)
        finder = self._finder(_with_height(first, self.first_pass_height), method, decoding, rule)
        return TwoPass(model, finder, look, self.cutting(), decoding.get('max_persons', 0))

    def _finder(
        self, first: Pipeline, method: Method, decoding: Mapping[str, Any], rule: RegionRule | None
    ) -> RegionFinder:
        if rule is not None:
            return EnclosingRegionFinder(first.backend, rule)
        return PeopleFinder(first, candidates_of(method, decoding), self.cutting(), len(method.skeleton))


def check_first_pass(learner: Learner) -> None:
    """Raise SettingsError unless a learner can make the first pass of two."""
    if learner.takes_boxes or learner.method.skeleton is not OPENPOSE_18:
        raise SettingsError(
            f'first_pass must be a learner of whole images that finds the {len(OPENPOSE_18)} keypoints of'
            f' {OPENPOSE_18.name}, got one of {learner.method.name}'
        )


def first_pipeline(learner: Learner, upsample_ratio: int | None) -> Pipeline:
    """Return a learner's pipeline as the first pass; raises SettingsError if that is one of two passes itself."""
    pipeline = learner.pipeline(upsample_ratio)
    if not isinstance(pipeline, Pipeline):
        raise SettingsError(
            f'first_pass must be a learner of one pass, got {type(learner).__name__}; give the learner of its model'
        )
    return pipeline


def _with_height(pipeline: Pipeline, height: int) -> Pipeline:
    """Return the pipeline with another height, unless its model has a fixed size."""
    return pipeline if pipeline.backend.fixed_hw is not None else pipeline.with_size(height)


def candidates_of(method: Method, decoding: Mapping[str, Any]) -> Decoder:
    """Return a decoder that also returns people whom the settings would drop."""
    return method.decoder(
        method.decoder_names()[0],
        keypoint_threshold=CANDIDATE_SHARE * decoding['keypoint_threshold'],
        min_mean_score=decoding['min_mean_score'] / 2,
        min_keypoints=min(CANDIDATE_KEYPOINTS, decoding.get('min_keypoints', CANDIDATE_KEYPOINTS)),
    )


def people_map(pipeline: Pipeline, height: int, image: ByteArray, keypoints: int) -> FloatArray:
    """Return a map (h, w) of where people are: the maximum over the first `keypoints` heatmaps."""
    height = pipeline.base_size if pipeline.backend.fixed_hw else height
    heatmaps = pipeline.with_size(height).forward([image])[0].maps[0]
    heat: FloatArray = heatmaps[:keypoints].max(axis=0)
    return heat
