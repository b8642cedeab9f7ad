"""Identities over time."""

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray, FloatArray
from pose_estimation_ros.core.errors import SettingsError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.tracking.motion import Motion
from pose_estimation_ros.tracking.one_euro import PUBLISHED_HZ, OneEuro
from pose_estimation_ros.tracking.similarity import Similarity, closeness, count_similar_keypoints
from pose_estimation_ros.tracking.track import Matching, Trace, Track, carried, confident_first, most_similar

PUBLISHED_THRESHOLD = 3.0

TIME_JUMP_S = 0.5


class Smoother(Protocol):
    """Smooths keypoints over time. It keeps nothing itself: what it remembers of a person, the tracker holds."""

    def smooth(self, xy: FloatArray, stamp: float, states: Sequence[Any]) -> tuple[FloatArray, Sequence[Any]]:
        """Return the smoothed points (N, K, 2) of N people and their new states; a state is None at first."""
        ...


class Tracker:
    """Gives people ids that last, and smooths their keypoints.

    Poses take their pick in order of confidence: the most similar person among those of the last frame, if the
    similarity reaches `threshold`, else a new id. Ids count from 0 in every tracker. People who disappear may be
    found again for `max_age` seconds, where people of the last frame win ties; with 0 the last frame alone counts,
    as in the published code. A network that misses someone for a few frames is common on a robot, hence the default.
    Someone first seen with fewer than `sure_keypoints` keypoints gets an id when seen a second time: most such
    fragments are phantoms of a single frame.

    With a `queue` of several frames every pose of a person in these frames counts, not only the last one, and people
    may be found again for so many frames, whatever the time. With `motion` people are compared where the image says
    that they have moved to; `update` then needs the image. `flow_tracker` puts both together.
    """

    def __init__(
        self,
        *,
        similarity: Similarity = closeness,
        threshold: float = 1.0,
        smoother: Smoother | None = None,
        max_age: float = 0.5,
        sure_keypoints: int = 6,
        matching: Matching = confident_first,
        motion: Motion | None = None,
        queue: int = 0,
    ) -> None:
        if not (threshold > 0 and max_age >= 0 and sure_keypoints >= 0 and queue >= 0):
            raise SettingsError(
                'threshold must be above 0, max_age, sure_keypoints and queue at least 0, '
                f'got {threshold}, {max_age}, {sure_keypoints} and {queue}'
            )
        self._sure_keypoints = sure_keypoints
        self._similarity = similarity
        self._threshold = threshold
        self._smoother: Smoother = smoother or OneEuro()
        self._max_age = max_age
        self._matching = matching
        self._motion = motion
        self._queue = queue
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

    @property
    def needs_image(self) -> bool:
        """Whether `update` must be given the image."""
        return self._motion is not None

    def reset(self) -> None:
        """Forget everybody; ids start at 0 again."""
        self._next_id = 0
        self._stamp = -math.inf
        self._frame = 0
        self._seen: list[Track] = []  # in the last frame, in the order given
        self._lost: list[Track] = []  # before, the latest first
        self._view: Any = None  # what `motion` keeps of the last image
        self._looked = False

    def expect(self, image: ByteArray, stamp: float | None = None) -> list[Pose]:
        """Return the people of the last frame where they should be in the next image, (H, W, 3) BGR.

        For methods that look for people in boxes: `propagated_boxes` makes boxes of them. The next `update` is that
        of this image and looks at it no more. Without `motion` people stay where they were. A stamp that `update`
        would take for a jump back in time has everybody forgotten now.
        """
        if stamp is not None:
            self._forget_after_a_jump(stamp)
        self._look(image)
        self._looked = True
        return [track.traces[0].pose for track in self._seen]

    @property
    def people(self) -> list[Pose]:
        """People as they were last given out, those included who were lost a moment ago."""
        return [track.pose for track in [*self._seen, *self._lost]]

    def update(
        self, poses: list[Pose], stamp: float | None = None, smooth: bool = True, image: ByteArray | None = None
    ) -> list[Pose]:
        """Return the poses of the next frame, in the order given, with ids and, if wanted, smoothed keypoints.

        Args:
            poses: People of this frame; their own ids are ignored.
            stamp: When the image was taken, in seconds. None takes this machine's monotonic clock; do not mix the
                two. A stamp more than TIME_JUMP_S before the last one (a bag that starts again) resets the tracker
                first; images that merely come out of order count as of the same moment.
            smooth: Without it keypoints stay as they are, and filters start afresh when it comes back.
            image: The image, (H, W, 3) BGR; needed where `needs_image`.

        Raises:
            ValueError: The skeleton is not that of the people tracked so far, or the image is missing.

        """
        stamp = time.monotonic() if stamp is None else stamp
        self._forget_after_a_jump(stamp)
        stamp = self._stamp = max(stamp, self._stamp)
        if not self._looked:
            self._look(image)
        self._looked = False
        self._frame += 1
        candidates = self._candidates(stamp)
        matches = self._match(poses, candidates)
        found = poses
        if smooth and poses:
            poses, memories = self._smooth(poses, matches, stamp)
        else:
            memories = [None] * len(poses)
        given = [pose.with_id(identity) for pose, identity in zip(poses, self._identities(poses, matches), strict=True)]
        # Points are carried from where they were found: smoothed ones lag behind, where the flow is somebody else's.
        compared = given
        if self._motion is not None:
            compared = [pose.with_id(person.id) for pose, person in zip(found, given, strict=True)]
        self._seen = [
            Track(pose, stamp, memory, (Trace(trace, self._frame), *self._past(match)))
            for pose, trace, memory, match in zip(given, compared, memories, matches, strict=True)
        ]
        matched = {id(track) for track in matches}
        self._lost = [track for track in candidates if id(track) not in matched]
        return given

    def _forget_after_a_jump(self, stamp: float) -> None:
        if stamp < self._stamp - TIME_JUMP_S:
            self.reset()

    def _look(self, image: ByteArray | None) -> None:
        """Carry everybody from the last image to this one."""
        if self._motion is None:
            return
        if image is None:
            raise ValueError('this tracker follows people by their motion: update needs the image (image=...)')
        before, self._view = self._view, self._motion.look(image)
        if before is not None:
            self._seen, self._lost = (
                carried(tracks, self._motion, before, self._view) for tracks in (self._seen, self._lost)
            )

    def _candidates(self, stamp: float) -> list[Track]:
        """Return who may be continued, people of the last frame first."""
        if self._queue:
            first = self._frame - self._queue
            return [track for track in self._seen + self._lost if track.traces[0].frame >= first]
        # `0 <`: where all stamps are equal (a driver that sets none), people of the last frame alone are candidates.
        return self._seen + [track for track in self._lost if 0 < stamp - track.stamp <= self._max_age]

    def _past(self, track: Track | None) -> tuple[Trace, ...]:
        """Return a person's earlier poses that will still be in the queue when the next frame comes."""
        traces = () if track is None else track.traces
        return tuple(trace for trace in traces if trace.frame > self._frame - self._queue)

    def _match(self, poses: list[Pose], candidates: list[Track]) -> list[Track | None]:
        """Return for each pose the track it continues."""
        if not poses or not candidates:
            return [None] * len(poses)
        similarity = most_similar(self._similarity, candidates, poses)
        matches = self._matching(similarity, np.array([pose.score for pose in poses]), self._threshold)
        return [None if index is None else candidates[index] for index in matches]

    def _identities(self, poses: list[Pose], matches: list[Track | None]) -> list[int | None]:
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

    def _smooth(self, poses: list[Pose], matches: list[Track | None], stamp: float) -> tuple[list[Pose], Sequence[Any]]:
        """Return the poses with smoothed keypoints, and what the smoother remembers of each."""
        xy = np.stack([pose.keypoints[:, :2] for pose in poses])  # (N, K, 2)
        xy, memories = self._smoother.smooth(xy, stamp, [track.memory if track else None for track in matches])
        return [pose.moved(points) for pose, points in zip(poses, xy, strict=True)], memories


def _by_confidence(poses: list[Pose]) -> list[int]:
    return sorted(range(len(poses)), key=lambda index: -poses[index].score)
