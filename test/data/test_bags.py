"""Bags: what was recorded comes out again, whatever the storage; damaged ones give what they hold."""

import contextlib
import importlib
import json
import logging
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rosbags', reason='needs the extra [bag]')

import lz4.frame
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from pose_estimation_ros.core.errors import ImageError, OutputError, SettingsError, SourceError
from pose_estimation_ros.core.pose import Pose
from pose_estimation_ros.core.skeleton import COCO_17, OPENPOSE_18
from pose_estimation_ros.data.bags.messages import Message, Topic, image_in
from pose_estimation_ros.data.bags.reading import open_bag
from pose_estimation_ros.data.bags.skeleton_topics import (
    ANNOTATED,
    DESCRIPTION,
    SKELETONS,
    poses_in,
    serialize_annotated_image,
    serialize_description,
    serialize_skeletons,
)
from pose_estimation_ros.data.bags.writing import refuse_existing, written_bag
from pose_estimation_ros.data.skeleton_cloud import BrokenSkeletonsError

STORAGES = ['mcap', 'sqlite3']
SUFFIX = {'mcap': '.mcap', 'sqlite3': '.db3'}
PLUGIN = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
IMAGE, COMPRESSED, TEXT = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage', 'std_msgs/msg/String'
STORE = get_typestore(Stores.ROS2_JAZZY)
SECOND = 10**9

LATCHED = Qos(
    QosHistory.KEEP_LAST, 7, QosReliability.BEST_EFFORT, QosDurability.TRANSIENT_LOCAL, QosTime(1, 2), QosTime(3, 4),
    QosLiveliness.AUTOMATIC, QosTime(5, 6), avoid_ros_namespace_conventions=False,
)  # fmt: skip


def header(stamp_ns, frame='camera'):
    time = STORE.types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, SECOND))
    return STORE.types['std_msgs/msg/Header'](time, frame)


def image(stamp_ns=0, pixels=None, encoding='bgr8', height=4, width=6, padding=0, **changed):
    """A serialised Image of `pixels` (H, bytes a row)."""
    pixels = np.zeros((height, width * 3), np.uint8) if pixels is None else pixels
    padded = np.pad(pixels, ((0, 0), (0, padding)), constant_values=9)
    fields = {
        'header': header(stamp_ns), 'height': height, 'width': width, 'encoding': encoding,
        'is_bigendian': 0, 'step': padded.shape[1], 'data': padded.ravel(),
    }  # fmt: skip
    return STORE.serialize_cdr(STORE.types[IMAGE](**{**fields, **changed}), IMAGE)


def compressed(stamp_ns=0, content=b'', form='jpeg'):
    message = STORE.types[COMPRESSED](header(stamp_ns), form, np.frombuffer(content, np.uint8))
    return STORE.serialize_cdr(message, COMPRESSED)


def text(words):
    return STORE.serialize_cdr(STORE.types[TEXT](words), TEXT)


def of(msgtype, data):
    return Message(Topic('/t', msgtype), 0, data)


def noise(number, size=20_000):
    """Text that does not compress, so that a bag of a few messages has many pages and chunks."""
    letters = np.random.default_rng(number).integers(65, 91, size, dtype=np.uint8)
    return f'{number:05d}' + letters.tobytes().decode()


def record(path, storage='mcap', messages=(), qos=(), store=STORE, compression=None):
    """Write a bag as another program would; `messages` are (topic, type, time, data)."""
    connections = {}
    writer = Writer(path, version=8, storage_plugin=PLUGIN[storage])
    if compression:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        for name, msgtype, stamp, data in messages:
            if name not in connections:
                connections[name] = writer.add_connection(name, msgtype, typestore=store, offered_qos_profiles=qos)
            writer.write(connections[name], stamp, data)
    return path


def chatter(count=100):
    return [('/chatter', TEXT, SECOND + number * 1000, text(noise(number))) for number in range(count)]


def file_of(bag):
    [file] = [path for path in bag.iterdir() if path.suffix in SUFFIX.values()]
    return file


def cut(file, fraction):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * fraction)])
    return file


def read(path):
    with open_bag(path) as bag:
        return [(message.topic.name, message.stamp_ns, bytes(message.data)) for message in bag.messages()]


