"""The tracker: assigns ids that persist, and smooths keypoints."""

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
from pose_estimation_ros.tracking.track import (
    Matching,
    PropagatedPose,
    Track,
    confident_first,
    most_similar,
    propagated,
)

PUBLISHED_THRESHOLD = 3.0

TIME_JUMP_S = 0.5


class Smoother(Protocol):
    """Smooths keypoints over time. It is stateless; the tracker keeps the state of each person."""

    def smooth(self, xy: FloatArray, stamp: float, states: Sequence[Any]) -> tuple[FloatArray, Sequence[Any]]:
        """Return the smoothed points (N, K, 2) of N people and their new states; initial states are None."""


class Tracker:
    """Assigns persistent ids to people and smooths their keypoints.

    In order of confidence, each pose gets the id of the most similar person of the last frame if the similarity reaches
    `threshold`, otherwise a new id. Ids count from 0 in every tracker. Lost people can be found again for `max_age`
    seconds; people of the last frame win ties. With 0 only the last frame is used, as in the published code; networks
    often miss people for a few frames, hence the default. People first detected with fewer than `sure_keypoints`
    keypoints get an id at the second detection, since most such fragments are false positives of a single frame.

    With a `queue` of several frames all poses of a person in these frames are compared, not only the last one, and lost
    people can be found again for that many frames. With `motion`, poses are moved by the motion of the image before
    they are compared; `update` then needs the image. `flow_tracker` combines both.
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
        """Return the tracker of Osokin (2018): last frame only, filters at a fixed 15 Hz."""
        return cls(
            similarity=count_similar_keypoints,
            threshold=PUBLISHED_THRESHOLD,
            smoother=OneEuro(frequency=PUBLISHED_HZ),
            max_age=0,
            sure_keypoints=0,
        )

    @property
    def needs_image(self) -> bool:
        return self._motion is not None

    def reset(self) -> None:
        """Forget all people; ids start at 0 again."""
        self._next_id = 0
        self._stamp = -math.inf
        self._frame = 0
        self._current: list[Track] = []  # of the last frame, in the order of its poses
        self._lost: list[Track] = []  # of earlier frames, the latest first
        self._image: Any = None  # the last image as prepared by `motion`
        self._is_moved = False

    def expect(self, image: ByteArray, stamp: float | None = None) -> list[Pose]:
        """Return the people of the last frame at their expected positions in the next image, (H, W, 3) BGR.

        Top-down methods make boxes of them by `propagated_boxes`. The next call of `update` must be for the same image.
        Without `motion` people do not move. A stamp that jumps back in time resets the tracker, as in `update`.
        """
        if stamp is not None:
            self._forget_after_a_jump(stamp)
        self._move(image)
        self._is_moved = True
        return [track.history[0].pose for track in self._current]

    @property
    def people(self) -> list[Pose]:
        """The last pose of all people, including those who can be found again."""
        return [track.pose for track in [*self._current, *self._lost]]

    def update(
        self, poses: list[Pose], stamp: float | None = None, smooth: bool = True, image: ByteArray | None = None
    ) -> list[Pose]:
        """Return the poses of the next frame, in the same order, with ids and, if wanted, smoothed keypoints.

        Ids that the poses have are ignored. `stamp` is the time of the image in seconds; None uses the monotonic clock;
        do not mix the two. A stamp more than TIME_JUMP_S before the last one (a bag that starts again) resets the
        tracker first; others out of order are treated as equal to the last one. The filters restart after frames
        without `smooth`. The image is (H, W, 3) BGR. Raises ValueError if the skeleton differs from that of tracked
        people, or if there is no image though `needs_image`.
        """
        stamp = time.monotonic() if stamp is None else stamp
        self._forget_after_a_jump(stamp)
        stamp = self._stamp = max(stamp, self._stamp)
        if not self._is_moved:
            self._move(image)
        self._is_moved = False
        self._frame += 1
        candidates = self._candidates(stamp)
        matches = self._match(poses, candidates)
        found = poses
        states: Sequence[Any] = [None] * len(poses)
        if smooth and poses:
            poses, states = self._smooth(poses, matches, stamp)
        identified = [
            pose.with_id(identity) for pose, identity in zip(poses, self._identities(poses, matches), strict=True)
        ]
        self._current = []
        for pose, original, state, match in zip(identified, found, states, matches, strict=True):
            # Flow starts at unsmoothed points: smoothed ones lag behind and may lie on another person.
            latest = PropagatedPose(pose if self._motion is None else original.with_id(pose.id), self._frame)
            past = () if match is None else match.history
            queued = (each for each in past if each.frame > self._frame - self._queue)
            self._current.append(Track(pose, stamp, state, (latest, *queued)))
        matched = {id(track) for track in matches}
        self._lost = [track for track in candidates if id(track) not in matched]
        return identified

    def _forget_after_a_jump(self, stamp: float) -> None:
        if stamp < self._stamp - TIME_JUMP_S:
            self.reset()

    def _move(self, image: ByteArray | None) -> None:
        if self._motion is None:
            return
        if image is None:
            raise ValueError('this tracker uses the motion of the image: update needs the image (image=...)')
        before, self._image = self._image, self._motion.prepare(image)
        if before is not None:
            self._current, self._lost = (
                propagated(tracks, self._motion, before, self._image) for tracks in (self._current, self._lost)
            )

    def _candidates(self, stamp: float) -> list[Track]:
        """Return the tracks that may continue, those of the last frame first."""
        if self._queue:
            first = self._frame - self._queue
            return [track for track in self._current + self._lost if track.history[0].frame >= first]
        # `0 <`: if all stamps are equal (a driver that sets none), only tracks of the last frame are candidates.
        return self._current + [track for track in self._lost if 0 < stamp - track.stamp <= self._max_age]

    def _match(self, poses: list[Pose], candidates: list[Track]) -> list[Track | None]:
        if not poses or not candidates:
            return [None] * len(poses)
        similarity = most_similar(self._similarity, candidates, poses)
        matches = self._matching(similarity, np.array([pose.score for pose in poses]), self._threshold)
        return [None if index is None else candidates[index] for index in matches]

    def _identities(self, poses: list[Pose], matches: list[Track | None]) -> list[int | None]:
        """Return an id for each pose: that of its track, or the next free one in order of confidence.

        A new fragment has no id yet.
        """
        identities = [None if track is None else track.pose.id for track in matches]
        for index in sorted(range(len(poses)), key=lambda index: -poses[index].score):
            sure = matches[index] is not None or len(poses[index].found) >= self._sure_keypoints
            if identities[index] is None and sure:
                identities[index] = self._next_id
                self._next_id += 1
        return identities

    def _smooth(self, poses: list[Pose], matches: list[Track | None], stamp: float) -> tuple[list[Pose], Sequence[Any]]:
        xy = np.stack([pose.keypoints[:, :2] for pose in poses])  # (N, K, 2)
        xy, states = self._smoother.smooth(xy, stamp, [track.smoother_state if track else None for track in matches])
        return [pose.moved(points) for pose, points in zip(poses, xy, strict=True)], states
