"""Ctrl-C as the ordinary end of a recording, and SIGTERM as an end that tidies up."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a program that SIGTERM ended, as shells give it."""


def tidy_up_on_sigterm() -> None:
    """Let SIGTERM unwind the program, so that half-written files go, rather than end it where it stands."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not stop the tidying
    sys.exit(TERMINATED)


class Stop:
    """Whether the user has asked to end."""

    def __init__(self) -> None:
        self.asked = False
        self.terminated = False
        """Whether by SIGTERM."""

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Take note; a signal handler."""
        self.asked = True
        self.terminated = number == signal.SIGTERM


@contextlib.contextmanager
def ending_on_interrupt(wanted: bool, *others: signal.Signals) -> Iterator[Stop]:
    """Let Ctrl-C, and other signals named, set a flag rather than break off whatever is being written.

    A second one breaks off.
    """
    stop = Stop()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def take(number: int, frame: FrameType | None) -> None:
        stop.ask(number, frame)
        signal.signal(number, before[number] or signal.SIG_DFL)

    before: dict[int, Any] = {int(number): signal.getsignal(number) for number in (signal.SIGINT, *others)}
    for number in before:
        signal.signal(number, take)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