def as_read(messages):
    return [(name, stamp, bytes(data)) for name, _, stamp, data in messages]


@pytest.fixture(params=STORAGES)
def storage(request):
    return request.param


@pytest.fixture(autouse=True)
def messages_are_logged():
    """The command line, where another test has run it, keeps them from caplog."""
    logging.getLogger('pose_estimation_ros').propagate = True


# --- reading ---


def test_a_bag_is_read_as_a_folder_and_as_a_file(tmp_path, storage, caplog):
    messages = [('/camera', IMAGE, 5, image()), *chatter(3), ('/camera', IMAGE, 2 * SECOND, image(1))]
    bag = record(tmp_path / 'bag', storage, messages)
    for path in (bag, file_of(bag)):
        assert read(path) == as_read(messages)
        with open_bag(path) as reader:
            assert (reader.storage, reader.count) == (storage, 5)
            assert {topic.name: topic.msgtype for topic in reader.topics} == {'/camera': IMAGE, '/chatter': TEXT}
    assert not caplog.records


@pytest.mark.parametrize('mode', [CompressionMode.FILE, CompressionMode.MESSAGE, CompressionMode.STORAGE])
def test_compressed_bags_are_read(tmp_path, storage, mode):
    if storage == 'sqlite3' and mode == CompressionMode.STORAGE:
        pytest.skip('sqlite3 has no such mode')
    bag = record(tmp_path / 'bag', storage, chatter(20), compression=mode)
    assert read(bag) == as_read(chatter(20))
    with open_bag(bag) as reader:
        assert reader.storage == storage


def test_a_bag_in_several_files_is_read_in_order(tmp_path, storage, caplog):
    """As rosbag2 splits them; here without metadata, as after a crash, and with ten files."""
    folder = tmp_path / 'split'
    folder.mkdir()
    for number in range(11):
        part = record(tmp_path / f'part{number}', storage, [('/chatter', TEXT, number, text(str(number)))])
        shutil.move(file_of(part), folder / f'split_{number}{SUFFIX[storage]}')
    assert [stamp for _, stamp, _ in read(folder)] == list(range(11))
    assert 'metadata' in caplog.text
    with open_bag(folder) as reader:
        assert len(reader.topics) == 1


def test_an_empty_bag_is_read(tmp_path, storage):
    bag = record(tmp_path / 'bag', storage)
    assert read(bag) == []


@pytest.mark.parametrize(
    ('make', 'says'),
    [
        (lambda path: None, 'there is no file or folder'),
        (
            lambda path: path.mkdir(),
            'holds no bag: a ROS 2 bag is a folder with metadata.yaml, or an .mcap or .db3 file',
        ),
        (lambda path: path.write_text('x'), 'is not a bag: a ROS 2 bag is'),
    ],
)
def test_what_is_no_bag_is_told(tmp_path, make, says):
    make(tmp_path / 'thing')
    with pytest.raises(SourceError, match=says):
        open_bag(tmp_path / 'thing')


@pytest.mark.parametrize(
    'content', [b'', b'\x00', b'a text\n' * 1000, b'\x89MCAP0\r\n', b'SQLite format 3\x00' + bytes(84)]
)
@pytest.mark.parametrize('suffix', ['.mcap', '.db3'])
@pytest.mark.parametrize('folder', [False, True])
def test_files_that_only_are_named_like_bags_are_told(tmp_path, content, suffix, folder):
    path = tmp_path / f'thing{suffix}'
    path.write_bytes(content)
    with pytest.raises(SourceError, match='is not a readable bag'):
        open_bag(tmp_path if folder else path)


def test_a_bag_of_ros_1_is_told(tmp_path):
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0\n')
    with pytest.raises(SourceError, match='ROS 1; `rosbags-convert`'):
        open_bag(tmp_path / 'old.bag')


# --- damaged bags ---


def assert_beginning(path, messages, least):
    found = read(path)
    assert found == as_read(messages)[: len(found)]
    assert least <= len(found) < len(messages)


