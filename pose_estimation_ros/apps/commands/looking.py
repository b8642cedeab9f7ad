"""How `evaluate` looks at pictures: once, mirrored too, at several sizes, or at the people in boxes."""

from typing import Any

from jsonargparse import Namespace

from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.inference.detectors.person_detector import WholeImage
from pose_estimation_ros.inference.pipeline import PeoplePipeline, PosePipeline
from pose_estimation_ros.inference.test_time import Flipped, MultiScale
from pose_estimation_ros.inference.top_down import TopDown
from pose_estimation_ros.inference.two_pass.two_pass import TwoPass
from pose_estimation_ros.methods.method import Method


def looking(
    plain: Any, method: Method, settings: Namespace, scales: tuple[float, ...], truth: dict[str, Any]
) -> tuple[PeoplePipeline, dict[int, Boxes] | None]:
    """Return what looks at pictures as the options say, and where people are in them if that is given."""
    if isinstance(plain, TopDown):
        from pose_estimation_ros.learners.person_datasets import boxes_for

        if scales:
            raise SettingsError('--scales is for methods that look at whole pictures; crops have one size')
        source = settings.boxes or ('detector' if settings.detector else 'whole_image')
        if source == 'whole_image':
            plain = plain.with_detector(WholeImage())
        return plain.with_settings(flip=settings.flip), boxes_for(source, truth)
    return looking_often(plain, scales, method if settings.flip else None), None


def looking_often(plain: PosePipeline | TwoPass, scales: tuple[float, ...], flips: Method | None) -> PeoplePipeline:
    """Return a pipeline that sees pictures, or what its second pass looks at, at several scales and mirrored."""

    def wrapped(pipeline: PosePipeline) -> PosePipeline:
        pipeline = MultiScale(pipeline, scales) if scales else pipeline
        return Flipped(pipeline, flips) if flips else pipeline

    return plain.with_second_pass(wrapped) if isinstance(plain, TwoPass) else wrapped(plain)
