"""Processing of one frame, from message to published people. Runs in the worker's thread."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.camera_messages import seconds
from pose_estimation_ros.inference.pipeline import Result
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.ros.messages.image_conversion import BrokenImage, Converter, UnsupportedEncoding
from pose_estimation_ros.ros.nodes.box_buffer import BoxBuffer
from pose_estimation_ros.ros.nodes.depth_buffer import DepthBuffer
from pose_estimation_ros.ros.nodes.dropping import DropReason, before_processing
from pose_estimation_ros.ros.nodes.frame_times import FrameTimes, ReceivedMessage
from pose_estimation_ros.ros.nodes.outputs import Observation, Outputs
from pose_estimation_ros.ros.nodes.statistics import Statistics
from pose_estimation_ros.ros.parameters.node_settings import NodeSettings, live_options
from pose_estimation_ros.tracking.tracker import TIME_JUMP_S

FAILURES_IN_A_ROW = 5
"""Consecutive inference failures after which the node deactivates."""

BROKEN_LOG_S = 5.0
MAX_COMPLAINTS = 20


@dataclass
class ProcessorContext:
    """The objects that a processor uses."""

    learner: Learner
    outputs: Outputs
    converter: Converter
    statistics: Statistics
    depth: DepthBuffer | None
    logger: Any
    now: Callable[[], float]
    """The node's clock, seconds."""
    on_too_many_failures: Callable[[], None]
    """Called from the worker's thread after FAILURES_IN_A_ROW."""
    is_ending: Callable[[], bool] = lambda: False
    """Whether ROS was shut down; errors after that are not failures."""
    boxes: BoxBuffer | None = None
    """Boxes of people from another node."""


class FrameProcessor:
    """Turns image messages into published people, and counts and logs failures."""

    def __init__(self, context: ProcessorContext, settings: NodeSettings) -> None:
        self._context = context
        self.settings = settings
        """Replaced as a whole by the node's parameter callback; applied before the next frame."""
        self._applied: NodeSettings | None = None
        self._last_stamp = 0.0
        self._free = 0.0
        self._failures = 0
        self._complained: set[str] = set()
        self.failure = ''
        """Current failure, '' for none."""
        self.has_subscribers = True
        """Whether an output had a subscriber at the last frame."""
        self.must_reset = False
        """Set to reset the tracks before the next frame."""

    def __call__(self, received: ReceivedMessage) -> None:
        """Process one message; never raises."""
        settings, message = self.settings, received.message
        try:
            self._apply(settings)
            self.has_subscribers = self._context.outputs.wanted(settings.annotate)
            stamp = seconds(message.header.stamp)
            reason = before_processing(stamp, self._context.now(), self.has_subscribers, settings)
            if reason is not DropReason.PAUSED and not stamp and self._is_first('no stamp'):
                self._context.logger.warning('images have no time stamp: their age is not checked')
            if reason is None:
                self._process(received, settings)
            else:
                self._context.statistics.dropped(reason)
        except UnsupportedEncoding as error:
            self._context.statistics.dropped(DropReason.UNSUPPORTED)
            self.failure = str(error)
            if self._is_first(self.failure):
                self._context.logger.error(f'images dropped: {error}')
        except BrokenImage as error:
            self._context.statistics.dropped(DropReason.BROKEN)
            self.failure = ''  # of what came before
            self._context.logger.warning(f'image dropped: {error}', throttle_duration_sec=BROKEN_LOG_S)
        except Exception as error:  # inference may raise anything, and the node goes on
            self._failed(error)
        self._free = time.perf_counter()

    def _process(self, received: ReceivedMessage, settings: NodeSettings) -> None:
        started, message, depth = time.perf_counter(), received.message, self._context.depth
        image = self._context.converter.to_bgr(message)
        before = depth.latest() if depth else ()  # inference may outlast the buffer
        stamp = seconds(message.header.stamp)
        converted = time.perf_counter()
        boxes = self._context.boxes.boxes(message.header) if self._context.boxes else None
        result, poses, inferred = self._people(image, stamp, boxes, settings)
        points = depth.points(poses, message.header, image, settings, before) if depth else None
        tracked = time.perf_counter()
        self._context.outputs.publish(Observation(message.header, image, poses, points), settings)
        frame_times = FrameTimes(
            stamp, received.at, self._free, started, converted, inferred, tracked, time.perf_counter()
        )
        age = self._context.now() - stamp if stamp else math.nan
        self._context.statistics.processed(result.timings, age, len(poses), frame_times)
        self._failures, self.failure = 0, ''

    def _people(
        self, image: ByteArray, stamp: float, boxes: Boxes | None, settings: NodeSettings
    ) -> tuple[Result, list[Pose], float]:
        """Return the learner's result, the people with ids if tracked, and when inference ended."""
        learner = self._context.learner
        if not settings.track:
            result = learner.infer_timed(image, boxes=boxes)
            return result, result.poses, time.perf_counter()
        self._reset_after_time_jump(stamp)  # first: learners look where people were
        moment = stamp or self._context.now()
        result = learner.infer_next(image, boxes=boxes, stamp=moment)
        inferred = time.perf_counter()
        return result, learner.tracker.update(result.poses, moment, settings.smooth, image), inferred

    def _apply(self, settings: NodeSettings) -> None:
        """Apply settings that were changed since the last frame."""
        before = self._applied
        if settings is not before:
            self._context.learner.tune(**live_options(settings))
        self._applied = settings
        changed = before is not None and (before.track, before.smooth) != (settings.track, settings.smooth)
        if changed or self.must_reset:
            self.must_reset = False
            self._reset_tracks()

    def _reset_after_time_jump(self, stamp: float) -> None:
        """Reset the tracks where time went back, as when a bag starts again."""
        if stamp and stamp < self._last_stamp - TIME_JUMP_S:  # less is a frame out of order, as in the tracker
            self._context.logger.info(f'time jumped back by {self._last_stamp - stamp:.3f} s: tracks are reset')
            self._reset_tracks()
            self._last_stamp = stamp
        self._last_stamp = max(stamp, self._last_stamp)

    def _reset_tracks(self) -> None:
        self._context.learner.reset()
        self._context.outputs.forget_people()

    def _failed(self, error: Exception) -> None:
        if self._context.is_ending():
            return
        self._context.statistics.dropped(DropReason.FAILED)
        self._failures += 1
        self.failure = f'inference failed: {type(error).__name__}: {error}'
        self._context.logger.error(f'{self.failure} ({self._failures} in a row)')
        if self._failures >= FAILURES_IN_A_ROW:
            self.failure = f'deactivated after {self._failures} failures in a row; {self.failure}'
            self._context.on_too_many_failures()

    def _is_first(self, complaint: str) -> bool:
        """Whether this was not logged before; at most MAX_COMPLAINTS are."""
        if complaint in self._complained or len(self._complained) >= MAX_COMPLAINTS:
            return False
        self._complained.add(complaint)
        return True
