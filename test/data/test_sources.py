import contextlib
import functools
import os
import struct
import threading
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.errors import ImageError, SourceError
from pose_estimation_ros.data import source_names, sources
from pose_estimation_ros.data.source_names import open_sources
from pose_estimation_ros.data.sources import CameraSource
from pose_estimation_ros.data.video import VideoWriter


def frame_of(number, height=48, width=64):
    return np.full((height, width, 3), 20 * number, np.uint8)


def numbers(frames):
    """Read the brightness of `image` back."""
    return [round(frame.image.mean() / 20) for frame in frames]


def save(path, number=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), frame_of(number))
    return path


def save_video(path, count=10, fps=25):
    with VideoWriter(path, fps) as writer:
        for number in range(count):
            writer.write(frame_of(number % 12))
    return path


def save_avi(path, count=60):
    """A file whose header, with the number of frames, comes first."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 25, (64, 48))
    for _ in range(count):
        writer.write(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    return path


def index_first(content):
    """Move the index of an mp4 to the front, as files made for the web have it."""
    boxes, position = {}, 0
    while position < len(content):
        size, kind = struct.unpack('>I4s', content[position : position + 8])
        boxes[kind] = content[position : position + size]
        position += size
    index = bytearray(boxes[b'moov'])
    table = index.index(b'stco') + 8
    for entry in range(table + 4, table + 4 + 4 * struct.unpack_from('>I', index, table)[0], 4):
        struct.pack_into('>I', index, entry, struct.unpack_from('>I', index, entry)[0] + len(index))
    return boxes[b'ftyp'] + bytes(index) + b''.join(boxes[kind] for kind in boxes if kind not in (b'ftyp', b'moov'))


def only(argument):
    (source,) = open_sources([str(argument)])
    return source


# --- images ---


@pytest.mark.parametrize('name', ['a.jpg', 'a.PNG', 'no_suffix', 'odd.suffix'])
def test_a_image(tmp_path, name):
    path = save(tmp_path / 'a.png', 3).rename(tmp_path / name)
    source = only(path)
    assert (source.name, source.kind, source.total, source.fps) == (str(path), 'image', 1, None)
    (frame,) = source.frames()
    assert (frame.source, frame.index, frame.stamp) == (str(path), 0, 0.0)
    assert (frame.image.shape, frame.image.dtype) == ((48, 64, 3), np.uint8)
    assert numbers(source.frames()) == [3]
    source.close()


@pytest.mark.parametrize('content', [b'', b'no image', None])
def test_a_image_that_the_user_named_and_that_cannot_be_read(tmp_path, content):
    path = save(tmp_path / 'a.png')
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(ImageError, match=r'a\.png'):
        list(only(path).frames())


def test_a_folder_in_the_order_that_people_count_in(tmp_path):
    for number, name in enumerate(['1.png', '2.jpg', '10.png', 'b2.png', 'B10.JPEG', 'b11.bmp']):
        save(tmp_path / name, number)
    save(tmp_path / '.hidden.png')
    save(tmp_path / 'deeper' / '3.png')
    (tmp_path / 'folder.png').mkdir()
    (tmp_path / 'notes.txt').write_text('hello')
    source = only(tmp_path)
    assert (source.name, source.kind, source.total, source.skipped) == (str(tmp_path), 'image', 6, 0)
    frames = list(source.frames())
    assert numbers(frames) == [0, 1, 2, 3, 4, 5]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4, 5]
    assert [Path(frame.source).name for frame in frames][:3] == ['1.png', '2.jpg', '10.png']


def test_an_unreadable_image_in_a_folder_is_left_out_and_named(tmp_path, caplog):
    for number in range(4):
        save(tmp_path / f'{number}.png', number)
    (tmp_path / '2.png').write_bytes(b'\x89PNG')
    source = only(tmp_path)
    for _ in range(2):
        caplog.clear()
        frames = list(source.frames())
        assert numbers(frames) == [0, 1, 3]
        assert [frame.index for frame in frames] == [0, 1, 2]
        assert source.skipped == 1
        (record,) = caplog.records
        assert '2.png' in record.message
        assert 'skipped' in record.message


def test_a_folder_of_nothing_but_unreadable_images(tmp_path):
    for number in range(2):
        (tmp_path / f'{number}.png').touch()
    with pytest.raises(SourceError, match=r'of 2 images in .* none can be read'):
        list(only(tmp_path).frames())


def test_a_folder_without_images(tmp_path):
    with pytest.raises(SourceError, match=r'holds no images \(.*\.jpg, .*\.png.*\)$'):
        open_sources([str(tmp_path)])
    save_video(tmp_path / 'a.mp4')
    with pytest.raises(SourceError, match='it holds 1 videos, which must be given one by one'):
        open_sources([str(tmp_path)])


def test_a_pattern(tmp_path):
    for number in (10, 9, 2):
        save(tmp_path / 'shots' / f'{number}.png', number)
    save(tmp_path / 'shots' / '.3.png')
    save_video(tmp_path / 'shots' / 'a.mp4', 4)
    (tmp_path / 'shots' / 'notes.txt').write_text('hello')
    images, video = open_sources([str(tmp_path / 'shots' / '*')])
    assert (images.kind, images.total, video.kind, video.total) == ('image', 3, 'video', 4)
    assert images.name.endswith('/*')
    assert numbers(images.frames()) == [2, 9, 10]
    assert only(tmp_path / '**' / '?.png').total == 2
    with pytest.raises(SourceError, match=r'no image or video matches .*\*\.bmp'):
        open_sources([str(tmp_path / '*.bmp')])


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    assert only(save(tmp_path / 'a[1].png')).total == 1


# --- videos ---


@pytest.mark.parametrize('name', ['a.mp4', 'a.MP4', 'no_suffix', 'odd.suffix'])
def test_a_video(tmp_path, name):
    path = save_video(tmp_path / 'made.mp4', 10).rename(tmp_path / name)
    source = only(path)
    assert (source.name, source.kind, source.total, source.fps) == (str(path), 'video', 10, 25)
    for _ in range(2):
        frames = list(source.frames())
        assert numbers(frames) == list(range(10))
        assert [frame.index for frame in frames] == list(range(10))
        assert [frame.stamp for frame in frames] == pytest.approx([index / 25 for index in range(10)])
        assert {frame.source for frame in frames} == {str(path)}
    source.close()


def test_frames_may_be_kept(tmp_path):
    first, second, *_ = only(save_video(tmp_path / 'a.mp4')).frames()
    assert not np.shares_memory(first.image, second.image)


def test_a_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_video(Path('a:b.mp4'))
    source = only('a:b.mp4')
    assert source.name == 'a:b.mp4'
    assert len(list(source.frames())) == 10


def test_a_real_video(assets, caplog):
    path = assets / 'video' / 'street.mp4'
    if not path.exists():
        pytest.skip(f'{path} is not there')
    source = only(path)
    stamps = np.array([frame.stamp for frame in source.frames()])
    assert (source.total, source.fps) == (671, 30)
    np.testing.assert_allclose(stamps, np.arange(671) / 30, atol=1e-3)
    assert not caplog.records


@pytest.mark.parametrize('clock', [0.0, -1.0, float('nan')])
def test_stamps_of_a_video_without_a_clock(tmp_path, monkeypatch, clock):
    monkeypatch.setattr(sources.Capture, 'stamp', lambda capture: clock)
    stamps = [frame.stamp for frame in only(save_video(tmp_path / 'a.mp4')).frames()]
    assert stamps == pytest.approx([index / 25 for index in range(10)])


def test_stamps_grow_where_the_clock_jumps(tmp_path, monkeypatch):
    clock = iter([0, 0.5, 0.1, 0.2, 0.6, 0.6, 2, 3, 4, 5])
    monkeypatch.setattr(sources.Capture, 'stamp', lambda capture: next(clock))
    stamps = [frame.stamp for frame in only(save_video(tmp_path / 'a.mp4')).frames()]
    assert stamps == pytest.approx([0, 0.5, 0.54, 0.58, 0.6, 0.64, 2, 3, 4, 5])


def cut_avi(folder):
    path = save_avi(folder / 'cut.avi')
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def cut_mp4(folder):
    path = save_video(folder / 'cut.mp4', 60)
    content = index_first(path.read_bytes())
    path.write_bytes(content)
    assert len(list(only(path).frames())) == 60
    path.write_bytes(content[: len(content) - 3 * (len(content) - content.index(b'mdat')) // 4])
    return path


@pytest.mark.parametrize('make', [cut_avi, cut_mp4])
def test_a_video_that_breaks_off(tmp_path, caplog, make):
    source = only(make(tmp_path))
    frames = list(source.frames())
    assert 3 < len(frames) < 50
    (record,) = caplog.records
    assert record.message == f'{source.name} breaks off after {len(frames)} of 60 frames'


def test_an_mp4_that_was_cut_off_before_its_index(tmp_path):
    path = save_video(tmp_path / 'cut.mp4', 60)
    content = path.read_bytes()
    for kept in (len(content) // 2, content.index(b'moov') + 40, len(content) - 100):
        path.write_bytes(content[:kept])
        with pytest.raises(SourceError, match=r'cut\.mp4 .* was it cut off\?.*copy or record .*: ffmpeg -i'):
            open_sources([str(path)])


@pytest.mark.parametrize(
    ('total', 'fps', 'warned'),
    [(10, 25, False), (12, 25, False), (13, 25, True), (500, 25, True), (500, 1000, True), (20, 50, False)],
)
def test_the_count_of_the_header_is_a_guess(tmp_path, caplog, total, fps, warned):
    """20 frames at 50 Hz last as long as 10 at 25: then the rate was estimated wrongly, and nothing is missing."""
    source = only(save_video(tmp_path / 'a.mp4'))
    source.total, source.fps = total, fps
    assert len(list(source.frames())) == 10
    assert bool(caplog.records) is warned


def test_a_caller_who_stops_early_is_not_warned(tmp_path, caplog):
    frames = only(save_video(tmp_path / 'a.mp4')).frames()
    next(frames)
    frames.close()
    assert not caplog.records


def test_a_video_without_a_frame(tmp_path):
    path = save_avi(tmp_path / 'empty.avi')
    content = path.read_bytes()
    start = content.index(b'movi') + 4
    path.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(SourceError, match=r'empty\.avi should be a video, but no frame of it can be decoded'):
        open_sources([str(path)])


def test_a_video_that_goes_away(tmp_path):
    source = only(save_video(tmp_path / 'a.mp4'))
    (tmp_path / 'a.mp4').unlink()
    with pytest.raises(SourceError, match='can no longer be read'):
        list(source.frames())


@pytest.mark.parametrize('name', ['a.mp4', 'a.ts', 'a.txt', 'a.json', 'a'])
@pytest.mark.parametrize('text', ['hello\n' * 2000, 'grüße ' * 3000, '\x1b[31mred'])
def test_texts_are_no_videos(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match='must be an image, a video or a folder of images, but it is a text'):
        open_sources([str(tmp_path / name)])


@pytest.mark.parametrize('name', ['a.mp4', 'a.txt', 'a'])
def test_empty_files(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(SourceError, match='but it is empty'):
        open_sources([str(tmp_path / name)])


def test_other_binary_files(tmp_path):
    np.savez(tmp_path / 'a.npz', np.arange(99))
    with pytest.raises(SourceError, match='but OpenCV can read it as neither'):
        open_sources([str(tmp_path / 'a.npz')])


def test_a_video_is_turned_as_it_says(tmp_path):
    path = save_video(tmp_path / 'a.mp4')
    content = bytearray(path.read_bytes())
    matrix = content.index(b'tkhd') + 44
    content[matrix : matrix + 36] = struct.pack('>9i', 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    assert {frame.image.shape for frame in only(path).frames()} == {(64, 48, 3)}


def test_an_animation(tmp_path):
    save(tmp_path / 'a.gif')
    source = only(tmp_path / 'a.gif')
    assert source.kind == 'video'
    assert numbers(source.frames()) == [1]


# --- arguments ---


def test_several_arguments_keep_their_order(tmp_path):
    arguments = [save_video(tmp_path / 'b.mp4'), save(tmp_path / 'images' / 'a.png'), tmp_path / 'images']
    assert [source.name for source in open_sources(list(map(str, arguments)))] == list(map(str, arguments))
    assert open_sources([]) == []


@pytest.mark.parametrize(
    'missing', ['nothing.mp4', 'no/folder', 'camera:', 'camera:x', '/dev/nothing', 'rtsp://', '-1']
)
def test_what_is_not_there(missing):
    with pytest.raises(SourceError, match=f'there is no file or folder {missing}$'):
        open_sources([missing])


def test_an_empty_argument():
    with pytest.raises(SourceError, match="there is no file or folder ''"):
        open_sources([''])


@pytest.mark.parametrize('odd', ['a\0b', 'a\udcff.png', 'x' * 300])
def test_impossible_names(odd):
    with pytest.raises(SourceError):
        open_sources([odd])


def test_all_arguments_are_checked_before_any_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(source_names, 'Capture', None)
    with pytest.raises(SourceError, match=r'no file or folder .*missing\.png'):
        open_sources(['0', str(save_video(tmp_path / 'a.mp4')), str(tmp_path / 'missing.png')])


def test_what_is_neither_file_nor_folder(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(SourceError, match='pipe is neither a file nor a folder'):
        open_sources([str(tmp_path / 'pipe')])


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read anything')
def test_what_may_not_be_read(tmp_path):
    path = save_video(tmp_path / 'folder' / 'a.mp4')
    path.chmod(0)
    with pytest.raises(SourceError, match='Permission denied'):
        open_sources([str(path)])
    path.parent.chmod(0)
    for hidden in (path, path.parent):
        with pytest.raises(SourceError, match='Permission denied'):
            open_sources([str(hidden)])
    path.parent.chmod(0o700)


def test_a_video_whose_name_is_not_utf8(tmp_path):
    path = save_video(tmp_path / 'a.mp4').rename(tmp_path / 'a\udcff.mp4')
    with pytest.raises(SourceError, match='names in UTF-8; rename it'):
        open_sources([str(path)])
    assert only(save(tmp_path / 'a.png', 3).rename(tmp_path / 'a\udcff.png')).total == 1


# --- cameras and streams ---


@pytest.mark.parametrize('argument', ['97', 'camera:97', '/dev/video97'])
def test_a_camera_that_is_not_there(argument, capfd):
    if Path('/dev/video97').exists():
        pytest.skip('there is a camera of this number')
    with pytest.raises(
        SourceError, match=r'cannot open camera:97: .*(no camera is connected|there is no /dev/video97)'
    ):
        open_sources([argument])
    assert capfd.readouterr() == ('', '')


class FakeCapture:
    """A camera of three images. It notes which ones are in use."""

    held: list = []  # noqa: RUF012 (emptied by the fixture)

    def __init__(self, address):
        self.address, self.opened, self.fps, self.total = address, address != 1, 15.0, None
        self.left = 3
        self.held.append(self)

    def read(self):
        self.left -= 1
        return frame_of(self.left) if self.left >= 0 else None

    def close(self):
        self.held.remove(self)


@pytest.fixture
def held(monkeypatch):
    monkeypatch.setattr(sources, 'Capture', FakeCapture)
    monkeypatch.setattr(source_names, 'Capture', FakeCapture)
    FakeCapture.held.clear()
    return FakeCapture.held


def test_a_camera(held, monkeypatch, caplog):
    times = iter([100.0, 100.1, 100.3] * 2)
    monkeypatch.setattr(sources.time, 'monotonic', lambda: next(times))
    source = only('0')
    assert (source.name, source.kind, source.total, source.fps) == ('camera:0', 'camera', None, 15)
    assert [capture.address for capture in held] == [0]
    for _ in range(2):
        caplog.clear()
        frames = list(source.frames())
        assert [frame.stamp for frame in frames] == pytest.approx([0, 0.1, 0.3])
        assert [frame.source for frame in frames] == ['camera:0'] * 3
        assert held == []
        assert [record.message for record in caplog.records] == ['camera:0 gives no more images after 3']


def test_a_camera_is_let_go_when_the_reader_stops(held):
    frames = only('camera:2').frames()
    next(frames)
    assert len(held) == 1
    with pytest.raises(KeyboardInterrupt):
        frames.throw(KeyboardInterrupt)
    assert held == []


def test_a_camera_is_let_go_without_reading(held):
    source = only('/dev/video0')
    source.close()
    source.close()
    assert held == []


def test_a_camera_is_let_go_when_another_argument_fails(held):
    with pytest.raises(SourceError, match='cannot open camera:1'):
        open_sources(['0', '1'])
    assert [capture.address for capture in held] == [1]  # which was never open


def test_a_camera_without_images(held):
    source = only('0')
    held[0].left = 0
    with pytest.raises(SourceError, match='camera:0 gives no images; is another program using it'):
        list(source.frames())
    assert held == []


def test_a_device_by_another_name(held, monkeypatch):
    monkeypatch.setattr(sources.os.path, 'realpath', lambda path: '/dev/video3')
    assert only('/dev/v4l/by-id/usb-camera').name == 'camera:3'


@pytest.mark.parametrize(
    ('devices', 'usable', 'cure'),
    [
        ([], True, 'no camera is connected'),
        (['/dev/video2', '/dev/video10'], True, 'there is no /dev/video0, but /dev/video2, /dev/video10'),
        (['/dev/video0'], False, 'you may not use /dev/video0; join the group video'),
        (['/dev/video0'], True, 'another program may be using it'),
    ],
)
def test_what_to_do_about_a_camera(monkeypatch, devices, usable, cure):
    monkeypatch.setattr(sources.Path, 'glob', lambda path, pattern: map(Path, reversed(devices)))
    monkeypatch.setattr(sources.os, 'access', lambda path, mode: usable)
    capture = FakeCapture(1)
    with pytest.raises(SourceError, match=f'^cannot open camera:0: {cure}'):
        CameraSource('camera:0', 0, capture)


@pytest.fixture
def serve():
    servers = []

    def start(handler):
        servers.append(ThreadingHTTPServer(('127.0.0.1', 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f'127.0.0.1:{servers[-1].server_address[1]}'

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_live_stream(serve):
    class Camera(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
            self.end_headers()
            for number in range(30):
                content = cv2.imencode('.jpg', frame_of(number % 10))[1].tobytes()
                head = f'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n'
                self.wfile.write(head.encode() + content + b'\r\n')

        def log_message(self, *_):
            pass

    host = serve(Camera)
    source = only(f'http://me:secret@{host}/live')
    assert (source.name, source.kind, source.total) == (f'http://{host}/live', 'camera', None)
    frames = list(source.frames())
    assert len(frames) > 20
    assert frames[0].stamp == 0
    assert (np.diff([frame.stamp for frame in frames]) > 0).all()


def test_a_video_on_a_server(serve, tmp_path):
    class Files(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def copyfile(self, source, outputfile):
            with contextlib.suppress(OSError):  # the reader has seen enough
                super().copyfile(source, outputfile)

    path = save_video(tmp_path / 'a.mp4')
    path.write_bytes(index_first(path.read_bytes()))
    host = serve(functools.partial(Files, directory=tmp_path))
    source = only(f'http://{host}/a.mp4')
    assert (source.kind, source.total, source.fps) == ('video', 10, 25)
    assert numbers(source.frames()) == list(range(10))


@pytest.mark.parametrize('scheme', ['http', 'rtsp'])
def test_a_server_that_is_not_there(scheme, capfd):
    with pytest.raises(SourceError, match=f'cannot open {scheme}://127.0.0.1:1/live: is the address right'):
        open_sources([f'{scheme}://me:secret@127.0.0.1:1/live'])
