"""How the nodes' programs start and end: their arguments, and Ctrl-C and SIGTERM as requests, not errors."""

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions, install_signal_handlers, uninstall_signal_handlers
from rclpy.utilities import remove_ros_args

from pose_estimation_ros.core.settings import Setting

USAGE = '%(prog)s [--ros-args [-p NAME:=VALUE] [-r TOPIC:=OTHER] [--params-file FILE] ...]'


def check_arguments(args: Sequence[str] | None, name: str, description: str, parameters: Mapping[str, Setting]) -> None:
    """Answer --help, and refuse arguments that ROS would ignore; both raise SystemExit."""
    lines = [f'  {name} [{each.default!r}]  {each.text}' for name, each in parameters.items()]
    parser = argparse.ArgumentParser(
        prog=name,
        usage=USAGE,
        description=description,
        epilog='\n'.join(['parameters and their defaults:', *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given = sys.argv[1:] if args is None else list(args)
    try:
        plain = remove_ros_args([name, *given])[1:]
    except RuntimeError:  # ROS says what is wrong with its own arguments when it begins
        return
    _, others = parser.parse_known_args(plain)
    if others:
        parser.error(f'{" ".join(others)} is not an argument; give parameters and topics after --ros-args')


@contextlib.contextmanager
def running_ros(args: Sequence[str] | None) -> Iterator[None]:
    """Initialise ROS, end quietly on Ctrl-C and SIGTERM, and shut ROS down.

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
        if rclpy.ok():  # otherwise it is a consequence of SIGTERM
            raise
    finally:
        ignore_interrupts()
        rclpy.try_shutdown()


@contextlib.contextmanager
def sigterm_deferred() -> Iterator[None]:
    """Let lifecycle transitions finish before SIGTERM shuts ROS down: rclpy reports errors of its own otherwise.

    Ctrl-C raises KeyboardInterrupt at once.
    """
    if threading.current_thread() is not threading.main_thread():  # which signals do not reach
        yield
        return
    received: list[int] = []
    uninstall_signal_handlers()
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        install_signal_handlers(SignalHandlerOptions.ALL)
        if received:
            os.kill(os.getpid(), signal.SIGTERM)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C while shutting down: under `ros2 launch` it arrives twice."""
    with contextlib.suppress(ValueError):  # not in the main thread, which Ctrl-C does not reach
        signal.signal(signal.SIGINT, signal.SIG_IGN)
