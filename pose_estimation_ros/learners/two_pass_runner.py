"""What the high-resolution learner looks with: two passes over one model, and what may change while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.inference.pipeline import Pipeline, Result
from pose_estimation_ros.inference.two_pass.finding import Finder, PeopleFinder, RegionSettings
from pose_estimation_ros.inference.two_pass.looking import PackedLook, SingleLook
from pose_estimation_ros.inference.two_pass.published import PublishedFinder, PublishedSettings
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass
from pose_estimation_ros.inference.two_pass.watching import Watch
from pose_estimation_ros.learners.first_pass import FirstPass
from pose_estimation_ros.learners.lightweight_openpose import LightweightOpenPoseLearner
from pose_estimation_ros.learners.settings import MULTISCALE
from pose_estimation_ros.methods.high_resolution.options import TwoPassSettings
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
    """Fields of RegionSettings, or of PublishedSettings, that are to be other than they are."""

    def __post_init__(self) -> None:
        TwoPassSettings(self.first_pass_height, self.second_pass_height, self.regions)  # checks them
        settings = RegionSettings if self.regions == 'people' else PublishedSettings
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

    def published(self) -> PublishedSettings:
        """Return the published rule's numbers."""
        return PublishedSettings(self.first_pass_height, self.second_pass_height, **self.region_settings)

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
        look = SingleLook(second) if whole else PackedLook(second, plain.stride)
        finder = self._finder(_with_height(first, self.first_pass_height), method, decoding)
        return TwoPass(model, finder, look, self.cutting(), decoding.get('max_persons', 0))

    def _finder(self, first: Pipeline, method: Method, decoding: Mapping[str, Any]) -> Finder:
        if self.regions == 'published':
            return PublishedFinder(first.backend, self.published())
        return PeopleFinder(first, candidates_of(method, decoding), self.cutting(), len(method.skeleton))

    def with_heights(self, first_pass_height: int | None, second_pass_height: int | None) -> 'Passes':
        """Return the same with other heights, None for one that stays; raises SettingsError."""
        return replace(
            self,
            first_pass_height=self.first_pass_height if first_pass_height is None else first_pass_height,
            second_pass_height=self.second_pass_height if second_pass_height is None else second_pass_height,
        )


class TwoPassRunner:
    """Looks twice: with a learner's model or, in the first pass, with another's."""

    def __init__(
        self,
        plain: LightweightOpenPoseLearner,
        first: FirstPass,
        passes: Passes,
        watch: Watch,
        decoding: Mapping[str, Any],
    ) -> None:
        self.passes = passes
        self.watch = watch
        self.decoding = dict(decoding)
        self._plain, self._first = plain, first

    def pipeline(self, upsample_ratio: int = 4, multiscale: bool | None = None) -> TwoPass:
        """Return what turns pictures into poses; `multiscale` None sees regions at the learner's own scales."""
        model, first = self._plain.pipeline(upsample_ratio), self._first.pipeline(upsample_ratio)
        own = self._plain.training.scales
        scales = own if multiscale is None else MULTISCALE if multiscale else (1.0,)
        return self.passes.over(model, first, self._first.learner.method, self.decoding, scales)

    def next(self, pipeline: TwoPass, image: ByteArray, people: Sequence[Pose]) -> Result:
        """Return the people in the next picture of a video, given those of the last."""
        if self.passes.regions == 'published':  # which knows one box only, and finds it anew in every picture
            return pipeline(image)
        return self.watch(pipeline, image, people)

    def tune(
        self, base_height: int | None, first_pass_height: int | None, second_pass_height: int | None, **decoding: Any
    ) -> None:
        """Change what needs no new model; raises SettingsError before anything has changed."""
        passes = self.passes.with_heights(first_pass_height, second_pass_height)
        self._plain.tune(base_height, **decoding)
        self.passes, self.decoding = passes, {**self.decoding, **decoding}


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
