"""Why frames are dropped, and the rules that drop them.

A frame passes `RateLimit` when it is received, then waits in the worker's `Mailbox`, where a newer one replaces it
(BUSY); `before_processing` decides when its turn comes. Errors of conversion and inference drop it in `FrameProcessor`.
"""

from enum import Enum

from pose_estimation_ros.ros.parameters.node_settings import NodeSettings

MAX_CREDIT = 2.5
"""Maximum credit: allows for jitter, but not for a burst after a pause."""


class DropReason(Enum):
    """Why a frame was dropped; /diagnostics has the number of all but PAUSED as `dropped, <value>`."""

    BUSY = 'busy'
    """A newer frame came before the node was done with the previous one."""
    STALE = 'stale'
    """Older than `max_frame_age`."""
    RATE = 'rate'
    """Above `max_rate`."""
    BROKEN = 'broken'
    """Empty, truncated or corrupt image data."""
    UNSUPPORTED = 'unsupported'
    """An encoding that is not supported."""
    FAILED = 'failed'
    """Inference or publishing raised an error."""
    PAUSED = 'paused'
    """`lazy` is set and nobody subscribes to an output."""


LOST = tuple(reason for reason in DropReason if reason is not DropReason.PAUSED)
"""Reasons for which frames are missing from the output."""


class RateLimit:
    """Credits a frame every 1/rate seconds, so that the mean rate is exact despite jitter. Not thread-safe."""

    def __init__(self) -> None:
        self._rate = self._credit = self._last = 0.0

    def allows(self, now: float, rate: float) -> bool:
        """Whether a frame that arrived at `now` (seconds, monotonic clock) passes; at a rate of 0 every frame does.

        In any t seconds at most rate * t + MAX_CREDIT frames pass.
        """
        earned = (now - self._last) * rate if rate == self._rate else MAX_CREDIT
        self._rate, self._last = rate, now
        self._credit = min(MAX_CREDIT, self._credit + earned)
        allowed = not rate or self._credit >= 1
        if allowed:
            self._credit = max(0.0, self._credit - 1)
        return allowed


def before_processing(stamp: float, now: float, has_subscribers: bool, settings: NodeSettings) -> DropReason | None:
    """Return why the next frame is dropped, None if it is processed.

    `stamp` (of the header, 0 if the driver sets none, so that the age is unknown) and `now` are seconds.
    """
    if settings.lazy and not has_subscribers:
        return DropReason.PAUSED
    return DropReason.STALE if stamp and 0 < settings.max_frame_age < now - stamp else None