@pytest.mark.parametrize('fraction', [0.3, 0.77, 0.98])
@pytest.mark.parametrize('form', ['folder', 'folder without metadata', 'file'])
def test_a_bag_that_is_cut_off_yields_what_it_holds(tmp_path, storage, fraction, form, caplog):
    bag = record(tmp_path / 'bag', storage, chatter(300))
    file = cut(file_of(bag), fraction)
    if form != 'folder':
        (bag / 'metadata.yaml').unlink()
    assert_beginning(file if form == 'file' else bag, chatter(300), least=int(300 * fraction) - 5)
    assert 'is damaged' in caplog.text


def test_topics_of_a_bag_that_is_cut_off_are_whole(tmp_path, storage):
    bag = record(tmp_path / 'bag', storage, chatter(300), qos=[LATCHED])
    cut(file_of(bag), 0.5)
    with open_bag(bag) as reader:
        [topic] = reader.topics
    assert (topic.name, topic.msgtype, topic.qos) == ('/chatter', TEXT, (LATCHED,))
    assert 'string data' in topic.definition


@pytest.mark.parametrize('place', range(0, 6000, 97))
def test_a_cut_anywhere_is_told_or_yields_a_beginning(tmp_path, storage, place):
    messages = [('/chatter', TEXT, number, text(noise(number, 300))) for number in range(10)]
    file = file_of(record(tmp_path / 'bag', storage, messages))
    file.write_bytes(file.read_bytes()[:place])
    try:
        found = read(file)
    except SourceError as error:
        assert 'is not a readable bag' in str(error)  # noqa: PT017
    else:
        assert found == as_read(messages)[: len(found)]


def test_a_lost_file_of_several_is_told(tmp_path, storage, caplog):
    first, second = (record(tmp_path / name, storage, chatter(3)) for name in ('a', 'b'))
    listing = (first / 'metadata.yaml').read_text()
    name, lost = file_of(first).name, f'lost{SUFFIX[storage]}'
    (first / 'metadata.yaml').write_text(listing.replace(f'- {name}', f'- {name}\n  - {lost}', 1))
    assert len(read(first)) == 3
    assert 'is damaged' in caplog.text
    assert 'missing' in caplog.text
    assert second.exists()


def test_damage_in_the_middle_ends_a_bag_with_a_warning(tmp_path, storage, caplog):
    bag = record(tmp_path / 'bag', storage, chatter(300))
    content = bytearray(file_of(bag).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50_000] = bytes([255]) * 50_000
    file_of(bag).write_bytes(content)
    found = read(bag)
    assert found[:100] == as_read(chatter(100))
    if len(found) < 300:
        assert 'breaks off' in caplog.text or 'is damaged' in caplog.text


def test_a_journal_that_is_left_is_told(tmp_path, caplog):
    bag = record(tmp_path / 'bag', 'sqlite3', chatter(3))
    Path(f'{file_of(bag)}-wal').write_bytes(b'more')
    assert len(read(bag)) == 3
    assert '.db3-wal is ignored' in caplog.text


# mcap files as other programs write them: `fields` of a record in struct's letters, texts as str


def packed(*fields):
    return b''.join(
        struct.pack('<I', len(field.encode())) + field.encode() if isinstance(field, str) else field for field in fields
    )


def mcap_record(kind, content):
    return struct.pack('<BQ', kind, len(content)) + content


def mcap_beginning():
    definition, _ = STORE.generate_msgdef(TEXT)
    metadata = packed('offered_qos_profiles', '')
    return [
        mcap_record(3, struct.pack('<H', 1) + packed(TEXT, 'ros2msg', definition)),
        mcap_record(
            4, struct.pack('<HH', 1, 1) + packed('/chatter', 'cdr', struct.pack('<I', len(metadata)), metadata)
        ),
    ]


def mcap_message(stamp, data):
    return mcap_record(5, struct.pack('<HIQQ', 1, 0, stamp, stamp) + bytes(data))


def mcap_chunk(records, compression):
    zstd = importlib.import_module('compression.zstd' if sys.version_info >= (3, 14) else 'backports.zstd')
    pack = {'': bytes, 'lz4': lz4.frame.compress, 'zstd': zstd.compress}[compression]
    content = pack(records)
    sizes = struct.pack('<QQQI', 0, 2**40, len(records), 0)
    return mcap_record(6, sizes + packed(compression, struct.pack('<Q', len(content)), content))


