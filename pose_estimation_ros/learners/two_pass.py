"""How two passes are composed: heights, regions, and the pipelines of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.settings import settings_from
from pose_estimation_ros.core.skeleton import Skeleton
from pose_estimation_ros.inference.pipeline import Pipeline
from pose_estimation_ros.inference.two_pass.first_pass import PeopleFinder, RegionFinder, RegionSettings
from pose_estimation_ros.inference.two_pass.published import EnclosingRegionFinder, RegionRule
from pose_estimation_ros.inference.two_pass.second_pass import PackedRegions, SingleRegions
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass
from pose_estimation_ros.learners.learner import Learner


@dataclass(frozen=True)
class Passes:
    """Input heights of the two passes, and how regions are cut for the second."""

    first_pass_height: int
    second_pass_height: int
    regions: Literal['people', 'published']
    person_height: float
    """Height of people in the second pass, in network pixels."""
    region_settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of RegionSettings or, for published regions, of their rule."""

    def __post_init__(self) -> None:
        self.cutting()  # wrong values are refused now, not at the first image

    def cutting(self) -> RegionSettings:
        """Return how regions are cut around people."""
        own = self.region_settings if self.regions == 'people' else {}
        return settings_from(RegionSettings, {'person_height': self.person_height, **own}, 'settings of people regions')

    def over(
        self,
        plain: Pipeline,
        first: Pipeline,
        scales: tuple[float, ...] = (1.0,),
        rule: RegionRule | None = None,
        max_persons: int = 0,
    ) -> TwoPass:
        """Return a pipeline of both passes.

        Args:
            plain: Runs the model of the second pass; its height counts only where the model takes no other.
            first: The same for the first pass; it may be the same pipeline.
            scales: Of the second pass; every region is processed at each.
            rule: Of the one region, where regions are published.
            max_persons: Maximum number of people; 0 for no limit.

        """
        model = _with_height(plain, self.second_pass_height)
        second, first = model.with_looks(scales), _with_height(first, self.first_pass_height)
        whole = plain.backend.fixed_hw is not None or rule is not None
        look = SingleRegions(second) if whole else PackedRegions(second)
        finder: RegionFinder = (
            PeopleFinder(first, self.cutting()) if rule is None else EnclosingRegionFinder(first.backend, rule)
        )
        return TwoPass(model, finder, look, self.cutting(), max_persons)


def check_first_pass(learner: Learner, skeleton: Skeleton) -> None:
    """Raise SettingsError unless a learner can make the first pass of two."""
    if learner.takes_boxes or learner.method.skeleton is not skeleton:
        raise SettingsError(
            f'first_pass must be a learner of whole images that finds the {len(skeleton)} keypoints of'
            f' {skeleton.name}, got one of {learner.method.name}'
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


def people_map(pipeline: Pipeline, height: int, image: ByteArray) -> FloatArray:
    """Return a map (h, w) of where people are: the maximum over the keypoints' heatmaps."""
    heatmaps = _with_height(pipeline, height).forward([image])[0].maps[0]
    heat: FloatArray = heatmaps[: len(pipeline.method.skeleton)].max(axis=0)
    return heat
