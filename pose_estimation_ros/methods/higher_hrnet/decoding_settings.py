"""Settings of the decoders, with their defaults."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from pose_estimation_ros.core.settings import check_settings, setting
from pose_estimation_ros.methods import shared_settings


@dataclass(frozen=True)
class GroupingSettings:
    """How peaks become people; the defaults are those of the official code."""

    tag_threshold: float = setting(
        1.0, 'Maximum difference between the tag of a keypoint and the mean tag of its person.',
        range=(0, math.inf), parameter_range=(0, 100), live=True,
    )  # fmt: skip
    nms_window: int = setting(
        5, 'Side, in pixels of the network input, of the square in which a peak must be the highest value.',
        range=(1, 31), step=2, live=True,
    )  # fmt: skip
    adjust: bool = setting(
        True, 'Place keypoints between cells, not in the middle of the highest one.', option=None, parameter=None
    )
    refine: bool = setting(
        True, 'Place the missing keypoints of a person where the heatmap is highest among cells with its tag.',
        option=None, live=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class DecodingSettings:
    """Settings of the decoders; the defaults are those of the official code, and drop nobody."""

    group: ClassVar[str] = 'decoding'

    keypoint_threshold: float = shared_settings.keypoint_threshold(0.1)
    max_persons: int = shared_settings.max_persons(30)
    """Also the number of peaks per keypoint that are grouped."""
    min_keypoints: int = shared_settings.min_keypoints(1)
    """Counted before `refine`."""
    min_mean_score: float = shared_settings.min_mean_score(0.0)
    """Of the mean over all keypoints before `refine`, 0 for the missing ones."""
    grouping: GroupingSettings = field(default_factory=GroupingSettings)

    def __post_init__(self) -> None:
        check_settings(self)
