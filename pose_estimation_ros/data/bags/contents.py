"""What is in a bag: topics, and messages as the bytes that were recorded."""

import functools
from dataclasses import dataclass
from typing import Literal

from rosbags.interfaces import Qos
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

Storage = Literal['mcap', 'sqlite3']


@dataclass(frozen=True)
class Topic:
    """A topic as one publisher offered it. `definition` and `digest` of the type are '' where the bag has none."""

    name: str
    msgtype: str
    definition: str = ''
    digest: str = ''
    qos: tuple[Qos, ...] = ()


@dataclass(frozen=True, eq=False)
class Message:
    """A serialised message, and when it was recorded, in nanoseconds."""

    topic: Topic
    stamp_ns: int
    data: bytes | memoryview


@functools.cache
def standard_types() -> Typestore:
    """Return the types of the oldest distribution supported; those that are used here are the same in all."""
    return get_typestore(Stores.ROS2_HUMBLE)