def mcap_file(path, records, end=True):
    magic = b'\x89MCAP0\r\n'
    footer = mcap_record(2, struct.pack('<QQI', 0, 0, 0)) + magic
    path.write_bytes(magic + mcap_record(1, packed('ros2', 'test')) + b''.join(records) + (footer if end else b''))
    return path


def test_an_mcap_file_without_chunks_may_be_out_of_order(tmp_path, caplog):
    """rosbag2's preset `fastwrite` makes them."""
    stamps = [3, 1, 2]
    path = mcap_file(tmp_path / 'a.mcap', [*mcap_beginning(), *(mcap_message(stamp, text('x')) for stamp in stamps)])
    assert [stamp for _, stamp, _ in read(path)] == stamps
    assert not caplog.records


@pytest.mark.parametrize('compression', ['', 'lz4', 'zstd'])
def test_of_a_chunk_that_is_cut_off_the_beginning_is_read(tmp_path, compression):
    messages = [mcap_message(number, text(noise(number, 200_000))) for number in range(10)]
    chunk = mcap_chunk(b''.join([*mcap_beginning(), *messages]), compression)
    path = mcap_file(tmp_path / 'a.mcap', [chunk[: len(chunk) * 2 // 3]], end=False)
    found = read(path)
    assert [stamp for _, stamp, _ in found] == list(range(len(found)))
    assert 4 <= len(found) <= 6


def test_records_of_impossible_size_and_other_encodings_are_left_out(tmp_path):
    other = mcap_record(4, struct.pack('<HH', 2, 1) + packed('/json', 'json', struct.pack('<I', 0)))
    records = [*mcap_beginning(), other, mcap_message(1, text('x')), struct.pack('<BQ', 5, 2**62), b'rest']
    with open_bag(mcap_file(tmp_path / 'a.mcap', records, end=False)) as bag:
        assert [topic.name for topic in bag.topics] == ['/chatter']
        assert [message.stamp_ns for message in bag.messages()] == [1]


# --- choosing a topic ---


def bag_with(tmp_path, *topics):
    data = {IMAGE: image(), COMPRESSED: compressed(), TEXT: text('x')}
    return record(tmp_path / 'bag', 'mcap', [(name, msgtype, 0, data[msgtype]) for name, msgtype in topics])


def test_the_only_image_topic_is_taken(tmp_path):
    with open_bag(bag_with(tmp_path, ('/a', TEXT), ('/camera', IMAGE))) as bag:
        assert bag.image_topic() == bag.image_topic('/camera') == bag.image_topic('camera') == '/camera'


def test_several_image_topics_must_be_chosen_from(tmp_path):
    with open_bag(bag_with(tmp_path, ('/left', IMAGE), ('/right/compressed', COMPRESSED), ('/a', TEXT))) as bag:
        with pytest.raises(SettingsError, match='choose a --topic: /left, /right/compressed'):
            bag.image_topic()
        assert bag.image_topic(without=frozenset({'/left'})) == '/right/compressed'
        assert bag.image_topic('/left', without=frozenset({'/left'})) == '/left'
        with pytest.raises(SettingsError, match=r'--topic /middle is not there; .*: /left, /right/compressed'):
            bag.image_topic('/middle')
        with pytest.raises(SettingsError, match='--topic /a holds no images; '):
            bag.image_topic('/a')


def test_a_bag_without_images_is_told(tmp_path):
    with open_bag(bag_with(tmp_path, ('/a', TEXT), ('/b', TEXT))) as bag, pytest.raises(SourceError) as caught:
        bag.image_topic()
    assert str(caught.value).endswith('has no image topic, only /a, /b')


# --- images ---


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(('encoding', 'order'), [('bgr8', [0, 1, 2]), ('rgb8', [2, 1, 0]), ('bgra8', [0, 1, 2, 0])])
def test_raw_images(encoding, order, padding):
    bgr = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    found = image_in(of(IMAGE, image(7, bgr[..., order].reshape(4, -1), encoding, padding=padding)))
    np.testing.assert_array_equal(found.image, bgr)
    assert found.stamp == pytest.approx(7e-9)
    assert found.header.frame_id == 'camera'


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_compressed_images(suffix):
    bgr = np.full((8, 6, 3), (200, 100, 50), np.uint8)
    content = cv2.imencode(suffix, bgr)[1].tobytes()
    found = image_in(of(COMPRESSED, compressed(12 * SECOND + 500_000_000, content)))
    np.testing.assert_allclose(found.image.astype(int), bgr, atol=4)
    assert found.stamp == 12.5


def test_a_stamp_of_zero_is_none():
    assert image_in(of(IMAGE, image(0))).stamp is None


@pytest.mark.parametrize(
    'message',
    [
        of(IMAGE, image(encoding='16UC1')),
        of(IMAGE, image(step=1)),
        of(IMAGE, image(data=np.zeros(71, np.uint8))),
        of(IMAGE, bytes(image())[:30]),
        of(IMAGE, b''),
        of(IMAGE, bytes([0, 1, 0, 0]) + bytes([255]) * 40),
        of(COMPRESSED, compressed(0, b'')),
        of(COMPRESSED, compressed(0, b'junk')),
        of(TEXT, text('x')),
    ],
)
def test_what_is_no_image_is_told(message):
    with pytest.raises(ImageError):
        image_in(message)


# --- what is added ---


def people(skeleton=OPENPOSE_18):
    keypoints = np.random.default_rng(1).uniform(0, 1, (2, len(skeleton), 3)) * [640, 480, 1]
    keypoints[0, 2] = np.nan
    return [Pose(keypoints[0], 0.5, skeleton, 3), Pose(keypoints[1], 0.5, skeleton)]


@pytest.mark.parametrize('skeleton', [OPENPOSE_18, COCO_17])
@pytest.mark.parametrize('count', [0, 1, 2])
def test_skeletons_go_round(skeleton, count):
    poses = people(skeleton)[:count]
    read_back = poses_in(of(SKELETONS.msgtype, serialize_skeletons(poses, header(5), skeleton)), skeleton)
    assert [pose.id for pose in read_back] == [3, None][:count]
    for pose, original in zip(read_back, poses, strict=True):
        np.testing.assert_array_equal(pose.keypoints, original.keypoints)


def test_skeletons_are_laid_out_as_the_contract_says():
    cloud = STORE.deserialize_cdr(
        serialize_skeletons(people(), header(5 * SECOND, 'eye'), OPENPOSE_18), SKELETONS.msgtype
    )
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (2, 18, 16, 288)
    assert (cloud.is_dense, cloud.is_bigendian, len(cloud.data)) == (False, False, 576)
    assert [(each.name, each.offset, each.datatype, each.count) for each in cloud.fields] == [
        ('u', 0, 7, 1), ('v', 4, 7, 1), ('score', 8, 7, 1), ('id', 12, 5, 1),
    ]  # fmt: skip
    assert (cloud.header.stamp.sec, cloud.header.frame_id) == (5, 'eye')
    assert np.isnan(struct.unpack_from('<ff', cloud.data.tobytes(), 2 * 16)).all()
    with pytest.raises(BrokenSkeletonsError, match='keypoints'):
        poses_in(of(SKELETONS.msgtype, serialize_skeletons(people(), header(5), OPENPOSE_18)), COCO_17)


def test_ros_reads_what_is_added():
    serialization = pytest.importorskip('rclpy.serialization', reason='needs ROS')
    messages = pytest.importorskip('sensor_msgs.msg')
    texts = pytest.importorskip('std_msgs.msg')
    data = bytes(serialize_skeletons(people(), header(5 * SECOND + 9, 'eye'), OPENPOSE_18))
    cloud = serialization.deserialize_message(data, messages.PointCloud2)
    assert (cloud.header.stamp.sec, cloud.header.stamp.nanosec, cloud.header.frame_id) == (5, 9, 'eye')
    assert (cloud.height, cloud.width, [field.name for field in cloud.fields]) == (2, 18, ['u', 'v', 'score', 'id'])
    described = serialization.deserialize_message(bytes(serialize_description(OPENPOSE_18)), texts.String)
    assert json.loads(described.data)['keypoints'] == list(OPENPOSE_18.keypoints)
    found = np.full((4, 6, 3), 90, np.uint8)
    annotated = serialization.deserialize_message(
        bytes(serialize_annotated_image(found, header(1))), messages.CompressedImage
    )
    assert cv2.imdecode(np.asarray(annotated.data), cv2.IMREAD_COLOR).shape == (4, 6, 3)


# --- writing ---


def copied(source, target, storage):
    with open_bag(source) as bag, written_bag(target, storage) as writer:
        for topic in bag.topics:
            writer.add_topic(topic)
        for message in bag.messages():
            writer.add(message)
    return target


def described(path):
    """Everything that a bag says of its topics, and its messages."""
    with Reader(path) as reader:
        topics = {(each.topic, each.msgtype, each.msgdef, each.digest, each.msgcount) for each in reader.connections}
        qos = {each.topic: each.ext.offered_qos_profiles for each in reader.connections}
        return topics, qos, [(each.topic, stamp, bytes(data)) for each, stamp, data in reader.messages()]


@pytest.mark.parametrize('target', STORAGES)
def test_a_bag_is_copied_bit_for_bit(tmp_path, storage, target):
    messages = [('/camera', IMAGE, 5, image()), *chatter(3), ('/camera', IMAGE, 2 * SECOND, image(1))]
    bag = record(tmp_path / 'bag', storage, messages, qos=[LATCHED])
    copy = copied(bag, tmp_path / 'copy', target)
    assert described(copy) == described(bag)
    assert sorted(path.name for path in copy.iterdir()) == [f'copy{SUFFIX[target]}', 'metadata.yaml']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['bag', 'copy']


def test_types_of_ones_own_are_copied_with_their_hash(tmp_path, storage):
    store = get_typestore(Stores.ROS2_JAZZY)
    own = 'my_msgs/msg/Thing'
    store.register(get_types_from_msg('std_msgs/Header header\nuint8[<=4] values\nmy_msgs/Part part', own))
    store.register(get_types_from_msg('float32 x 1.5\n', 'my_msgs/msg/Part'))
    bag = record(tmp_path / 'bag', storage, [('/thing', own, 1, b'\x00\x01\x00\x00data')], store=store)
    for source in (bag, file_of(bag)):  # a file of mcap alone does not tell the hash
        copy = copied(source, tmp_path / f'copy of {source.name}', storage)
        assert described(copy) == described(bag)


def test_a_database_of_humble_gets_the_definitions_that_are_known(tmp_path):
    unknown = types.SimpleNamespace(generate_msgdef=lambda *_, **__: ('', ''), hash_rihs01=lambda _: 'none')
    messages = [('/a', TEXT, 1, text('x')), ('/own', 'my_msgs/msg/Thing', 2, b'data')]
    bag = record(tmp_path / 'bag', 'sqlite3', messages, store=unknown)
    with contextlib.closing(sqlite3.connect(file_of(bag))) as database:
        database.executescript('DROP TABLE message_definitions; DROP TABLE schema')
        database.execute('ALTER TABLE topics DROP COLUMN type_description_hash')
        database.commit()
    metadata = (bag / 'metadata.yaml').read_text()
    (bag / 'metadata.yaml').write_text(metadata.replace('type_description_hash: none', "type_description_hash: ''"))
    copy = copied(bag, tmp_path / 'copy', 'sqlite3')
    with Reader(copy) as reader:
        topics = {each.topic: each for each in reader.connections}
        assert len(list(reader.messages())) == 2
    assert (topics['/a'].digest, topics['/a'].msgdef.data) == (STORE.hash_rihs01(TEXT), STORE.generate_msgdef(TEXT)[0])
    assert topics['/own'].msgdef.data == ''


def test_topics_without_messages_are_kept(tmp_path, storage):
    with written_bag(tmp_path / 'bag', storage) as writer:
        writer.add_topic(Topic('/silent', IMAGE))
        writer.add(Message(Topic('/a', TEXT), 5, text('x')))
    with open_bag(tmp_path / 'bag') as bag:
        assert {topic.name for topic in bag.topics} == {'/silent', '/a'}
        assert bag.image_topic() == '/silent'


def test_own_topics_have_the_qos_of_the_node(tmp_path, storage):
    with written_bag(tmp_path / 'bag', storage) as writer:
        for topic in (SKELETONS, DESCRIPTION, ANNOTATED):
            writer.add_topic(topic)
        writer.add(Message(DESCRIPTION, 1, serialize_description(OPENPOSE_18)))
    with open_bag(tmp_path / 'bag') as bag:
        offered = {topic.name.rpartition('/')[2]: topic.qos[0] for topic in bag.topics}
    assert {name: (qos.depth, qos.reliability.name, qos.durability.name) for name, qos in offered.items()} == {
        'skeletons': (10, 'RELIABLE', 'VOLATILE'),
        'skeleton_description': (1, 'RELIABLE', 'TRANSIENT_LOCAL'),
        'compressed': (1, 'RELIABLE', 'VOLATILE'),
    }


@pytest.mark.parametrize('failure', [ValueError('x'), KeyboardInterrupt(), SystemExit(1), OSError('of someone else')])
def test_a_failure_leaves_nothing(tmp_path, storage, failure):
    def fail():
        with written_bag(tmp_path / 'bag', storage) as writer:
            writer.add(Message(Topic('/a', TEXT), 5, text('x')))
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'make', [lambda path: path.mkdir(), lambda path: path.write_text('x'), lambda path: path.symlink_to('/nowhere')]
)
def test_what_is_there_is_refused(tmp_path, storage, make):
    make(tmp_path / 'bag')
    with pytest.raises(OutputError, match='bag already exists; remove it or choose another'):
        written_bag(tmp_path / 'bag', storage).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ['bag']


def test_what_comes_into_being_meanwhile_is_not_overwritten(tmp_path, storage):
    def write():
        with written_bag(tmp_path / 'bag', storage) as writer:
            writer.add(Message(Topic('/a', TEXT), 5, text('x')))
            (tmp_path / 'bag').mkdir()
            (tmp_path / 'bag' / 'precious').write_text('x')

    with pytest.raises(OutputError, match='cannot write'):
        write()
    assert [path.name for path in (tmp_path / 'bag').iterdir()] == ['precious']
    assert [path.name for path in tmp_path.iterdir()] == ['bag']


def test_places_that_cannot_be_are_refused(tmp_path, storage):
    (tmp_path / 'file').write_text('x')
    with pytest.raises(OutputError, match='cannot make the folder'):
        written_bag(tmp_path / 'file' / 'bag', storage).__enter__()


def test_signs_that_sqlite_would_take_for_its_own_are_refused(tmp_path):
    for name in ('a?b', 'a#b', 'a%20b'):
        with pytest.raises(OutputError, match='cannot write a sqlite3 bag'):
            refuse_existing(tmp_path / name, 'sqlite3')
        refuse_existing(tmp_path / name, 'mcap')


WRITE_FOR_EVER = """
    import resource, signal, sys
    from pathlib import Path
    from pose_estimation_ros.core.errors import OutputError
    from pose_estimation_ros.data.bags.messages import Message, Topic
    from pose_estimation_ros.data.bags.writing import written_bag

    path, storage, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    message = Message(Topic('/a', 'std_msgs/msg/String'), 5, bytes(500_000))
    try:
        with written_bag(path, storage) as writer:
            while True:
                writer.add(message)
                print('wrote', flush=True)
    except OutputError as error:
        print(error)
"""


def write_for_ever(path, storage, limit):
    command = [sys.executable, '-c', textwrap.dedent(WRITE_FOR_EVER), str(path), storage, str(limit)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, storage):
    """A limit on the size of files stands for the disk."""
    output, _ = write_for_ever(tmp_path / 'bag', storage, 5_000_000).communicate(timeout=60)
    assert output.splitlines()[-1].startswith(f'cannot write {tmp_path / "bag"}: ')
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_leaves_no_bag(tmp_path, storage):
    process = write_for_ever(tmp_path / 'bag', storage, 200_000_000)
    assert [process.stdout.readline() for _ in range(5)] == ['wrote\n'] * 5
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    [rest] = tmp_path.iterdir()
    assert rest.name.startswith('.bag-')
    assert rest.suffix == '.partial'
    assert not list(rest.rglob('metadata.yaml'))
    with written_bag(tmp_path / 'bag', storage) as writer:  # the next run is not in its way
        writer.add(Message(Topic('/a', TEXT), 5, text('x')))
    assert len(read(tmp_path / 'bag')) == 1
