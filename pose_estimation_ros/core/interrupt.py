"""Ctrl-C as the normal end of a recording, and SIGTERM as an end that cleans up."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

TERMINATED = 128 + signal.SIGTERM  # Exit code that shells report for a program ended by SIGTERM


def clean_up_on_sigterm() -> None:
    """Make SIGTERM raise SystemExit, so that half-written files are removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one must not stop the cleaning
        sys.exit(TERMINATED)

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, leave)


@dataclass
class Stop:
    """Whether a signal requested the end."""

    requested: bool = False
    terminated: bool = False  # Whether by SIGTERM


@contextlib.contextmanager
def ending_on_interrupt(wanted: bool, *others: signal.Signals) -> Iterator[Stop]:
    """Make Ctrl-C and other signals set a flag instead of interrupting; a second signal interrupts."""
    stop = Stop()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def take(number: int, frame: FrameType | None) -> None:
        stop.requested, stop.terminated = True, number == signal.SIGTERM
        signal.signal(number, before[number] or signal.SIG_DFL)

    before: dict[int, Any] = {int(number): signal.getsignal(number) for number in (signal.SIGINT, *others)}
    for number in before:
        signal.signal(number, take)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
