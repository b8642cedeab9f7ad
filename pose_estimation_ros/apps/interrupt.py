"""Ctrl-C as the ordinary end of a recording."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Stop:
    """Whether the user has asked to end."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Take note; a signal handler."""
        self.asked = True


@contextlib.contextmanager
def ending_on_interrupt(wanted: bool) -> Iterator[Stop]:
    """Let Ctrl-C set a flag rather than break off whatever is being written; a second one breaks off."""
    stop = Stop()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def take(number: int, frame: FrameType | None) -> None:
        stop.ask(number, frame)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, take)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
