"""When the node handled a frame, and the time that the node itself took."""

from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.inference.pipeline import Timings


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


@dataclass(frozen=True)
class NodeTimes:
    """Milliseconds that the node itself took for one frame."""

    queue_ms: float
    """Waiting for the previous frame."""
    wait_ms: float
    """Then until the worker's thread began: the hand-over between threads."""
    convert_ms: float
    track_ms: float
    """Ids, smoothing, and depth if enabled."""
    publish_ms: float
    """Building messages and publishing them."""
    overhead_ms: float
    """From the callback until everything is published, without `queue_ms` and the stages of the pipeline."""

    @classmethod
    def of(cls, frame_times: FrameTimes, timings: Timings) -> 'NodeTimes':
        """Return the times between these points that the pipeline did not take."""
        turn = max(frame_times.received, frame_times.free)
        return cls(
            queue_ms=(turn - frame_times.received) * 1e3,
            wait_ms=(frame_times.started - turn) * 1e3,
            convert_ms=(frame_times.converted - frame_times.started) * 1e3,
            track_ms=(frame_times.tracked - frame_times.inferred) * 1e3,
            publish_ms=(frame_times.published - frame_times.tracked) * 1e3,
            overhead_ms=(frame_times.published - turn) * 1e3 - timings.total_ms,
        )


NODE_TIMES = ('queue_ms', 'wait_ms', 'convert_ms', 'track_ms', 'publish_ms', 'overhead_ms')
