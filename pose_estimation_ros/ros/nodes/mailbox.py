"""A slot for the newest frame: never a queue."""

import threading
from typing import Generic, TypeVar

T = TypeVar('T')


class Mailbox(Generic[T]):
    """Holds one item. Putting another in before it was taken replaces it, and is counted as a drop."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """Leave an item; return whether one was lost: an older one, or this one in a closed mailbox."""
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
        """Drop what waits, and let takers go."""
        with self._changed:
            self._closed, self._item = True, None
            self._changed.notify_all()
