"""Trackers by the names that command line and node know them by."""

from collections.abc import Callable
from dataclasses import dataclass

from pose_estimation_ros.core.settings import setting
from pose_estimation_ros.tracking.flow import flow_tracker
from pose_estimation_ros.tracking.tracker import Tracker

DEFAULT_TRACKER = 'similarity'

TRACKERS: dict[str, Callable[[], Tracker]] = {
    DEFAULT_TRACKER: Tracker,
    'published': Tracker.published,
    'flow': flow_tracker,
}
"""By near keypoints, as in Osokin (2018), or by optical flow, for fast people or cameras."""


@dataclass(frozen=True)
class TrackerChoice:
    tracker: str = setting(
        DEFAULT_TRACKER,
        'Tracking strategy: similarity of keypoints, the published one, or optical flow (fast people, moving cameras).',
        choices=tuple(TRACKERS),
    )
