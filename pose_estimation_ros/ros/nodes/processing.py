"""What happens to one picture: from message to published people. Runs in the worker's thread."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_estimation_ros.core.arrays import ByteArray
from pose_estimation_ros.core.boxes import Boxes
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.data.camera_messages import seconds
from pose_estimation_ros.inference.pipeline import Result
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.ros.messages.image_conversion import BrokenImage, Converter, UnsupportedEncoding
from pose_estimation_ros.ros.nodes.box_buffer import BoxBuffer
from pose_estimation_ros.ros.nodes.depth_buffer import DepthBuffer
from pose_estimation_ros.ros.nodes.moments import Moments, Received
from pose_estimation_ros.ros.nodes.outputs import Observation, Outputs
from pose_estimation_ros.ros.nodes.statistics import Statistics
from pose_estimation_ros.ros.parameters.node_settings import NodeSettings, live_options
from pose_estimation_ros.tracking.tracker import TIME_JUMP_S

FAILURES_IN_A_ROW = 5
"""After so many pictures that inference failed on, the node gives up."""

BROKEN_LOG_S = 5.0
MOST_COMPLAINTS = 20


@dataclass
class Surroundings:
    """What a processor works with."""

    learner: Learner
    outputs: Outputs
    converter: Converter
    statistics: Statistics
    depth: DepthBuffer | None
    logger: Any
    now: Callable[[], float]
    """The node's clock, seconds."""
    give_up: Callable[[], None]
    """Called from the worker's thread when too much goes wrong."""
    is_ending: Callable[[], bool] = lambda: False
    """Whether ROS was shut down: what fails then is no failure."""
    boxes: BoxBuffer | None = None
    """Where people are, of learners that are told by another node."""


class FrameProcessor:
    """Turns picture messages into published people, and keeps account of what goes wrong."""

    def __init__(self, surroundings: Surroundings, settings: NodeSettings) -> None:
        self._with = surroundings
        self.settings = settings
        """Replaced as a whole by the node's parameter callback; taken up between two pictures."""
        self._applied: NodeSettings | None = None
        self._last_stamp = 0.0
        self._free = 0.0
        self._failures = 0
        self._complained: set[str] = set()
        self.failure = ''
        """What is wrong at present, '' while all is well."""
        self.has_subscribers = True
        """Whether anybody listened when the last picture came."""
        self.must_reset = False
        """Set to have the tracker forget everybody before the next picture."""

    def __call__(self, received: Received) -> None:
        """Process one message; never raises."""
        settings, message = self.settings, received.message
        try:
            self._apply(settings)
            self.has_subscribers = self._with.outputs.wanted(settings.annotate)
            if settings.lazy and not self.has_subscribers:
                self._with.statistics.dropped('paused')
            elif self._is_stale(message, settings):
                self._with.statistics.dropped('stale')
            else:
                self._process(received, settings)
        except UnsupportedEncoding as error:
            self._with.statistics.dropped('unsupported')
            self.failure = str(error)
            if self._is_first(self.failure):
                self._with.logger.error(f'images dropped: {error}')
        except BrokenImage as error:
            self._with.statistics.dropped('broken')
            self.failure = ''  # of what came before
            self._with.logger.warning(f'image dropped: {error}', throttle_duration_sec=BROKEN_LOG_S)
        except Exception as error:  # whatever inference raises, the node must outlive it
            self._failed(error)
        self._free = time.perf_counter()

    def _process(self, received: Received, settings: NodeSettings) -> None:
        started, message, depth = time.perf_counter(), received.message, self._with.depth
        image = self._with.converter.to_bgr(message)
        before = depth.latest() if depth else ()  # inference may outlast the buffer
        stamp = seconds(message.header.stamp)
        converted = time.perf_counter()
        boxes = self._with.boxes.boxes(message.header) if self._with.boxes else None
        result, poses, inferred = self._people(image, stamp, boxes, settings)
        points = depth.points(poses, message.header, image, settings, before) if depth else None
        tracked = time.perf_counter()
        self._with.outputs.publish(Observation(message.header, image, poses, points), settings)
        moments = Moments(stamp, received.at, self._free, started, converted, inferred, tracked, time.perf_counter())
        age = self._with.now() - stamp if stamp else math.nan
        self._with.statistics.processed(result.timings, age, len(poses), moments)
        self._failures, self.failure = 0, ''

    def _people(
        self, image: ByteArray, stamp: float, boxes: Boxes | None, settings: NodeSettings
    ) -> tuple[Result, list[Pose], float]:
        """Return what the learner found, the people with their ids, if wanted, and when inference was over."""
        learner = self._with.learner
        if not settings.track:
            result = learner.infer_timed(image, boxes=boxes)
            return result, result.poses, time.perf_counter()
        self._forget_after_a_jump(stamp)  # first: learners look where people were
        moment = stamp or self._with.now()
        result = learner.infer_next(image, boxes=boxes, stamp=moment)
        inferred = time.perf_counter()
        return result, learner.tracker.update(result.poses, moment, settings.smooth, image), inferred

    def _apply(self, settings: NodeSettings) -> None:
        """Take up settings that were changed since the last picture."""
        before = self._applied
        if settings is not before:
            self._with.learner.tune(**live_options(settings))
        self._applied = settings
        changed = before is not None and (before.track, before.smooth) != (settings.track, settings.smooth)
        if changed or self.must_reset:
            self.must_reset = False
            self._forget_people()

    def _forget_after_a_jump(self, stamp: float) -> None:
        """Forget everybody where time went back, as when a bag starts again."""
        if stamp and stamp < self._last_stamp - TIME_JUMP_S:  # less is a picture out of order, as the tracker has it
            self._with.logger.info(f'time jumped back by {self._last_stamp - stamp:.3f} s: tracks are reset')
            self._forget_people()
            self._last_stamp = stamp
        self._last_stamp = max(stamp, self._last_stamp)

    def _forget_people(self) -> None:
        self._with.learner.reset()
        self._with.outputs.forget_people()

    def _is_stale(self, message: Any, settings: NodeSettings) -> bool:
        stamp = seconds(message.header.stamp)
        if not stamp:
            if self._is_first('no stamp'):
                self._with.logger.warning('images have no time stamp: their age is not checked')
            return False
        return 0 < settings.max_frame_age < self._with.now() - stamp

    def _failed(self, error: Exception) -> None:
        if self._with.is_ending():
            return
        self._with.statistics.dropped('failed')
        self._failures += 1
        self.failure = f'inference failed: {type(error).__name__}: {error}'
        self._with.logger.error(f'{self.failure} ({self._failures} in a row)')
        if self._failures >= FAILURES_IN_A_ROW:
            self.failure = f'deactivated after {self._failures} failures in a row; {self.failure}'
            self._with.give_up()

    def _is_first(self, complaint: str) -> bool:
        """Whether this was not said before; a camera that sends ever new nonsense is not listened to for ever."""
        if complaint in self._complained or len(self._complained) >= MOST_COMPLAINTS:
            return False
        self._complained.add(complaint)
        return True


def grey_picture() -> ByteArray:
    """Return a picture to warm up on."""
    return np.full((480, 640, 3), 128, dtype=np.uint8)
