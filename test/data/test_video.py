import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from pose_estimation_ros.core.errors import ImageError, OutputError, SettingsError
from pose_estimation_ros.data import video
from pose_estimation_ros.data.video import Capture, VideoWriter


def frame_of(number, height=48, width=64):
    """A grey image whose brightness tells its number, with a white block at the top left."""
    image = np.full((height, width, 3), 20 * number, np.uint8)
    image[:8, :8] = 255
    return image


def write(path, frames, fps=25):
    with VideoWriter(path, fps) as writer:
        for frame in frames:
            writer.write(frame)


def read(path):
    capture = Capture(str(path))
    assert capture.opened
    frames = []
    while (frame := capture.read()) is not None:
        frames.append(frame)
    capture.close()
    return frames


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'out' / 'people.mp4'


@pytest.mark.parametrize('fps', [1, 14.985, 25, 29.97, 240])
def test_round_trip(path, fps):
    frames = [frame_of(number) for number in range(12)]
    write(path, frames, fps)
    assert [file.name for file in path.parent.iterdir()] == ['people.mp4']
    back = read(path)
    assert len(back) == 12
    for frame, same in zip(frames, back, strict=True):
        assert np.abs(frame.astype(int) - same).mean() < 6
    capture = Capture(str(path))
    assert capture.total == 12
    assert capture.fps == pytest.approx(fps, abs=1e-3)
    assert capture.read() is not None
    assert capture.stamp() == 0
    assert capture.read() is not None
    assert capture.stamp() == pytest.approx(1 / fps, rel=1e-2)


def test_one_frame(path):
    write(path, [frame_of(5)])
    assert len(read(path)) == 1


def test_colours_keep_their_order(path):
    write(path, [np.full((48, 64, 3), (200, 30, 30), np.uint8)] * 3)
    blue, green, red = read(path)[0].mean((0, 1))
    assert blue > 170
    assert max(green, red) < 60


def test_whoever_may_read_other_files_may_read_this_one(path):
    write(path, [frame_of(5)])
    other = path.with_name('other')
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_no_frame_no_file(path):
    with VideoWriter(path, 25) as writer:
        assert writer.frames == 0
    assert not path.exists()


@pytest.mark.parametrize(('height', 'width'), [(47, 64), (48, 63), (47, 63), (1, 1)])
def test_odd_sides_grow_by_a_pixel_of_the_edge(path, height, width):
    frame = np.full((height, width, 3), 90, np.uint8)
    write(path, [frame] * 3)
    back = read(path)[0]
    assert back.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(back.astype(int) - 90).max() < 12


def test_frames_of_other_sizes_are_fitted_inside(path):
    white = {size: np.full((*size, 3), 255, np.uint8) for size in [(47, 63), (96, 128), (10, 64), (48, 10), (46, 64)]}
    write(path, white.values())
    back = read(path)
    assert {frame.shape for frame in back} == {(48, 64, 3)}
    assert back[0].min() > 240
    assert back[1][2:-2].min() > 235
    assert back[2][24].min() > 200
    assert back[2][4].max() < 50
    assert back[3][:, 32].min() > 200
    assert back[3][:, 4].max() < 50


def test_grey_and_transparent_frames_are_taken(path):
    write(path, [np.full((48, 64), 90, np.uint8), np.full((48, 64, 4), 90, np.uint8)])
    assert len(read(path)) == 2


def test_what_is_no_image_is_refused_and_leaves_nothing(path):
    with pytest.raises(ImageError, match='must be HxWx3 uint8'):
        write(path, [frame_of(1), np.zeros((48, 64, 3))])
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    'error', [ValueError('no'), FileNotFoundError(2, 'No such file', 'x.jpg'), KeyboardInterrupt()]
)
def test_an_exception_leaves_nothing_and_stays_what_it_is(path, error):
    def frames():
        yield frame_of(1)
        yield frame_of(2)
        raise error

    with pytest.raises(type(error)) as caught:
        write(path, frames())
    assert caught.value is error
    assert list(path.parent.iterdir()) == []


