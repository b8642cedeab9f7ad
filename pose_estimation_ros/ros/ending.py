"""How the programs end: Ctrl-C and SIGTERM are wishes, not errors."""

import contextlib
import signal
from collections.abc import Iterator, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException


@contextlib.contextmanager
def until_asked_to_end(args: Sequence[str] | None) -> Iterator[None]:
    """Initialise ROS, end quietly when asked to, and shut ROS down."""
    rclpy.init(args=None if args is None else list(args))
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # otherwise it tried to go on after SIGTERM
            raise
    finally:
        ignore_interrupts()
        rclpy.try_shutdown()


def ignore_interrupts() -> None:
    """Let nothing disturb the ending: under `ros2 launch` a Ctrl-C arrives twice."""
    with contextlib.suppress(ValueError):  # not in the main thread, which Ctrl-C does not reach
        signal.signal(signal.SIGINT, signal.SIG_IGN)
