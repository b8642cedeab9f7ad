"""The one thread that infers and publishes."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from pose_estimation_ros.ros.nodes.mailbox import Mailbox

T = TypeVar('T')


class Worker(Generic[T]):
    """Handles what is posted, always the newest, in a thread of its own from `start` to `stop`.

    `handle` must not raise: what goes wrong with a frame is its own business.
    """

    def __init__(self, handle: Callable[[T], None]) -> None:
        self._handle = handle
        self._mailbox: Mailbox[T] = Mailbox()
        self._thread = threading.Thread(target=self._run, name='pose_worker', daemon=True)

    def start(self) -> None:
        """Begin; a worker runs once, make another to begin again."""
        self._thread.start()

    def post(self, item: T) -> bool:
        """Hand over an item; return whether one that waited was dropped for it."""
        return self._mailbox.put(item)

    def stop(self) -> None:
        """Drop what waits, let the item in work end, and join."""
        self._mailbox.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._mailbox.take()) is not None:
            self._handle(item)
