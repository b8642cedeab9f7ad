"""Counts of what was found in a source."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.plurals import counted
from pose_estimation_ros.core.pose import Pose

WHOLE = 14
"""Keypoints of a person who is completely visible."""


@dataclass
class Tally:
    """Counts frames, poses and tracks since it was made, and keeps the image that shows people best."""

    frames: int = 0
    poses: int = 0
    ids: set[int] = field(default_factory=set)
    image: ByteArray | None = None
    _showing: float = -math.inf
    _started: float = field(default_factory=time.perf_counter)

    def add(self, poses: Sequence[Pose], annotated: ByteArray | None = None) -> None:
        """Count a frame; an image is best with the most complete people, each fragment counting half against it."""
        self.frames += 1
        self.poses += len(poses)
        self.ids |= {pose.id for pose in poses if pose.id is not None}
        whole = sum(len(pose.found) >= WHOLE for pose in poses)
        showing = whole - 0.5 * (len(poses) - whole)
        if annotated is not None and showing > self._showing:
            self._showing, self.image = showing, annotated.copy()

    def rate(self) -> float:
        """Return the frames per second so far."""
        return self.frames / max(time.perf_counter() - self._started, 1e-9)

    def __str__(self) -> str:
        return ', '.join([counted(self.frames, 'frame'), counted(self.poses, 'pose'), counted(len(self.ids), 'track')])

    def summary(self) -> str:
        """Return the counts with the mean number of people."""
        mean = self.poses / self.frames if self.frames else 0.0
        return f'{counted(self.frames, "frame")}, {mean:.1f} people a frame, {counted(len(self.ids), "track")}'
