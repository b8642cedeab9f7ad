"""Whatever users hand over: a right answer or one sentence and exit code 2, and nothing half-written."""

import json
import os
import re
import resource
import shutil
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_estimation_ros.core.image import read_image

OUT = Path('out')
POSES = OUT / 'poses.json'
WEB_PAGE = '<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Log in to download</body></html>\n'


def files_under(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob('*') if not path.is_dir())


def encoded(suffix, image, *options):
    return cv2.imencode(suffix, image, *options)[1].tobytes()


@pytest.fixture
def infer(cli, seeing):
    """Function that runs `infer` with both kinds of output."""
    return lambda *arguments: cli('infer', *arguments, '--output', OUT, '--json', POSES, *seeing)


@pytest.fixture
def infer_apart(spawn, seeing):
    """The same in a process of its own, since FFmpeg stays as talkative as it was at its first video."""
    return lambda *arguments: spawn('infer', *arguments, '--output', OUT, '--json', POSES, *seeing)


def frames_of(outcome):
    assert outcome.code == 0, outcome
    return json.loads(POSES.read_text())['frames']


class TestPictures:
    @pytest.fixture
    def file(self, tmp_path):
        """Function that writes a file of the user's."""

        def write(name, content):
            (tmp_path / name).write_bytes(content)
            return tmp_path / name

        return write

    @pytest.mark.parametrize('suffix', ['.jpg', '.png'])
    @pytest.mark.parametrize('share', [0.02, 0.5, 0.99])
    def test_cut_off(self, infer, file, three, suffix, share):
        content = encoded(suffix, three)
        sentence = infer(file(f'half{suffix}', content[: int(len(content) * share)])).sentence()
        assert re.search(rf'half{suffix} (is cut off|is not an image)', sentence)
        assert files_under('.') == []

    @pytest.mark.parametrize(
        ('name', 'content', 'expected'),
        [
            ('nothing.png', b'', 'nothing.png is empty'),
            ('page.jpg', WEB_PAGE.encode(), 'page.jpg is not an image'),
            ('noise.png', bytes(range(256)) * 20, 'noise.png is not an image'),
        ],
    )
    def test_no_picture_at_all(self, infer, file, name, content, expected):
        assert expected in infer(file(name, content)).sentence()
        assert files_under('.') == []

    def test_sixteen_bits_are_as_good_as_eight(self, infer, file, three):
        (frame,) = frames_of(infer(file('deep.png', encoded('.png', three.astype(np.uint16) * 257))))
        assert len(frame['poses']) == 3

    def test_transparency_is_ignored(self, infer, file, three):
        clear = np.dstack([three, np.zeros(three.shape[:2], np.uint8)])
        (frame,) = frames_of(infer(file('clear.png', encoded('.png', clear))))
        assert len(frame['poses']) == 3

    @pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
    def test_grey(self, infer, file, dtype):
        (frame,) = frames_of(infer(file('grey.png', encoded('.png', np.full((60, 80), 90, dtype)))))
        assert (frame['width'], frame['height'], frame['poses']) == (80, 60, [])
        assert read_image(OUT / 'grey.png').shape == (60, 80, 3)

    def test_cmyk(self, infer, file):
        (frame,) = frames_of(infer(file('cmyk.tif', cmyk_tiff(48, 64))))
        assert (frame['width'], frame['height']) == (64, 48)

    @pytest.mark.parametrize(('height', 'width'), [(1, 1), (1, 20_000), (120, 20_000), (20_000, 1), (20_000, 100)])
    def test_odd_sizes(self, infer, file, height, width):
        (frame,) = frames_of(infer(file('odd.png', encoded('.png', np.full((height, width, 3), 128, np.uint8)))))
        assert (frame['height'], frame['width'], frame['poses']) == (height, width, [])
        assert read_image(OUT / 'odd.png').shape == (height, width, 3)

    def test_people_in_a_very_wide_picture(self, infer, file, painted, standing):
        """They are found where the picture is not scaled down to less than they need."""
        wide = painted([standing(160), standing(2400)], width=2560)
        (frame,) = frames_of(infer(file('wide.png', encoded('.png', wide))))
        centres = sorted(pose['bbox'][0] + pose['bbox'][2] / 2 for pose in frame['poses'])
        assert centres == pytest.approx([160, 2400], abs=3)

    def test_two_hundred_people(self, infer, file, painted, standing):
        one = painted([standing(64, 56, scale=2)], 128, 128)
        crowd = file('crowd.png', encoded('.png', np.tile(one, (10, 20, 1))))
        (frame,) = frames_of(infer(crowd, '--height', 1280))
        assert len(frame['poses']) == 200
        necks = sorted((round(y / 128 - 0.25), round(x / 128 - 0.5)) for x, y, _ in necks_of(frame))
        assert necks == [(row, column) for row in range(10) for column in range(20)]

    def test_most_of_them_may_be_left_out(self, infer, file, painted, standing):
        one = painted([standing(64, 56, scale=2)], 128, 128)
        crowd = file('crowd.png', encoded('.png', np.tile(one, (2, 20, 1))))
        (frame,) = frames_of(infer(crowd, '--height', 256, '--max-persons', 7))
        assert len(frame['poses']) == 7


