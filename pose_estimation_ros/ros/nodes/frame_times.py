"""When the node handled a frame, and the time that the node itself took."""

from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.inference.pipeline import Timings

NODE_TIMES = ('queue_ms', 'wait_ms', 'convert_ms', 'track_ms', 'publish_ms', 'overhead_ms')


@dataclass(frozen=True, eq=False)
class ReceivedMessage:
    """A message and when the callback received it, by `time.perf_counter()`."""

    message: Any
    at: float


@dataclass(frozen=True)
class FrameTimes:
    """Seconds of `time.perf_counter()`, which on Linux all processes share; `stamp` is that of the header."""

    stamp: float
    received: float
    """The callback was called."""
    free: float
    """The worker had finished the previous frame; this may be later than `received`."""
    started: float
    """The worker began with the frame."""
    converted: float
    inferred: float
    tracked: float
    published: float

    def node_ms(self, timings: Timings) -> dict[str, float]:
        """Return the milliseconds that the node itself took, by NODE_TIMES.

        `queue_ms` waits for the previous frame, `wait_ms` for the hand-over to the worker's thread; `track_ms` are ids,
        smoothing, and depth if enabled; `publish_ms` builds messages and publishes them; `overhead_ms` is all from the
        callback on without `queue_ms` and the stages of the pipeline.
        """
        turn = max(self.received, self.free)
        spent = (
            turn - self.received,
            self.started - turn,
            self.converted - self.started,
            self.tracked - self.inferred,
            self.published - self.tracked,
            self.published - turn - timings.total_ms * 1e-3,
        )
        return dict(zip(NODE_TIMES, (1e3 * each for each in spent), strict=True))
