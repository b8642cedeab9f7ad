"""`pose_node`: a camera in, people's skeletons out. A lifecycle node; ROS.md of the design says what it promises."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]  # its home differs between distributions
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from std_srvs.srv import Trigger

from pose_estimation_ros.core.errors import PoseEstimationError, SettingsError
from pose_estimation_ros.inference.backends.backend import Backend
from pose_estimation_ros.learners.learner import Learner
from pose_estimation_ros.ros.messages.detections import required_detection_type
from pose_estimation_ros.ros.messages.hri import BodyNames
from pose_estimation_ros.ros.messages.image_conversion import choose_converter
from pose_estimation_ros.ros.nodes.box_buffer import BoxBuffer, box_buffer
from pose_estimation_ros.ros.nodes.depth_buffer import DepthBuffer
from pose_estimation_ros.ros.nodes.diagnostics import NodeView, diagnostic_array, slower_than_camera
from pose_estimation_ros.ros.nodes.frame_times import ReceivedMessage
from pose_estimation_ros.ros.nodes.inputs import Inputs
from pose_estimation_ros.ros.nodes.outputs import Outputs
from pose_estimation_ros.ros.nodes.processing import FrameProcessor, ProcessorContext
from pose_estimation_ros.ros.nodes.program import check_arguments, ignore_interrupts, running_ros, sigterm_deferred
from pose_estimation_ros.ros.nodes.statistics import Statistics
from pose_estimation_ros.ros.nodes.worker import Worker
from pose_estimation_ros.ros.parameters.declare import LiveSettings, declare, unknown_parameters
from pose_estimation_ros.ros.parameters.node_settings import (
    DEFAULT_METHOD,
    NodeSettings,
    changed,
    load_learner,
    parameters_of,
)

DIAGNOSTICS_PERIOD_S = 1.0


class PoseNode(LifecycleNode):
    """Loads and warms up at configure, runs from activate to deactivate, frees the model at cleanup.

    Threads: the executor's receives messages and publishes diagnostics; the worker's infers and publishes; rclpy has
    its own.
    """

    def __init__(self, name: str = 'pose_node', statistics: Statistics | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self._live = LiveSettings(self, declare(self), self._changed, self._on_change)
        for sentence in unknown_parameters(self):
            self.get_logger().warning(sentence)
        self._state = 'unconfigured'
        self._statistics = statistics or Statistics()
        self._converter = choose_converter()
        self._names = BodyNames()
        self._learner: Learner | None = None
        self._backend: Backend | None = None
        self._failure = ''
        self._was_slow = False
        self._outputs: Outputs | None = None
        self._inputs: Inputs | None = None
        self._depth: DepthBuffer | None = None
        self._boxes: BoxBuffer | None = None
        self._processor: FrameProcessor | None = None
        self._worker: Worker[ReceivedMessage] | None = None
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        # Not the node's clock: diagnostics must go on while simulated time stands still.
        self._report_timer = self.create_timer(
            DIAGNOSTICS_PERIOD_S, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._failure_guard = self.create_guard_condition(self._deactivate_after_failures)
        self._reset_service = self.create_service(Trigger, '~/reset_tracks', self._reset_tracks)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, warm it up, make the publishers."""
        self._failure = ''
        try:
            self._learner = self._load()
            self._outputs = Outputs(self, self.settings, self._learner.method.skeleton, self._names)
        except Exception as error:  # rclpy would not log it
            self._log_failure('cannot be configured', error)
            self._free()
            return TransitionCallbackReturn.FAILURE
        self._state = 'inactive'
        return super().on_configure(state)

    def _load(self) -> Learner:
        """Return a learner that is warmed up."""
        settings = self.settings
        learner = load_learner(settings)
        if settings.boxes_enabled and not learner.takes_boxes:
            raise SettingsError(f'{settings.method} takes no boxes: it finds people in whole images')
        if settings.boxes_enabled:
            required_detection_type()  # raises now rather than at activation
        elif learner.takes_boxes and not settings['detector']:
            self.get_logger().warning(
                'neither detector nor boxes.enabled is set: the whole image is taken as one person'
            )
        self._backend = backend = learner.pipeline().backend
        learner.infer_timed(np.full((480, 640, 3), 128, np.uint8))  # warm up
        if settings['device'] == 'auto' and backend.device == 'cpu':
            self.get_logger().warning('no GPU is used: running on the CPU')
        self.get_logger().info(f'{settings.method} runs on {backend.name}, {backend.device}, {backend.precision}')
        return learner

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker, then subscribe."""
        learner, outputs = self._learner, self._outputs
        if learner is None or outputs is None or super().on_activate(state) != TransitionCallbackReturn.SUCCESS:
            return TransitionCallbackReturn.FAILURE
        try:
            self._begin(learner, outputs)
        except Exception as error:
            self._log_failure('cannot be activated', error)
            self._stop()
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        self._state = 'active'
        return TransitionCallbackReturn.SUCCESS

    def _begin(self, learner: Learner, outputs: Outputs) -> None:
        self._depth = depth = DepthBuffer(self.get_logger()) if self.settings.depth_enabled else None
        self._boxes = boxes = box_buffer(self.settings, self.get_logger())
        context = ProcessorContext(
            learner=learner,
            outputs=outputs,
            converter=self._converter,
            statistics=self._statistics,
            depth=depth,
            logger=self.get_logger(),
            now=lambda: self.get_clock().now().nanoseconds * 1e-9,
            on_too_many_failures=self._failure_guard.trigger,
            is_ending=lambda: not self.context.ok(),
            boxes=boxes,
        )
        self._failure, self._was_slow = '', False
        self._statistics.reset()
        self._processor = FrameProcessor(context, self.settings)
        self._worker = Worker(self._processor)
        self._worker.start()
        self._inputs = Inputs(self, lambda: self.settings, self._statistics, self._worker.post, depth, boxes)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, drop the waiting frame, stop the worker, reset the tracks; keep the model."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and the publishers."""
        self._free()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        self.close()
        self._state = 'finalized'
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured after an error in a transition."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def _log_failure(self, what: str, error: Exception) -> None:
        kind = '' if isinstance(error, PoseEstimationError) else f'{type(error).__name__}: '
        self._failure = f'{what}: {kind}{error}'
        if self.context.ok():  # otherwise the node is shutting down
            self.get_logger().error(self._failure)

    def close(self) -> None:
        """Stop the worker and free the model, from whatever state."""
        self._stop()
        self._free()

    def _stop(self) -> None:
        if self._inputs is not None:
            self._inputs.destroy()
            self._inputs = None
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
            if self._learner is not None:
                self._learner.reset()
        if self._outputs is not None:
            self._outputs.forget_people()
        self._state = 'inactive' if self._learner is not None else 'unconfigured'

    def _free(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        self._learner = self._backend = self._processor = None
        self._state = 'unconfigured'

    @property
    def settings(self) -> NodeSettings:
        """The parameters as they are now."""
        return self._live.current

    def _on_change(self, before: NodeSettings, after: NodeSettings) -> None:
        if self._processor is not None:
            self._processor.settings = after

    def _changed(self, now: NodeSettings, values: dict[str, Any]) -> NodeSettings:
        return changed(now, values, configured=self._state in ('inactive', 'active'))

    def _reset_tracks(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._processor is not None and self._state == 'active'
        if self._processor is not None and response.success:
            self._processor.must_reset = True
        response.message = 'tracks are reset' if response.success else f'the node is {self._state}: it has no tracks'
        return response

    def _deactivate_after_failures(self) -> None:
        if self._state == 'active':
            self._failure = self._processor.failure if self._processor else ''
            self.get_logger().error('too many failures in a row: deactivating')
            self.trigger_deactivate()

    def _report(self) -> None:
        seen, inputs, processor = self._statistics.snapshot(), self._inputs, self._processor
        if inputs is not None:
            inputs.warn_of_stall(seen)
        backend, settings = self._backend, self.settings
        view = NodeView(
            state=self._state,
            method=settings.method,
            device=backend.device if backend else settings['device'],
            backend=f'{backend.name} {backend.precision}' if backend else settings['backend'],
            converter=self._converter.name,
            topic=inputs.topic if inputs else 'image',
            publishers=inputs.publishers() if inputs else 0,
            incompatible_qos=inputs.incompatible_qos if inputs else '',
            other_types=inputs.other_types() if inputs else '',
            has_subscribers=processor.has_subscribers if processor else False,
            depth_fault=self._depth.fault if self._depth else '',
            boxes_fault=self._boxes.fault if self._boxes else '',
            unmatched=self._outputs.unmatched() if self._outputs and processor else '',
            lazy=settings.lazy,
            failure=processor.failure if processor and self._state == 'active' else self._failure,
            stall_timeout=settings.stall_timeout,
            max_rate=settings.max_rate,
        )
        self._warn_if_slow(slower_than_camera(seen, settings.max_rate))
        name = f'{self.get_namespace().rstrip("/")}/{self.get_name()}'.lstrip('/')
        self._diagnostics.publish(diagnostic_array(name, view, seen, self.get_clock().now().to_msg()))

    def _warn_if_slow(self, sentence: str) -> None:
        """Log once per activation that frames take longer than the camera's period."""
        if sentence and self._state == 'active' and not self._was_slow:
            self._was_slow = True
            self.get_logger().warning(sentence)


def main(args: Sequence[str] | None = None, statistics: Statistics | None = None) -> int:
    """Run the node until it is shut down; with `autostart`, exit with code 1 if it cannot be configured."""
    check_arguments(args, 'pose_node', 'Find people in camera images.', parameters_of(DEFAULT_METHOD))
    with running_ros(args):
        try:
            node = PoseNode(statistics=statistics)
        except SettingsError as error:
            get_logger('pose_node').error(str(error))
            return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            if node.settings.autostart:
                done = TransitionCallbackReturn.SUCCESS
                with sigterm_deferred():
                    has_started = node.trigger_configure() == done and node.trigger_activate() == done
                if not has_started:
                    return 1 if rclpy.ok() else 0  # asked to end meanwhile
            executor.spin()
        finally:
            ignore_interrupts()
            node.close()
            executor.remove_node(node)
            node.destroy_node()
            executor.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
