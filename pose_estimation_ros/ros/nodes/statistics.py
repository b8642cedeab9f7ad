"""What the node counts and measures, for diagnostics. Safe to use from several threads."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pose_estimation_ros.inference.pipeline import Timings
from pose_estimation_ros.ros.nodes.dropping import DropReason
from pose_estimation_ros.ros.nodes.frame_times import NODE_TIMES, FrameTimes

WINDOW_S = 5.0
"""Window of rates and medians, in seconds."""

STAGES = ('preprocess_ms', 'forward_ms', 'decode_ms', 'total_ms')


@dataclass(frozen=True)
class Snapshot:
    """Statistics at one time; rates in Hz, ages in seconds, NaN if not measured."""

    input_hz: float
    output_hz: float
    counts: dict[str, int]
    """received, processed, and drops by the value of their DropReason."""
    stages_ms: dict[str, float]
    """Medians of the pipeline's stages, then of the node's own."""
    age_p50: float
    age_p95: float
    people: int
    published: int
    """Images published within the last WINDOW_S."""
    lost: dict[str, int]
    """Drops by reason within the last WINDOW_S."""
    silent_for: float
    """Seconds since the last image, or since counting began."""


@dataclass(frozen=True)
class _Result:
    moment: float
    stages_ms: dict[str, float]
    age: float


@dataclass
class Statistics:
    """Counts frames and measures how long they take."""

    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Reset all counts and times."""
        with self._lock:
            self._counts: Counter[str] = Counter()
            self._arrivals: deque[float] = deque()
            self._results: deque[_Result] = deque()
            self._losses: deque[tuple[float, str]] = deque()
            self._people = 0
            self._last_arrival = self.clock()

    def arrived(self) -> None:
        """Count a received image."""
        with self._lock:
            self._last_arrival = self.clock()
            self._counts['received'] += 1
            self._arrivals.append(self._last_arrival)
            self._forget()

    def dropped(self, reason: DropReason) -> None:
        """Count a dropped image by its reason."""
        with self._lock:
            self._counts[reason.value] += 1
            self._losses.append((self.clock(), reason.value))
            self._forget()

    def processed(self, timings: Timings, age: float, people: int, frame_times: FrameTimes | None = None) -> None:
        """Count an image whose people were published; `age` is NaN without a time stamp."""
        stages = {stage: getattr(timings, stage) for stage in STAGES}
        stages |= frame_times.node_ms(timings) if frame_times else {}
        with self._lock:
            self._counts['processed'] += 1
            self._results.append(_Result(self.clock(), stages, age))
            self._people = people
            self._forget()

    def snapshot(self) -> Snapshot:
        """Return the current statistics."""
        with self._lock:
            self._forget()
            ages = [result.age for result in self._results if np.isfinite(result.age)]
            p50, p95 = np.percentile(ages, (50, 95)) if ages else (np.nan, np.nan)
            return Snapshot(
                input_hz=_rate(list(self._arrivals)),
                output_hz=_rate([result.moment for result in self._results]),
                counts=dict(self._counts),
                stages_ms={stage: self._median(stage) for stage in (*STAGES, *NODE_TIMES)},
                age_p50=float(p50),
                age_p95=float(p95),
                people=self._people,
                published=len(self._results),
                lost=dict(Counter(reason for _, reason in self._losses)),
                silent_for=self.clock() - self._last_arrival,
            )

    def _median(self, stage: str) -> float:
        values = [result.stages_ms[stage] for result in self._results if stage in result.stages_ms]
        return float(np.median(values)) if values else float('nan')

    def _forget(self) -> None:
        horizon = self.clock() - WINDOW_S
        while self._arrivals and self._arrivals[0] < horizon:
            self._arrivals.popleft()
        while self._results and self._results[0].moment < horizon:
            self._results.popleft()
        while self._losses and self._losses[0][0] < horizon:
            self._losses.popleft()


def _rate(frame_times: list[float]) -> float:
    """Return the rate in Hz between the first and the last event."""
    span = frame_times[-1] - frame_times[0] if len(frame_times) > 1 else 0.0
    return (len(frame_times) - 1) / span if span > 0 else 0.0
