"""Reads truncated bag files, and files without an index, from the beginning as far as possible.

`rosbags` needs the index at the end of a file, which is missing after a power failure. The package mcap parses the
records; its own readers stop at a damaged record, and drop a truncated chunk.
"""

import io
import sqlite3
import struct
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO

import zstandard
from lz4.frame import LZ4FrameDecompressor
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Schema
from mcap.records import Message as MessageRecord
from mcap.stream_reader import read_magic
from rosbags.rosbag2.metadata import parse_qos

from pose_estimation_ros.core.errors import SourceError
from pose_estimation_ros.data.bags.messages import Message, Topic

DAMAGE = (McapError, struct.error, ValueError)
"""Errors of mcap about records that are damaged or end early."""

# Decompressors that accept truncated data.
DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    '': lambda content: content,
    'lz4': lambda content: bytes(LZ4FrameDecompressor().decompress(content)),
    'zstd': lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
}


class McapScan:
    """An mcap file, read record by record; the constructor reads all of it for topics and count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._channels: dict[int, Topic] = {}
        self.count = 0
        schemas: dict[int, Schema] = {}
        for record in self._records():
            match record:
                case Schema():
                    schemas[record.id] = record
                case Channel() if record.message_encoding == 'cdr' and record.schema_id in schemas:
                    schema, qos = schemas[record.schema_id], record.metadata.get('offered_qos_profiles', '')
                    topic = _topic(record.topic, schema.name, schema.data.decode(), qos=qos)
                    self._channels.setdefault(record.id, topic)
                case MessageRecord():
                    self.count += 1
        self.topics = list(self._channels.values())

    def messages(self) -> Iterator[Message]:
        """Yield the messages in the order of the file."""
        for record in self._records():
            if isinstance(record, MessageRecord) and record.channel_id in self._channels:
                yield Message(self._channels[record.channel_id], record.log_time, record.data)

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""

    def _records(self) -> Iterator[McapRecord]:
        """Yield the complete records, including those in chunks, up to the first one that is incomplete."""
        with self._path.open('rb') as file:
            try:
                read_magic(ReadDataStream(file))
            except DAMAGE as error:
                raise SourceError(f'{self._path} does not begin as an mcap file') from error
            for record in _records_of(file, self._path.stat().st_size):
                if isinstance(record, Chunk):
                    inside = _unpacked(record)
                    yield from _records_of(io.BytesIO(inside), len(inside))
                else:
                    yield record


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


def _records_of(file: BinaryIO, size: int) -> Iterator[McapRecord]:
    """Yield the complete records that matter here, and a truncated chunk."""
    while len(head := file.read(9)) == 9 and head[0] not in (Opcode.FOOTER, Opcode.DATA_END):
        length = int.from_bytes(head[1:], 'little')
        content = file.read(min(length, size - file.tell()))  # a damaged length must not allocate all memory
        stream = ReadDataStream(io.BytesIO(content))
        with suppress(*DAMAGE):
            if head[0] == Opcode.CHUNK:
                yield Chunk.read(stream)
            elif len(content) < length:
                return
            elif head[0] == Opcode.MESSAGE:
                yield MessageRecord.read(stream, length)
            elif head[0] == Opcode.SCHEMA:
                yield Schema.read(stream)
            elif head[0] == Opcode.CHANNEL:
                yield Channel.read(stream)


def _unpacked(chunk: Chunk) -> bytes:
    """Return the readable records of a chunk."""
    try:
        return DECOMPRESSORS[chunk.compression](chunk.data)
    except Exception:  # each decompressor has its own exceptions
        return b''
