"""Identities over time."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.tracking.one_euro import PUBLISHED_HZ, OneEuro
from pose_estimation_ros.tracking.similarity import Similarity, closeness, count_similar_keypoints

PUBLISHED_THRESHOLD = 3.0

TIME_JUMP_S = 0.5


class Smoother(Protocol):
    """Smooths keypoints over time. It keeps nothing itself: what it remembers of a person, the tracker holds."""

    def smooth(self, xy: FloatArray, stamp: float, states: Sequence[Any]) -> tuple[FloatArray, Sequence[Any]]:
        """Return the smoothed points (N, K, 2) of N people and their new states; a state is None at first."""
        ...


@dataclass(frozen=True, eq=False)
class _Track:
    """A person as last seen: the pose as it was given out, and what the smoother remembers."""

    pose: Pose
    stamp: float
    memory: Any


class Tracker:
    """Gives people ids that last, and smooths their keypoints.

    Poses take their pick in order of confidence: the most similar person among those of the last frame, if the
    similarity reaches `threshold`, else a new id. Ids count from 0 in every tracker. People who disappear may be
    found again for `max_age` seconds, where people of the last frame win ties; with 0 the last frame alone counts,
    as in the published code. A network that misses someone for a few frames is common on a robot, hence the default.
    Someone first seen with fewer than `sure_keypoints` keypoints gets an id when seen a second time: most such
    fragments are phantoms of a single frame.
    """

    def __init__(
        self,
        *,
        similarity: Similarity = closeness,
        threshold: float = 1.0,
        smoother: Smoother | None = None,
        max_age: float = 0.5,
        sure_keypoints: int = 6,
    ) -> None:
        if not (threshold > 0 and max_age >= 0 and sure_keypoints >= 0):
            raise SettingsError(
                'threshold must be above 0, max_age and sure_keypoints at least 0, '
                f'got {threshold}, {max_age} and {sure_keypoints}'
            )
        self._sure_keypoints = sure_keypoints
        self._similarity = similarity
        self._threshold = threshold
        self._smoother: Smoother = smoother or OneEuro()
        self._max_age = max_age
        self.reset()

    @classmethod
    def published(cls) -> 'Tracker':
        """Make a tracker that behaves as Lightweight OpenPose's: last frame only, filters at a fixed 15 Hz."""
        return cls(
            similarity=count_similar_keypoints,
            threshold=PUBLISHED_THRESHOLD,
            smoother=OneEuro(frequency=PUBLISHED_HZ),
            max_age=0,
            sure_keypoints=0,
        )

    def reset(self) -> None:
        """Forget everybody; ids start at 0 again."""
        self._next_id = 0
        self._stamp = -math.inf
        self._seen: list[_Track] = []  # in the last frame, in the order given
        self._lost: list[_Track] = []  # before, the latest first

    @property
    def people(self) -> list[Pose]:
        """People as they were last given out, those included who were lost a moment ago."""
        return [track.pose for track in [*self._seen, *self._lost]]

    def update(self, poses: list[Pose], stamp: float | None = None, smooth: bool = True) -> list[Pose]:
        """Return the poses of the next frame, in the order given, with ids and, if wanted, smoothed keypoints.

        Args:
            poses: People of this frame; their own ids are ignored.
            stamp: When the picture was taken, in seconds. None takes this machine's monotonic clock; do not mix the
                two. A stamp more than TIME_JUMP_S before the last one (a bag that starts again) resets the tracker
                first; pictures that merely come out of order count as of the same moment.
            smooth: Without it keypoints stay as they are, and filters start afresh when it comes back.

        Raises:
            ValueError: The skeleton is not that of the people tracked so far.

        """
        stamp = time.monotonic() if stamp is None else stamp
        if stamp < self._stamp - TIME_JUMP_S:
            self.reset()
        stamp = self._stamp = max(stamp, self._stamp)
        # `0 <`: where all stamps are equal (a driver that sets none), people of the last frame alone are candidates.
        candidates = self._seen + [track for track in self._lost if 0 < stamp - track.stamp <= self._max_age]
        matches = self._match(poses, candidates)
        if smooth and poses:
            poses, memories = self._smooth(poses, matches, stamp)
        else:
            memories = [None] * len(poses)
        self._seen = [
            _Track(pose.with_id(identity), stamp, memory)
            for pose, identity, memory in zip(poses, self._identities(poses, matches), memories, strict=True)
        ]
        matched = {id(track) for track in matches}
        self._lost = [track for track in candidates if id(track) not in matched]
        return [track.pose for track in self._seen]

    def _match(self, poses: list[Pose], candidates: list[_Track]) -> list[_Track | None]:
        """Return for each pose the track it continues; the most confident choose first."""
        matches: list[_Track | None] = [None] * len(poses)
        if not poses or not candidates:
            return matches
        similarity = np.array(self._similarity([track.pose for track in candidates], poses), dtype=np.float64)
        for index in _by_confidence(poses):
            best = int(similarity[:, index].argmax())
            if similarity[best, index] >= self._threshold:
                matches[index] = candidates[best]
                similarity[best] = -np.inf
        return matches

    def _identities(self, poses: list[Pose], matches: list[_Track | None]) -> list[int | None]:
        """Return an id for each pose: that of its track, or the next free one in order of confidence.

        A fragment of which nothing was seen before gets none yet.
        """
        identities = [None if track is None else track.pose.id for track in matches]
        for index in _by_confidence(poses):
            sure = matches[index] is not None or len(poses[index].found) >= self._sure_keypoints
            if identities[index] is None and sure:
                identities[index] = self._next_id
                self._next_id += 1
        return identities

    def _smooth(
        self, poses: list[Pose], matches: list[_Track | None], stamp: float
    ) -> tuple[list[Pose], Sequence[Any]]:
        """Return the poses with smoothed keypoints, and what the smoother remembers of each."""
        xy = np.stack([pose.keypoints[:, :2] for pose in poses])  # (N, K, 2)
        xy, memories = self._smoother.smooth(xy, stamp, [track.memory if track else None for track in matches])
        return [pose.moved(points) for pose, points in zip(poses, xy, strict=True)], memories


def _by_confidence(poses: list[Pose]) -> list[int]:
    return sorted(range(len(poses)), key=lambda index: -poses[index].score)
