"""Reads truncated bag files, and files without an index, from the beginning as far as possible.

`rosbags` needs the index at the end of a file, which is missing after a power failure. The package mcap could read the
records as well, but not the complete part of a truncated, compressed chunk.
"""

import io
import sqlite3
import struct
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO

from lz4.frame import LZ4FrameDecompressor
from rosbags.rosbag2.metadata import parse_qos

from pose_estimation_ros.core.errors import SourceError
from pose_estimation_ros.data.bags.messages import Message, Topic

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor
else:
    from backports.zstd import ZstdDecompressor

MAGIC = b'\x89MCAP0\r\n'
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 2, 3, 4, 5, 6, 15  # Kinds of records of the format (mcap.dev/spec)

# Decompressors that accept truncated data.
DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    '': lambda content: content,
    'lz4': lambda content: bytes(LZ4FrameDecompressor().decompress(content)),
    'zstd': lambda content: ZstdDecompressor().decompress(content),
}


class McapScan:
    """An mcap file, read record by record; the constructor reads all of it for topics and count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._channels: dict[int, Topic] = {}
        self.count = 0
        schemas: dict[int, tuple[str, str]] = {}
        for kind, content in self._records():
            if kind == SCHEMA:
                name, _, definition = _texts(content, 2, 3)
                schemas[int.from_bytes(content[:2], 'little')] = name.decode(), definition.decode()
            elif kind == CHANNEL:
                number, schema = struct.unpack_from('<HH', content)
                name, encoding, metadata = _texts(content, 4, 3)
                if encoding == b'cdr' and schema in schemas:
                    pairs = _texts(metadata, 0)
                    qos = dict(zip(pairs[::2], pairs[1::2], strict=True)).get(b'offered_qos_profiles', b'')
                    topic = _topic(name.decode(), *schemas[schema], qos=qos.decode())
                    self._channels.setdefault(number, topic)
            elif kind == MESSAGE:
                self.count += 1
        self.topics = list(self._channels.values())

    def messages(self) -> Iterator[Message]:
        """Yield the messages in the order of the file."""
        for kind, content in self._records():
            if kind == MESSAGE:
                channel, _, stamp_ns, _ = struct.unpack_from('<HIQQ', content)
                if channel in self._channels:
                    yield Message(self._channels[channel], stamp_ns, content[22:])

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Yield kind and content of all records, including those in chunks, up to the first incomplete one."""
        with self._path.open('rb') as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise SourceError(f'{self._path} does not begin as an mcap file')
            for kind, content, whole in _records_of(file, self._path.stat().st_size):
                if kind == CHUNK:
                    inside = _unpacked(content)
                    for inner, part, inner_whole in _records_of(io.BytesIO(inside), len(inside)):
                        if inner_whole:
                            yield inner, part
                elif whole:
                    yield kind, content


class SqliteScan:
    """The tables of a .db3 file, read row by row; the constructor counts the messages."""

    def __init__(self, path: Path) -> None:
        name = urllib.parse.quote(str(path.absolute()))
        self._connection = sqlite3.connect(f'file:{name}?immutable=1', uri=True)
        try:
            # Otherwise SQLite rejects a file that is shorter than its header states.
            self._connection.execute('PRAGMA writable_schema=ON')
            definitions: dict[str, str] = {}
            with suppress(sqlite3.Error):  # databases of Humble have none
                definitions |= self._connection.execute(
                    'SELECT topic_type, encoded_message_definition FROM message_definitions'
                )
            self._by_id: dict[int, Topic] = {}
            with closing(self._connection.execute('SELECT * FROM topics')) as cursor:
                names = [column[0] for column in cursor.description]
                for row in (dict(zip(names, values, strict=True)) for values in cursor):
                    digest, qos = row.get('type_description_hash', ''), row.get('offered_qos_profiles', '')
                    definition = definitions.get(row['type'], '')
                    self._by_id[row['id']] = _topic(row['name'], row['type'], definition, digest, qos)
        except sqlite3.Error as error:
            self.close()
            raise SourceError(f'{path} is not a database of rosbag2 ({error})') from error
        self.topics = list(self._by_id.values())
        self.count = sum(1 for _ in self._until_broken('SELECT topic_id FROM messages ORDER BY id'))

    def messages(self) -> Iterator[Message]:
        """Yield the messages in the order in which they were recorded."""
        for topic, stamp_ns, data in self._until_broken('SELECT topic_id, timestamp, data FROM messages ORDER BY id'):
            if topic in self._by_id:
                yield Message(self._by_id[topic], stamp_ns, data)

    def close(self) -> None:
        self._connection.close()

    def _until_broken(self, query: str) -> Iterator[tuple[Any, ...]]:
        with suppress(sqlite3.DatabaseError), closing(self._connection.execute(query)) as cursor:
            yield from cursor


def _topic(name: str, msgtype: str, definition: str, digest: str = '', qos: str = '') -> Topic:
    return Topic(name, msgtype, definition, digest, tuple(parse_qos(qos)))


def _records_of(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield kind and content of records, and whether the content is complete."""
    while len(head := file.read(9)) == 9 and head[0] not in (FOOTER, DATA_END):
        length = int.from_bytes(head[1:], 'little')
        content = file.read(min(length, size - file.tell()))  # a damaged length must not allocate all memory
        yield head[0], content, len(content) == length


def _unpacked(chunk: bytes) -> bytes:
    """Return the readable records of a chunk."""
    try:
        compression = _texts(chunk, 28, 1)[0].decode()
        start = 40 + len(compression)
        length = int.from_bytes(chunk[start - 8 : start], 'little')
        return DECOMPRESSORS[compression](chunk[start : start + length])
    except Exception:  # each decompressor has its own exceptions
        return b''


def _texts(content: bytes, start: int, most: int | None = None) -> list[bytes]:
    """Return the texts, each after its length, from an offset to the end, or the first few."""
    texts: list[bytes] = []
    while start < len(content) and len(texts) != most:
        end = start + 4 + int.from_bytes(content[start : start + 4], 'little')
        texts.append(content[start + 4 : end])
        start = end
    return texts
