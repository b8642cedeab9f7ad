"""The one thread that infers and publishes, and the slot with the newest frame that it works from."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class Mailbox(Generic[T]):
    """Holds one item, the newest: another replaces it, which drops it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """Put an item; return whether one was dropped: an older one, or this one in a closed mailbox."""
        with self._changed:
            if self._closed:
                return True
            replaced = self._item is not None
            self._item = item
            self._changed.notify()
            return replaced

    def take(self) -> T | None:
        """Wait for an item; return None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Drop the waiting item and release takers."""
        with self._changed:
            self._closed, self._item = True, None
            self._changed.notify_all()


class Worker(Generic[T]):
    """Handles what is posted, always the newest, in a thread of its own from `start` to `stop`.

    `handle` must not raise.
    """

    def __init__(self, handle: Callable[[T], None]) -> None:
        self._handle = handle
        self._mailbox: Mailbox[T] = Mailbox()
        self._thread = threading.Thread(target=self._run, name='pose_worker', daemon=True)

    def start(self) -> None:
        """Start the thread; a worker runs once."""
        self._thread.start()

    def post(self, item: T) -> bool:
        """Hand over an item; return whether one that waited was dropped for it."""
        return self._mailbox.put(item)

    def stop(self) -> None:
        """Drop the waiting item, let the current one finish, and join."""
        self._mailbox.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while (item := self._mailbox.take()) is not None:
            self._handle(item)
