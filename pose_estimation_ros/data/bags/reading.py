"""Reads bags; of damaged ones it reads what is left, with a warning."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from rosbags.interfaces import ConnectionExtRosbag2
from rosbags.rosbag2 import Reader

from pose_estimation_ros.core.errors import SettingsError, SourceError
from pose_estimation_ros.data.bags.messages import IMAGE_TYPES, Message, Storage, Topic
from pose_estimation_ros.data.bags.salvage import McapScan, SqliteScan
from pose_estimation_ros.data.sources import natural_order

LOG = logging.getLogger(__name__)

STORAGES: dict[str, Storage] = {'.mcap': 'mcap', '.db3': 'sqlite3'}
KINDS = 'a ROS 2 bag is a folder with metadata.yaml, or an .mcap or .db3 file'


class Part(Protocol):
    """A file, or a folder of files that form one bag."""

    topics: list[Topic]
    count: int

    def messages(self) -> Iterator[Message]:
        """Yield the messages in the order in which they were recorded."""

    def close(self) -> None: ...


class WholePart:
    """A bag that `rosbags` can read; otherwise the constructor raises the exceptions of `rosbags`."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader(path)
        self._reader.open()
        self._by_id: dict[int, Topic] = {}
        for each in self._reader.connections:
            qos = each.ext.offered_qos_profiles if isinstance(each.ext, ConnectionExtRosbag2) else ()
            self._by_id[each.id] = Topic(each.topic, each.msgtype, each.msgdef.data, each.digest, tuple(qos))
        self.topics, self.count = list(self._by_id.values()), self._reader.message_count

    @property
    def in_time_order(self) -> bool:
        """Whether messages are in order of time; `rosbags` rejects mcap files without chunks that are not."""
        storages: Sequence[Any] = getattr(self._reader.storage, 'storages', [self._reader.storage])
        return all(getattr(storage, 'chunks', True) or not storage.metadata.message_count for storage in storages)

    def messages(self) -> Iterator[Message]:
        for connection, stamp_ns, data in self._reader.messages():
            yield Message(self._by_id[connection.id], stamp_ns, data)

    def close(self) -> None:
        self._reader.close()


class BagReader:
    """The messages of a bag; use it in a `with` statement."""

    def __init__(self, path: Path, storage: Storage, parts: Sequence[Part]) -> None:
        self.path = path
        self.storage = storage
        self.topics = list(dict.fromkeys(topic for part in parts for topic in part.topics))
        self.count = sum(part.count for part in parts)
        """Number of messages that the bag declares."""
        self._parts = parts

    def __enter__(self) -> 'BagReader':
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts:
            part.close()

    def image_topic(self, wanted: str | None = None, without: frozenset[str] = frozenset()) -> str:
        """Return the name of the image topic: the one `wanted`, with or without a leading slash, or the only one.

        Raises:
            SourceError: The bag has no image topic, apart from those in `without`.
            SettingsError: The topic is missing or has no images, or none is wanted and there are several.

        """
        names = list(dict.fromkeys(topic.name for topic in self.topics if topic.msgtype in IMAGE_TYPES))
        if wanted is not None:
            name = '/' + wanted.lstrip('/')
            if name in names:
                return name
            fault = 'holds no images' if any(topic.name == name for topic in self.topics) else 'is not there'
            raise SettingsError(f'--topic {name} {fault}; image topics of {self.path}: {", ".join(names) or "none"}')
        candidates = [name for name in names if name not in without]
        if len(candidates) > 1:
            raise SettingsError(f'{self.path} has several image topics; choose a --topic: {", ".join(candidates)}')
        if not candidates:
            others = sorted({topic.name for topic in self.topics})
            raise SourceError(f'{self.path} has no image topic, only {", ".join(others) or "none at all"}')
        return candidates[0]

    def messages(self) -> Iterator[Message]:
        read, fault = 0, ''
        for part in self._parts:
            try:
                for message in part.messages():
                    yield message
                    read += 1
            except Exception as error:  # of SQLite, the decompressors or NumPy
                fault = f' ({_text_of(error)})'
        if fault or read < self.count:
            LOG.warning('%s breaks off: %d of %d messages can be read%s', self.path, read, self.count, fault)


def open_bag(path: Path) -> BagReader:
    """Open a folder or a file; raises SourceError if it is not a readable ROS 2 bag."""
    try:
        files = _files(path)
    except OSError as error:
        raise SourceError(f'cannot read {path}: {error.strerror}') from error
    storage: Storage = 'sqlite3' if any('.db3' in file.suffixes for file in files) else 'mcap'
    for file in files:
        journal = file.with_name(f'{file.name}-wal')
        if journal.exists() and journal.stat().st_size:
            LOG.warning('%s is ignored; `sqlite3 %s vacuum` merges its messages into the bag', journal, file)
    return BagReader(path, storage, _parts(path, files))


def _files(path: Path) -> list[Path]:
    """Return the files with messages; raises SourceError if `path` has not the name of a bag."""
    if not path.exists():
        raise SourceError(f'there is no file or folder {path}')
    if not path.is_dir():
        if path.suffix == '.bag':
            raise SourceError(f'{path} is named like a bag of ROS 1; `rosbags-convert` makes one of ROS 2 of it')
        if path.suffix not in STORAGES:
            raise SourceError(f'{path} is not a bag: {KINDS}')
        with path.open('rb') as file:
            file.read(1)  # raises the error of the system
        return [path]
    files = [file for file in path.iterdir() if STORAGES.keys() & set(file.suffixes) and file.is_file()]
    if not files:
        raise SourceError(f'the folder {path} holds no bag: {KINDS}')
    return sorted(files, key=natural_order)


def _parts(path: Path, files: list[Path]) -> list[Part]:
    """Return the whole bag, or what is readable of each file."""
    whole, fault = _try_whole(path)
    if whole is not None:
        return [whole]
    with contextlib.ExitStack() as stack:
        parts: list[Part] = []
        for file in files:
            part = _part(file, fault)
            if part is not None:
                stack.callback(part.close)
                parts.append(part)
        if not any(part.topics for part in parts):
            raise SourceError(f'{path} is not a readable bag: {fault}')
        if fault:
            LOG.warning('%s is damaged (%s); what can be read of it is used', path, fault)
        stack.pop_all()
    return parts


def _try_whole(path: Path) -> tuple[WholePart | None, str]:
    """Open a bag by `rosbags`; otherwise return None and the error, which is '' if only the order is wrong."""
    try:
        whole = WholePart(path)
    except Exception as error:  # rosbags raises nearly every exception for damaged files
        return None, _text_of(error)
    if whole.in_time_order:
        return whole, ''
    whole.close()
    return None, ''


def _part(file: Path, fault: str) -> Part | None:
    """Return the readable part of a file of a damaged bag."""
    if file.suffix not in STORAGES:  # compressed
        return None
    if file.suffix == '.db3' or fault:
        whole, _ = _try_whole(file)
        if whole is not None:
            return whole
    with contextlib.suppress(SourceError, ValueError, OSError):
        return McapScan(file) if file.suffix == '.mcap' else SqliteScan(file)
    return None


def _text_of(error: Exception) -> str:
    return ' '.join(str(error).split()) or type(error).__name__