def test_an_exception_keeps_the_file_that_was_there(path):
    write(path, [frame_of(1)] * 4)
    before = path.read_bytes()
    with pytest.raises(ImageError):
        write(path, [frame_of(1), np.zeros(3)])
    assert path.read_bytes() == before
    write(path, [frame_of(1)] * 2)
    assert len(read(path)) == 2


def test_ctrl_c_leaves_nothing(tmp_path):
    code = (
        'import sys, numpy as np\nfrom pathlib import Path\nfrom pose_estimation_ros.data.video import VideoWriter\n'
        'with VideoWriter(Path(sys.argv[1]), 25) as writer:\n'
        '    while True:\n'
        '        writer.write(np.zeros((48, 64, 3), np.uint8))\n'
        '        print(writer.frames, flush=True)\n'
    )
    command = [sys.executable, '-c', code, str(tmp_path / 'people.mp4')]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert errors.strip().endswith('KeyboardInterrupt')
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_noticed(path, capfd):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 256, (10, 240, 320, 3), dtype=np.uint8)
    video.codec_works(video.CODECS[0])
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(OutputError, match=r'people.mp4: of 10 frames, 0 can be read back; is the disk full\?'):
            write(path, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(path.parent.iterdir()) == []


def test_no_codec(path, monkeypatch):
    monkeypatch.setattr(video, 'CODECS', ('avc9', 'zzzz'))
    with pytest.raises(OutputError, match='writes 64x48 video as none of avc9, zzzz; write images instead'):
        write(path, [frame_of(1)])
    assert list(path.parent.iterdir()) == []


def test_a_codec_that_yields_nothing_is_passed_over(path, monkeypatch):
    monkeypatch.setattr(video, 'codec_works', lambda codec: False)
    write(path, [frame_of(1)] * 3)
    assert len(read(path)) == 3


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='cannot make the folder'):
        write(tmp_path / 'file' / 'people.mp4', [frame_of(1)])
    (tmp_path / 'folder.mp4').mkdir()
    with pytest.raises(OutputError, match='it is a folder'):
        write(tmp_path / 'folder.mp4', [frame_of(1)])


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match='Permission denied'):
        write(tmp_path / 'people.mp4', [frame_of(1)])


@pytest.mark.parametrize('fps', [0, -1, float('nan'), float('inf'), 1e6])
def test_impossible_rates(path, fps):
    with pytest.raises(SettingsError, match='fps must be above 0 and at most 1000, got'):
        VideoWriter(path, fps)


def test_other_containers_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r'ends in .mp4, got .*people.avi'):
        VideoWriter(tmp_path / 'people.avi', 25)


def test_nothing_is_said_behind_the_users_back(tmp_path):
    """In a process of its own, since FFmpeg takes its level from whoever is first."""
    code = (
        'import os, sys, numpy as np, cv2\nfrom pathlib import Path\n'
        'level, variables = cv2.utils.logging.getLogLevel(), dict(os.environ)\n'
        'from pose_estimation_ros.data.video import Capture, VideoWriter, codec_works\n'
        'folder = Path(sys.argv[1])\n'
        '(folder / "text.mp4").write_text("hello " * 100)\n'
        'assert not Capture(str(folder / "text.mp4")).opened\n'
        'assert not Capture(97).opened\n'
        'codec_works("avc1")\n'
        'with VideoWriter(folder / "a.mp4", 25) as writer:\n'
        '    writer.write(np.zeros((48, 64, 3), np.uint8))\n'
        'content = (folder / "a.mp4").read_bytes()\n'
        '(folder / "cut.mp4").write_bytes(content[:len(content) // 2])\n'
        'assert not Capture(str(folder / "cut.mp4")).opened\n'
        'assert cv2.utils.logging.getLogLevel() == level\n'
        'assert dict(os.environ) == variables\n'
    )
    result = subprocess.run([sys.executable, '-c', code, tmp_path], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, '', '')


def test_a_name_that_opencv_cannot_take(tmp_path):
    """OpenCV 5.0 dies of it."""
    assert not Capture(str(tmp_path / 'a\udcff.mp4')).opened
    with pytest.raises(OutputError, match='OpenCV can only use names in UTF-8'):
        VideoWriter(tmp_path / 'a\udcff.mp4', 25)