def necks_of(frame):
    return [pose['keypoints'][1] for pose in frame['poses']]


def cmyk_tiff(height, width):
    """A whole, uncompressed TIFF in cyan, magenta, yellow and black (what printers send)."""
    pixels = bytes([200, 30, 30, 10]) * (height * width)
    bits = struct.pack('<4H', 8, 8, 8, 8)
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 4, 8), (259, 3, 1, 1), (262, 3, 1, 5),
        (273, 4, 1, 16), (277, 3, 1, 4), (278, 3, 1, height), (279, 4, 1, len(pixels)), (332, 3, 1, 1),
    ]  # fmt: skip
    directory = struct.pack('<H', len(entries)) + b''.join(struct.pack('<HHLL', *entry) for entry in entries)
    return struct.pack('<2sHL', b'II', 42, 16 + len(pixels)) + bits + pixels + directory + bytes(4)


class TestVideos:
    @pytest.fixture(scope='class')
    @classmethod
    def mp4(cls, tmp_path_factory, walking, record):
        return record(tmp_path_factory.mktemp('mp4') / 'walk.mp4', walking * 3, codec='mp4v').read_bytes()

    def test_without_its_index(self, infer_apart, tmp_path, mp4):
        (tmp_path / 'half.mp4').write_bytes(mp4[: len(mp4) // 2])
        sentence = infer_apart(tmp_path / 'half.mp4').sentence()
        assert 'half.mp4 should be a video' in sentence
        assert 'was it cut off?' in sentence
        assert files_under('.') == []

    def test_cut_off_after_its_index(self, infer_apart, tmp_path, mp4):
        whole = index_first(mp4)
        (tmp_path / 'half.mp4').write_bytes(whole[: len(whole) * 6 // 10])
        outcome = infer_apart(tmp_path / 'half.mp4')
        frames = frames_of(outcome)
        assert 5 <= len(frames) < 30
        (warning,) = outcome.complaints
        assert re.search(rf'half.mp4 breaks off after {len(frames)} of 36 frames', warning)
        assert files_under(OUT) == ['half.mp4', 'poses.json']

    @pytest.mark.parametrize(
        ('content', 'reason'), [(b'', 'it is empty'), (b'a note\n' * 50, 'it is a text'), (WEB_PAGE.encode(), 'a text')]
    )
    def test_no_video_at_all(self, infer, tmp_path, content, reason):
        (tmp_path / 'a.mp4').write_bytes(content)
        assert reason in infer(tmp_path / 'a.mp4').sentence()
        assert files_under('.') == []

    def test_noise(self, infer_apart, tmp_path):
        (tmp_path / 'a.mp4').write_bytes(np.random.default_rng(0).bytes(5000))
        assert 'a.mp4 should be a video' in infer_apart(tmp_path / 'a.mp4').sentence()

    def test_one_wrong_source_stops_all_before_the_work(self, infer, tmp_path, picture, clip):
        sentence = infer(picture, clip, tmp_path / 'missing.png').sentence()
        assert sentence == f'pose_estimation: there is no file or folder {tmp_path / "missing.png"}'
        assert files_under('.') == []

    def test_folder_of_nothing(self, infer, tmp_path):
        (tmp_path / 'empty').mkdir()
        assert 'holds no images' in infer(tmp_path / 'empty').sentence()

    def test_failure_in_the_middle_leaves_what_was_whole(self, infer, tmp_path, picture):
        """Of several sources, the pictures before the broken one stay; the JSON, which would lack some, does not."""
        (tmp_path / 'broken.png').write_bytes(picture.read_bytes()[:500])
        assert 'broken.png is cut off' in infer(picture, tmp_path / 'broken.png').sentence().replace('\n', '')
        assert files_under('.') == ['out/three.png']


def index_first(mp4):
    """Move an .mp4's index from its end to before its data, as for the web."""
    atoms, position = {}, 0
    while position < len(mp4):
        size, kind = struct.unpack('>L4s', mp4[position : position + 8])
        atoms[kind] = mp4[position : position + size]
        position += size
    index = bytearray(atoms[b'moov'])
    table = index.index(b'stco') + 8
    (count,) = struct.unpack('>L', index[table : table + 4])
    places = struct.unpack(f'>{count}L', index[table + 4 : table + 4 + 4 * count])
    index[table + 4 : table + 4 + 4 * count] = struct.pack(f'>{count}L', *(each + len(index) for each in places))
    others = [atom for kind, atom in atoms.items() if kind not in (b'ftyp', b'moov')]
    return atoms[b'ftyp'] + bytes(index) + b''.join(others)


class TestWeights:
    """Files that are no weights, or others' weights."""

    @pytest.fixture
    def refused(self, cli, picture):
        """Function that runs `infer` with weights, which must be refused, and returns the sentence."""

        def run(weights, *options):
            sentence = cli(
                'infer', picture, '--weights', weights, '--json', POSES, '--output', OUT, *options
            ).sentence()
            assert files_under('.') == []
            return sentence

        return run

    @pytest.mark.parametrize('suffix', ['.pth', '.onnx', '.xml', '.json', '.tar'])
    def test_web_page(self, refused, tmp_path, suffix):
        (tmp_path / f'model{suffix}').write_text(WEB_PAGE)
        assert f'model{suffix}' in refused(tmp_path / f'model{suffix}')

    @pytest.mark.parametrize('suffix', ['.pth', '.onnx', '.xml'])
    def test_empty(self, refused, tmp_path, suffix):
        (tmp_path / f'model{suffix}').write_bytes(b'')
        assert f'model{suffix}' in refused(tmp_path / f'model{suffix}')

    def test_zip_bomb(self, refused, tmp_path):
        with zipfile.ZipFile(tmp_path / 'bomb.pth', 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr('archive/data.pkl', bytes(64 << 20))
        assert 'bomb.pth would unpack' in refused(tmp_path / 'bomb.pth')

    def test_other_network(self, refused, tmp_path):
        torch = pytest.importorskip('torch')
        torch.save({'state_dict': torch.nn.Conv2d(3, 4, 3).state_dict()}, tmp_path / 'other.pth')
        assert 'expected a Lightweight OpenPose network' in refused(tmp_path / 'other.pth')

    def test_other_onnx_network(self, refused, assets):
        sentence = refused(assets / 'weights' / 'simplepose_ultralight.onnx')
        assert 'expected outputs with 19 and 38 channels, got 17' in sentence

    def test_a_pickle_that_would_run_code(self, refused, tmp_path):
        torch = pytest.importorskip('torch')
        torch.save(Trap(), tmp_path / 'trap.pth')
        sentence = refused(tmp_path / 'trap.pth')
        assert 'trap.pth' in sentence
        assert not Path('sprung').exists()

    @pytest.mark.parametrize('share', [0.1, 0.5, 0.98])
    def test_half_a_checkpoint(self, refused, tmp_path, tiny, share):
        content = (tiny / 'tiny.pth').read_bytes()
        (tmp_path / 'half.pth').write_bytes(content[: int(len(content) * share)])
        assert 'half.pth is cut off or damaged' in refused(tmp_path / 'half.pth')

    @pytest.mark.parametrize('share', [0.1, 0.5, 0.98])
    def test_half_an_onnx_model(self, refused, tmp_path, seer, share):
        content = seer.read_bytes()
        (tmp_path / 'half.onnx').write_bytes(content[: int(len(content) * share)])
        assert 'half.onnx' in refused(tmp_path / 'half.onnx')

    def test_openvino_without_its_weights(self, refused, tmp_path):
        (tmp_path / 'model.xml').write_text('<?xml version="1.0"?>\n<net name="a" version="10"></net>\n')
        assert 'model.bin must lie beside it' in refused(tmp_path / 'model.xml')

    def test_openvino_with_half_its_weights(self, refused, tmp_path, assets):
        pytest.importorskip('openvino')
        for file in (assets / 'weights' / 'omz_int8').glob('*-0001.*'):
            content = file.read_bytes()
            target = tmp_path / f'model{file.suffix}'
            target.write_bytes(content[: len(content) // 2] if file.suffix == '.bin' else content)
        assert 'model.xml' in refused(tmp_path / 'model.xml')

    def test_folder_without_description(self, refused, tmp_path, seer):
        (tmp_path / 'model').mkdir()
        shutil.copy(seer, tmp_path / 'model' / 'model.onnx')
        assert 'is not a saved model: model.json is missing' in refused(tmp_path / 'model')

    def test_description_without_model(self, refused, tmp_path, tiny):
        (tmp_path / 'tiny').mkdir()
        shutil.copy(tiny / 'tiny.json', tmp_path / 'tiny')
        assert 'names the model file tiny.pth, which is not there' in refused(tmp_path / 'tiny')

    @pytest.mark.parametrize('name', ['missing', 'missing.pth', 'missing.onnx'])
    def test_missing(self, refused, tmp_path, name):
        assert f'there are no weights at {tmp_path / name}' in refused(tmp_path / name)

    @pytest.mark.parametrize('name', ['', '.'])
    def test_the_folder_one_stands_in(self, cli, picture, name):
        assert 'is not a saved model' in cli('infer', picture, '--weights', name).sentence()

    def test_picture(self, refused, picture):
        assert "a model file ends in .pth, .pt, .tar, .ckpt, .onnx, .xml, this one in '.png'" in refused(picture)

    @pytest.mark.parametrize(
        ('options', 'expected'),
        [
            (['--method', 'guessing'], "higher_hrnet, got 'guessing'"),
            (['--decode', 'guess'], '--decode must be one of fast, reference, evaluation'),
            (['--device', 'tpu'], '--device must be auto, cpu, cuda or cuda:N'),
            (['--height', 3], "--height must be a whole number from 32 to 4320, got '3'"),
            (['--upsample-ratio', 99], '--upsample-ratio must be'),
            (['--backend', 'torch'], 'seer.onnx runs on openvino or onnxruntime, not on torch'),
            (['--backend', 'onnxruntime', '--providers', 'Abacus'], 'ONNX Runtime here has no Abacus'),
        ],
    )
    def test_right_weights_but_wrong_settings(self, refused, seer, options, expected):
        assert expected in refused(seer, *options)


class Trap:
    """Something that leaves a file when it is unpickled."""

    def __reduce__(self):
        return os.system, ('touch sprung',)


class TestWriting:
    """Places that take no files."""

    def test_a_file_where_the_folder_should_be(self, cli, picture, seeing):
        OUT.write_text('mine')
        assert 'cannot make the folder out' in cli('infer', picture, '--output', OUT, *seeing).sentence()
        assert 'cannot make the folder out' in cli('infer', picture, '--json', POSES, *seeing).sentence()
        assert OUT.read_text() == 'mine'

    def test_a_folder_where_the_file_should_be(self, cli, picture, seeing):
        POSES.mkdir(parents=True)
        assert 'it is a folder' in cli('infer', picture, '--json', POSES, *seeing).sentence()
        (OUT / 'three.png').mkdir()
        assert 'it is a folder' in cli('infer', picture, '--output', OUT, *seeing).sentence()
        assert files_under('.') == []

    @pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
    def test_read_only_folder(self, cli, picture, seeing):
        OUT.mkdir(mode=0o500)
        assert 'Permission denied' in cli('infer', picture, '--output', OUT, *seeing).sentence()
        assert 'Permission denied' in cli('infer', picture, '--json', POSES, *seeing).sentence()

    @pytest.mark.skipif(not Path('/proc/self').exists(), reason='no /proc here')
    def test_a_file_system_without_files(self, cli, picture, clip, seeing):
        for arguments in ([picture, '--output', '/proc'], [clip, '--output', '/proc'], [picture, '--json', '/proc/a']):
            assert 'cannot write /proc' in cli('infer', *arguments, *seeing).sentence()

    @pytest.mark.parametrize('limit', [300, 5000])
    @pytest.mark.parametrize('kind', ['json', 'picture', 'video', 'all'])
    def test_full_disk(self, spawn, picture, clip, seeing, kind, limit):
        """No file may grow beyond the limit, as on a disk that has no more room."""
        source = picture if kind == 'picture' else clip
        outputs = {'json': ['--json', POSES], 'all': ['--output', OUT, '--json', POSES]}
        sentence = spawn(
            *('infer', source, *outputs.get(kind, ['--output', OUT]), *seeing), preexec_fn=lambda: limit_files(limit)
        ).sentence()
        assert re.search('cannot write .*(File too large|is the disk full)', sentence)
        assert files_under('.') == []


def limit_files(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
