"""How the programs end: Ctrl-C and SIGTERM are wishes, not errors."""

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException


@contextlib.contextmanager
def until_asked_to_end(args: Sequence[str] | None) -> Iterator[None]:
    """Initialise ROS, end quietly when asked to, and shut ROS down.

    Raises SystemExit with code 1, after a sentence, where ROS does not take the arguments, such as a parameter file.
    """
    try:
        rclpy.init(args=None if args is None else list(args))
    except RuntimeError as error:  # rclpy's own kinds have no public home
        sentence, _, _ = ' '.join(str(error).split()).partition(', at /')
        print(f'ROS does not take these arguments: {sentence}', file=sys.stderr)
        raise SystemExit(1) from error
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
