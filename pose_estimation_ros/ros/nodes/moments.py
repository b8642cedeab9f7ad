"""When a picture passed through the node's hands, and so what the node costs beside the network."""

from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.inference.pipeline import Timings


@dataclass(frozen=True, eq=False)
class Received:
    """A message and when the node's callback got it, by `time.perf_counter()`."""

    message: Any
    at: float


@dataclass(frozen=True)
class Moments:
    """Seconds of `time.perf_counter()`, which on Linux all processes share; `stamp` is the picture's own."""

    stamp: float
    received: float
    """The middleware has called the node."""
    free: float
    """The worker was done with the picture before, which may be later."""
    started: float
    """The worker's thread has the picture."""
    converted: float
    inferred: float
    tracked: float
    published: float


@dataclass(frozen=True)
class Costs:
    """Milliseconds of one picture that are the node's own."""

    queue_ms: float
    """While another picture was in work."""
    wait_ms: float
    """From then on until the worker's thread has it: the hand-over between threads."""
    convert_ms: float
    track_ms: float
    """Ids, smoothing, and depth where it is enabled."""
    publish_ms: float
    """Messages made and handed to the middleware."""
    overhead_ms: float
    """From the callback until everything is published, less `queue_ms` and the pipeline's own stages."""

    @classmethod
    def of(cls, moments: Moments, timings: Timings) -> 'Costs':
        """Return what lies between the moments and is not the pipeline's."""
        turn = max(moments.received, moments.free)
        return cls(
            queue_ms=(turn - moments.received) * 1e3,
            wait_ms=(moments.started - turn) * 1e3,
            convert_ms=(moments.converted - moments.started) * 1e3,
            track_ms=(moments.tracked - moments.inferred) * 1e3,
            publish_ms=(moments.published - moments.tracked) * 1e3,
            overhead_ms=(moments.published - turn) * 1e3 - timings.total_ms,
        )


COSTS = ('queue_ms', 'wait_ms', 'convert_ms', 'track_ms', 'publish_ms', 'overhead_ms')
