"""Writes bags atomically."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from pose_estimation_ros.core.errors import OutputError
from pose_estimation_ros.core.files import make_folder
from pose_estimation_ros.data.bags.messages import Message, Storage, Topic, standard_types

METADATA_VERSION: Literal[8] = 8  # The last that Humble can read: 9 has another format of QoS

PLUGINS = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
NO_DIGEST = 'RIHS01_' + 64 * '0'
IDL_BEGINS = '=' * 80 + '\nIDL: '


class BagWriter:
    """Adds messages, and their topics, to a bag."""

    def __init__(self, writer: Writer, path: Path) -> None:
        self._writer, self._path = writer, path
        self._connections: dict[tuple[str, str, tuple[Qos, ...]], Connection] = {}

    def add(self, message: Message) -> None:
        """Add a message; raises OutputError if the disk is full."""
        with _output_errors(self._path):
            connection = self._connection(message.topic)
            self._writer.write(connection, message.stamp_ns, message.data)

    def add_topic(self, topic: Topic) -> None:
        """Add a topic, with or without messages."""
        with _output_errors(self._path):
            self._connection(topic)

    def _connection(self, topic: Topic) -> Connection:
        key = topic.name, topic.msgtype, topic.qos
        if key not in self._connections:
            definition, digest = _described(topic)
            self._connections[key] = self._writer.add_connection(
                topic.name, topic.msgtype, msgdef=definition, rihs01=digest, offered_qos_profiles=topic.qos
            )
        return self._connections[key]


def refuse_existing(path: Path, storage: Storage) -> None:
    """Raise OutputError if no bag can be written to the path."""
    if path.exists() or path.is_symlink():
        raise OutputError(f'{path} already exists; remove it or choose another --output')
    if storage == 'sqlite3' and set('?#%') & set(str(path)):
        raise OutputError(f'cannot write {path}: rosbags cannot write a sqlite3 bag to a path with ?, # or %')


@contextlib.contextmanager
def written_bag(path: Path, storage: Storage) -> Iterator[BagWriter]:
    """Yield a writer to a hidden folder beside `path`, which is renamed to `path` if the block succeeds.

    An error or interrupt leaves no files; a killed process leaves the hidden folder (`.NAME-....partial`). Raises
    OutputError if `path` exists or the system refuses.
    """
    refuse_existing(path, storage)
    make_folder(path.parent)
    with _output_errors(path):
        temporary = Path(tempfile.mkdtemp(prefix=f'.{path.name}-', suffix='.partial', dir=path.parent))
    bag = temporary / path.name  # rosbags names the files after the folder
    try:
        with _output_errors(path):
            writer = Writer(bag, version=METADATA_VERSION, storage_plugin=PLUGINS[storage])
            writer.open()
        try:
            yield BagWriter(writer, path)
            with _output_errors(path):
                writer.close()
        except BaseException:
            with contextlib.suppress(Exception):
                writer.abort()
            raise
        with _output_errors(path):
            bag.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror or error}') from error
    except (sqlite3.Error, WriterError) as error:
        raise OutputError(f'cannot write {path}: {error}; is the disk full?') from error


def _described(topic: Topic) -> tuple[str, str]:
    """Return definition and hash of a topic's type, from the bag or the standard types."""
    if topic.definition:
        return topic.definition, topic.digest or _digest_of(topic)
    types = standard_types()
    if topic.msgtype in types.types:
        return types.generate_msgdef(topic.msgtype)[0], topic.digest or types.hash_rihs01(topic.msgtype)
    return '', topic.digest or NO_DIGEST


def _digest_of(topic: Topic) -> str:
    """Calculate the hash of a type from its definition; mcap files have no hash."""
    text, types = topic.definition, get_typestore(Stores.EMPTY)
    try:
        is_idl = text.startswith(IDL_BEGINS)
        types.register(get_types_from_idl(text) if is_idl else get_types_from_msg(text, topic.msgtype))
        return types.hash_rihs01(topic.msgtype)
    except Exception:  # rosbags' parsers support most of the two languages, not all
        return NO_DIGEST
